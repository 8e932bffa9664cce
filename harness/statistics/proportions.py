"""Intervals for one proportion of independent trials. Pure, scipy only."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from scipy import stats


class Interval(NamedTuple):
    """Lower and upper bound; ``label`` says what was resampled or assumed."""

    lo: float
    hi: float
    label: str


def wilson(count: int, n: int, level: float = 0.95) -> Interval:
    """Wilson score interval of count/n, inside [0, 1], never of zero width.

    Raises:
        ValueError: n < 1 or not 0 <= count <= n.

    Source: Wilson 1927 (JASA 22:209-212).
    """
    _check(count, n)
    z = float(stats.norm.ppf(0.5 + level / 2))
    share = count / n
    scale = 1.0 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return Interval(max(0.0, centre - half), min(1.0, centre + half), "wilson")


def jeffreys(count: int, n: int, level: float = 0.95) -> Interval:
    """Equal-tailed Jeffreys interval; the lower bound is 0 at count 0, the upper 1 at count n.

    Raises:
        ValueError: n < 1 or not 0 <= count <= n.

    Source: Brown, Cai and DasGupta 2001 (Statistical Science 16:101-133).
    """
    _check(count, n)
    tail = (1.0 - level) / 2
    a, b = count + 0.5, n - count + 0.5
    lo = 0.0 if count == 0 else float(stats.beta.ppf(tail, a, b))
    hi = 1.0 if count == n else float(stats.beta.ppf(1.0 - tail, a, b))
    return Interval(lo, hi, "jeffreys")


def clopper_pearson(count: int, n: int, level: float = 0.95) -> Interval:
    """Exact interval of count/n: coverage is at least ``level`` for every rate.

    Raises:
        ValueError: n < 1 or not 0 <= count <= n.

    Source: Clopper and Pearson 1934 (Biometrika 26:404-413).
    """
    _check(count, n)
    tail = (1.0 - level) / 2
    lo = 0.0 if count == 0 else float(stats.beta.ppf(tail, count, n - count + 1))
    hi = 1.0 if count == n else float(stats.beta.ppf(1.0 - tail, count + 1, n - count))
    return Interval(lo, hi, "clopper-pearson")


def zero_count_upper(n: int, level: float = 0.95) -> float:
    """Exact one-sided upper bound of a rate seen 0 times in n trials: 1 - (1-level)^(1/n).

    Raises:
        ValueError: n < 1.
    """
    _check(0, n)
    return float(1.0 - (1.0 - level) ** (1.0 / n))


def _check(count: int, n: int) -> None:
    if n < 1 or not 0 <= count <= n:
        raise ValueError(f"need n >= 1 and 0 <= count <= n, got {count} of {n}")
