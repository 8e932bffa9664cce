"""A confidence sequence: an interval for a mean that may be looked at after every observation."""

from __future__ import annotations

import numpy as np

from rsft_bench.harness.types import FloatArray


def mixture_radius(
    counts: FloatArray, sd: float, alpha: float = 0.05, planned: float = 100.0
) -> FloatArray:
    """Half width of the normal-mixture confidence sequence after each number of observations.

    sqrt((t s^2 + rho) log((t s^2 + rho) / (rho alpha^2))) / t, rho = planned s^2 / (a + log a)
    with a = -2 log alpha, near the choice that is narrowest at ``planned`` observations. The mean
    lies within it at every t >= 1 together with probability at least 1 - alpha.

    Args:
        counts: numbers of observations t >= 1, any shape.
        sd: s, a bound such that observations are s-sub-Gaussian: their SD if normal, half their
            range if bounded (1/2 for scores in [0, 1]). Not estimated from the same data.
        alpha: error over the whole sequence.
        planned: the number of observations it is made narrow for.

    Raises:
        ValueError: a count below 1, sd or planned not above 0, or alpha outside (0, 1).

    Source: Robbins 1970 (Annals of Mathematical Statistics 41:1397-1409); Howard, Ramdas, McAuliffe
    and Sekhon 2021 (Annals of Statistics 49:1055-1080), section 3.2.
    """
    t = np.asarray(counts, dtype=np.float64)
    if not (t >= 1).all() or not (sd > 0 and planned > 0 and 0 < alpha < 1):
        raise ValueError(f"need counts >= 1, sd={sd} > 0, planned={planned} > 0, alpha in (0, 1)")
    a = -2 * np.log(alpha)
    rho = planned * sd**2 / (a + np.log(a))
    spread = t * sd**2 + rho
    return np.asarray(np.sqrt(spread * np.log(spread / (rho * alpha**2))) / t)
