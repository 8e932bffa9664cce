"""Calibration of probabilities against binary outcomes: Brier score, reliability, ECE.

Bins hold equal numbers of forecasts (equal mass); equal forecasts always share a bin, so there may
be fewer bins than asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from rsft_bench.harness.statistics.effects import MIN_CLUSTERS, Effect, cluster_interval
from rsft_bench.harness.statistics.proportions import Interval
from rsft_bench.harness.statistics.resampling import cluster_draws
from rsft_bench.harness.types import FloatArray, IntArray

BINS = 10
REPLICATES = 1000
#: Multiples of the estimate that its interval is searched in.
SCALES = np.linspace(0.0, 2.5, 51)
FIXED_BINS = "clusters resampled, bins and seeds fixed"


class Brier(NamedTuple):
    """Brier score and its parts: score = reliability - resolution + uncertainty + within.

    ``reliability`` is the squared miscalibration of the bins (0 is best), ``resolution`` how far
    their observed rates spread, ``uncertainty`` rate x (1 - rate) of the outcomes; ``within`` what
    binning leaves over, 0 where every bin holds one forecast value.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


class Reliability(NamedTuple):
    """One row a bin, in rising order: size, mean forecast, observed rate, each of shape (B,)."""

    size: IntArray
    forecast: FloatArray
    observed: FloatArray


class ECE(NamedTuple):
    """Expected calibration error, its de-biased value, and the interval of the true one."""

    estimate: float
    debiased: float
    interval: Interval | None


def brier(forecast: FloatArray, outcome: Sequence[bool] | FloatArray, bins: int = BINS) -> Brier:
    """Mean squared error of probabilities, with its decomposition over equal-mass bins.

    Raises:
        ValueError: no forecasts, one outside [0, 1], or an outcome that is not 0 or 1.

    Source: Murphy 1973 (J. Appl. Meteorology 12:595-600); the part within bins after Stephenson,
    Coelho and Jolliffe 2008 (Weather and Forecasting 23:752-757).
    """
    p, y = _checked(forecast, outcome)
    table = reliability_table(p, y, bins)
    share = table.size / p.size
    rate = float(y.mean())
    score = float(np.square(p - y).mean())
    reliability = float(share @ np.square(table.forecast - table.observed))
    resolution = float(share @ np.square(table.observed - rate))
    uncertainty = rate * (1.0 - rate)
    return Brier(
        score,
        reliability,
        resolution,
        uncertainty,
        score - (reliability - resolution + uncertainty),
    )


def brier_interval(
    forecast: FloatArray,
    outcome: Sequence[bool] | FloatArray,
    cluster: Sequence[str],
    seed: Sequence[int],
) -> Effect:
    """Brier score with the interval of a mean, over clusters and seeds (``cluster_interval``).

    Raises:
        NotComparableError: as ``cluster_interval``. ValueError: as ``brier``.
    """
    p, y = _checked(forecast, outcome)
    return cluster_interval(np.square(p - y), cluster, seed)


def reliability_table(
    forecast: FloatArray, outcome: Sequence[bool] | FloatArray, bins: int = BINS
) -> Reliability:
    """Forecasts and outcomes of each equal-mass bin. Raises ValueError as ``brier``."""
    p, y = _checked(forecast, outcome)
    group = equal_mass(p, bins)
    count = np.bincount(group)
    return Reliability(
        count.astype(np.int64),
        np.bincount(group, weights=p) / count,
        np.bincount(group, weights=y) / count,
    )


