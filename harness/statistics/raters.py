"""What people would choose among rated answers, without counting their own rating noise as skill.

The best of k answers by the mean of R ratings, scored by the same ratings, is too good: the largest
mean is partly luck. Choosing by R - 1 raters and scoring by the one left out is free of that, for
raters whose errors are independent. Both bracket what a chooser gets who knows each answer's true
mean: ``split`` chooses on less than that knowledge, ``naive`` is the expectation of a maximum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rsft_bench.harness.types import FloatArray

TIED = 1e-9


class HumanBest(NamedTuple):
    """Mean rating of the answer that people would choose, on the raters' own scale.

    ``split``: chosen by all raters but one, scored by that one, averaged over the raters; unbiased
    for the true mean of what R - 1 raters choose. ``naive``: chosen and scored by all.
    """

    split: float
    naive: float


def human_best(ratings: FloatArray) -> HumanBest:
    """The best of k answers to one prompt by R raters, ties shared equally.

    Args:
        ratings: shape (k, R), finite, k >= 1.

    Raises:
        ValueError: another shape, a value that is not finite, or fewer than two raters, with whom
            nobody is left to score what the others chose.
    """
    x = np.asarray(ratings, dtype=np.float64)
    if x.ndim != 2 or x.shape[0] < 1 or x.shape[1] < 2 or not np.isfinite(x).all():
        raise ValueError("ratings must be finite and of shape (answers >= 1, raters >= 2)")
    others = (x.sum(axis=1, keepdims=True) - x) / (x.shape[1] - 1)
    split = float((_shares(others) * x).sum(axis=0).mean())
    means = x.mean(axis=1, keepdims=True)
    return HumanBest(split, float((_shares(means) * means).sum()))


def _shares(scores: FloatArray) -> FloatArray:
    """Chance that each answer is chosen by each column, shape kept; columns sum to 1."""
    best = scores >= scores.max(axis=0, keepdims=True) - TIED
    return np.asarray(best / best.sum(axis=0, keepdims=True))
