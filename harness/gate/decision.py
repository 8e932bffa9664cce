"""The gate's decision rule, for one run or for many simulated ones at once. Numpy only.

The last axis holds the blocking checks. The simulation that measures false alarms and power calls
the same functions as the gate itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.statistics import holm
from rsft_bench.harness.types import FloatArray

PASS = "pass"
REGRESSION = "regression"
INCONCLUSIVE = "inconclusive"
NOT_COMPARABLE = "not comparable"
ALPHA = 0.05
MIN_SEEDS = 3

Words = NDArray[np.str_]


def judge_checks(
    estimate: FloatArray, lower: FloatArray, p: FloatArray, margin: FloatArray | float
) -> Words:
    """Verdict of every check, shape (..., K).

    pass: the one-sided 95 % lower bound lies above -margin (no correction: all must hold).
    regression: p of "not worse" below .05 after Holm over the last axis and the estimate below
    -margin. Else inconclusive. Where there is no interval, ``lower`` is -inf and ``p`` is 1.

    Source: protocol section 6.
    """
    edge = -np.asarray(margin, dtype=np.float64)
    worse = (holm(p) < ALPHA) & (estimate < edge)
    words: Any = np.where(lower > edge, PASS, np.where(worse, REGRESSION, INCONCLUSIVE))
    return np.asarray(words, dtype=np.str_)


def judge(checks: Words) -> Words:
    """Verdict over the last axis: regression if any, pass if all, else inconclusive.

    No checks at all are inconclusive, never a pass.
    """
    some = np.any(checks == REGRESSION, axis=-1)
    every = np.all(checks == PASS, axis=-1) & (checks.shape[-1] > 0)
    words: Any = np.where(some, REGRESSION, np.where(every, PASS, INCONCLUSIVE))
    return np.asarray(words, dtype=np.str_)