def equal_mass(forecast: FloatArray, bins: int = BINS) -> NDArray[np.intp]:
    """Bin of each forecast, shape (n,), numbered from 0 without gaps; ties share a bin."""
    if bins < 1:
        raise ValueError(f"need at least 1 bin, got {bins}")
    p = np.asarray(forecast, dtype=np.float64)
    last = np.maximum(np.arange(1, bins) * p.size // bins - 1, 0)
    _, group = np.unique(np.searchsorted(np.sort(p)[last], p, side="left"), return_inverse=True)
    return group


def ece(
    forecast: FloatArray,
    outcome: Sequence[bool] | FloatArray,
    cluster: Sequence[str],
    group: Sequence[int] | None = None,
    *,
    bins: int = BINS,
    seed: int = 0,
) -> ECE:
    """Expected calibration error: mean over forecasts of their bin's |forecast - observed rate|.

    The plain estimate is biased upwards, by about sqrt(2 v / pi) in a calibrated bin whose gap has
    variance v: few outcomes make a calibrated forecast look miscalibrated.

    Args:
        forecast: probabilities, shape (n,).
        outcome: 0 or 1, shape (n,).
        cluster: the unit of resampling of each.
        group: which forecaster made each (one fit a seed); the result is the mean over groups, each
            with its own bins. One group if None.
        bins: equal-mass bins a group.
        seed: seed of the resampling stream, the same draws for all groups.

    Returns:
        The plain estimate; ``debiased``, less the mean excess of bootstrap replicates and at least
        0, is less biased, not unbiased; the 95 % interval of the binned error (at most the unbinned
        one) holds those multiples of the observed gaps at which the estimate would not be unusual.
        It may lie below the estimate. NaN and None under 10 clusters, in all or near it in a group.

    Raises:
        ValueError: as ``brier``.

    Source: Guo et al. 2017, arXiv 1706.04599, section 3; its bias: Broecker 2012 (Climate Dynamics
    39:655-667). The interval is ours; simulated with 30 and 100 clusters it covers .90 to .99.
    """
    p, y = _checked(forecast, outcome)
    fold = _folded(p, y, cluster, np.zeros(p.size) if group is None else np.asarray(group), bins)
    clusters = len(fold.gaps)
    whole = _weighted(fold, np.ones((1, clusters)))[0]
    estimate = float(np.abs(whole).sum())
    if clusters < MIN_CLUSTERS:
        return ECE(estimate, float("nan"), None)
    drawn = _weighted(fold, cluster_draws(clusters, REPLICATES, seed).astype(np.float64))
    # Resampled means of C clusters vary (C - 1)/C too little.
    noise = (drawn - whole) * sqrt(clusters / (clusters - 1))
    excess = float(np.abs(whole + noise).sum(axis=1).mean()) - estimate
    if np.isnan(excess):  # some replicate drew no cluster of a group
        return ECE(estimate, float("nan"), None)
    wider = float(stats.t.ppf(0.975, clusters - 1) / stats.norm.ppf(0.975))
    return ECE(estimate, max(0.0, estimate - excess), _inverted(whole, noise * wider))


class _Fold(NamedTuple):
    """Sums of forecast - outcome and counts by cluster and bin, (C, B); group of each bin (B,)."""

    gaps: FloatArray
    sizes: FloatArray
    owner: IntArray


def _folded(
    p: FloatArray, y: FloatArray, cluster: Sequence[str], group: NDArray[Any], bins: int
) -> _Fold:
    names, c = np.unique(np.asarray(cluster, dtype=str), return_inverse=True)
    _, g = np.unique(group, return_inverse=True)
    slot, owner = _slots(p, g, bins)
    shape = (names.size, owner.size)
    flat, cells = c * owner.size + slot, names.size * owner.size
    gaps, sizes = (
        np.bincount(flat, weights=w, minlength=cells).reshape(shape).astype(np.float64)
        for w in (p - y, None)
    )
    return _Fold(gaps, sizes, owner)


def _inverted(whole: FloatArray, noise: FloatArray) -> Interval:
    """The errors s x estimate at which the estimate lies within its central 95 %."""
    estimate = float(np.abs(whole).sum())
    limits = [np.quantile(np.abs(s * whole + noise).sum(axis=1), [0.025, 0.975]) for s in SCALES]
    lower, upper = np.maximum.accumulate(limits).T
    # Where even no error would usually give a larger estimate, both ends are 0.
    lo, hi = (float(np.interp(estimate, side, SCALES)) for side in (upper, lower))
    return Interval(lo * estimate, hi * estimate, FIXED_BINS)


def _slots(p: FloatArray, g: NDArray[np.intp], bins: int) -> tuple[IntArray, IntArray]:
    """A bin number over all groups for each forecast (n,), and the group of each bin (B,)."""
    slot = np.zeros(p.size, dtype=np.int64)
    owner: list[int] = []
    for one in range(int(g.max()) + 1):
        at = g == one
        mine = equal_mass(p[at], bins)
        slot[at] = mine + len(owner)
        owner += [one] * (int(mine.max()) + 1)
    return slot, np.array(owner, dtype=np.int64)


def _weighted(fold: _Fold, times: FloatArray) -> FloatArray:
    """Each bin's part of the error before its sign is dropped, (R, B), for clusters so often."""
    starts = np.flatnonzero(np.diff(fold.owner, prepend=-1))
    total = np.add.reduceat(times @ fold.sizes, starts, axis=1)[:, fold.owner]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(times @ fold.gaps / total / starts.size)


def _checked(
    forecast: FloatArray, outcome: Sequence[bool] | FloatArray
) -> tuple[FloatArray, FloatArray]:
    p, y = np.asarray(forecast, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if p.ndim != 1 or p.shape != y.shape or not p.size:
        raise ValueError(f"forecasts and outcomes have shapes {p.shape} and {y.shape}")
    if not ((p >= 0) & (p <= 1)).all() or not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("need forecasts in [0, 1] and outcomes that are 0 or 1")
    return p, y
