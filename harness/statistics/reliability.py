"""The reliability diagram: how often answers pass that a reward gives the same probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.types import FloatArray

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of the reliability diagram: scores in [lo, hi), n answers, means of both."""

    lo: float
    hi: float
    n: int
    mean_score: float
    share_positive: float


def reliability(
    scores: FloatArray, labels: Sequence[bool] | NDArray[np.bool_], bins: int = BINS
) -> tuple[Bin, ...]:
    """Equal-width bins over [0, 1] with mean score and share of positives; empty ones left out.

    Args:
        scores: probabilities in [0, 1], shape (n,).
        labels: what happened, shape (n,).
        bins: number of bins.
    """
    found, truth = [], np.asarray(labels, dtype=bool)
    index = np.minimum((scores * bins).astype(int), bins - 1)
    for b in range(bins):
        rows = index == b
        if rows.any():
            means = float(scores[rows].mean()), float(truth[rows].mean())
            found.append(Bin(b / bins, (b + 1) / bins, int(rows.sum()), *means))
    return tuple(found)
