"""The harness: configuration, training, sampling, statistics and the gate."""
