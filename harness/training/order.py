"""Which rows a step takes: shuffled epochs without replacement from a keyed stream.

The order depends on (seed, stream, epoch, number of rows) alone, so that an equal set is read in
an equal order by every arm, whatever stands beside it.
"""

from __future__ import annotations

import numpy as np

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import IntArray


def row_order(seed: int, name: str, rows: int, batch: int, steps: int) -> IntArray:
    """Row indices of every step, shape (steps, batch).

    Epochs follow one another without a gap: a batch may end one epoch and begin the next, and a
    batch larger than the set holds several epochs. Every entry is marginally uniform over the
    rows, so (rows / batch) times a batch's sum is an unbiased estimate of the whole set's sum.

    Args:
        seed: run seed.
        name: order stream, such as ``train-D``.
        rows: rows of the set, at least 1.
        batch: rows a step takes.
        steps: optimizer steps.
    """
    needed = batch * steps
    epochs = -(-needed // rows)
    parts = [stream(seed, name, epoch).permutation(rows) for epoch in range(epochs)]
    order = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
    return order[:needed].reshape(steps, batch).astype(np.int64)
