"""Engine of the authored suites: banks of families and writers, prompts, logs and the judge."""
