"""Percentile bootstrap over clusters, for functionals without a variance formula.

Used for break-even and best-of-n curves. Under 10 seeds they stay as they are, and the result says
so: a bootstrap over few seeds understates their variance (protocol section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics.effects import MIN_CLUSTERS
from rsft_bench.harness.statistics.proportions import Interval
from rsft_bench.harness.types import FloatArray, IntArray

FIXED_SEEDS = "clusters resampled, seeds fixed"
RESAMPLED_SEEDS = "clusters and seeds resampled"
MIN_RESAMPLED_SEEDS = 10


def cluster_draws(clusters: int, replicates: int, seed: int) -> IntArray:
    """How often each cluster is drawn in each replicate, shape (replicates, clusters).

    Resampling several variants with the same counts keeps them paired.
    """
    rng = stream(seed, "cluster-bootstrap", clusters)
    equal = np.full(clusters, 1.0 / clusters)
    return np.asarray(rng.multinomial(clusters, equal, size=replicates), dtype=np.int64)


def seed_draws(seeds: int, replicates: int, seed: int) -> IntArray | None:
    """How often each seed is drawn in each replicate, (replicates, seeds); None under 10 seeds."""
    if seeds < MIN_RESAMPLED_SEEDS:
        return None
    rng = stream(seed, "seed-bootstrap", seeds)
    return np.asarray(rng.multinomial(seeds, np.full(seeds, 1.0 / seeds), size=replicates))


def bootstrap_interval(
    functional: Callable[[IntArray], float],
    cluster: Sequence[str],
    seed: int,
    replicates: int = 2000,
    level: float = 0.95,
) -> Interval | None:
    """Percentile interval of ``functional`` over resampled clusters.

    Args:
        functional: takes row indices (with repeats, every row of a drawn cluster) and returns a
            number; infinities are kept, so a break-even may be unbounded.
        cluster: the cluster of each row; all seeds' rows of an example share its cluster.
        seed: seed of the resampling stream.
        replicates: number of resamples.
        level: coverage.

    Returns:
        The interval, or None under 10 clusters or where a replicate is NaN (undefined there).
    """
    names, group = np.unique(np.asarray(cluster, dtype=str), return_inverse=True)
    if names.size < MIN_CLUSTERS:
        return None
    members = [np.flatnonzero(group == g) for g in range(names.size)]
    counts = cluster_draws(names.size, replicates, seed)
    values = np.empty(replicates)
    for r, row in enumerate(counts):
        drawn = [np.tile(members[g], int(row[g])) for g in np.flatnonzero(row)]
        values[r] = functional(np.concatenate(drawn))
    return percentile_interval(values, level)


def percentile_interval(
    values: FloatArray, level: float = 0.95, label: str = FIXED_SEEDS
) -> Interval | None:
    """Percentiles of replicate values, shape (R,); None where one is NaN. Keeps infinities.

    ``label`` says what was resampled.
    """
    if np.isnan(values).any():
        return None
    tail = (1.0 - level) / 2
    # No interpolation: between a number and infinity there is nothing to interpolate.
    lo = float(np.quantile(values, tail, method="lower"))
    hi = float(np.quantile(values, 1.0 - tail, method="higher"))
    return Interval(lo, hi, label)
