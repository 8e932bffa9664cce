"""Percentile bootstrap over clusters, for functionals without a variance formula.

Used for break-even and best-of-n curves. Under 10 seeds they stay as they are, and the result says
so: a bootstrap over few seeds understates their variance (protocol section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics.effects import MIN_CLUSTERS
from rsft_bench.harness.statistics.proportions import Interval
from rsft_bench.harness.types import FloatArray, IntArray

FIXED_SEEDS = "clusters resampled, seeds fixed"
RESAMPLED_SEEDS = "clusters and seeds resampled"
MIN_RESAMPLED_SEEDS = 10
#: Memory that replicates computed at one time may take.
CHUNK_BYTES = 64 * 2**20


def cluster_draws(clusters: int, replicates: int, seed: int) -> IntArray:
    """How often each cluster is drawn in each replicate, shape (replicates, clusters).

    Resampling several variants with the same counts keeps them paired.
    """
    return next(_draws("cluster-bootstrap", clusters, replicates, seed, replicates))


def resampled_means(
    sums: FloatArray, sizes: FloatArray, replicates: int, seed: int, chunk_bytes: int = CHUNK_BYTES
) -> tuple[FloatArray, str]:
    """Means in every bootstrap replicate, (replicates, columns), and what was resampled.

    Clusters and seeds are drawn independently of each other (Owen 2007, the pigeonhole bootstrap);
    under 10 seeds they stay as they are. The result does not depend on ``chunk_bytes`` beyond
    rounding.

    Args:
        sums: sums over the rows of each seed and cluster, (seeds, clusters, columns).
        sizes: numbers of those rows, (seeds, clusters).
        replicates: number of resamples.
        seed: seed of the resampling streams.
        chunk_bytes: memory that the replicates computed at one time may take.
    """
    seeds, clusters, columns = sums.shape
    table = np.concatenate([sums, sizes[:, :, None]], axis=2).transpose(1, 0, 2)
    flat = np.ascontiguousarray(table).reshape(clusters, -1)
    # Counts as drawn and as floats, and products before and after seeds are weighed.
    one = 8 * (2 * clusters + 2 * flat.shape[1])
    chunk = max(1, min(replicates, chunk_bytes // one))
    free = seeds >= MIN_RESAMPLED_SEEDS
    again = _draws("seed-bootstrap", seeds, replicates, seed, chunk) if free else None
    means = np.empty((replicates, columns))
    at = 0
    for times in _draws("cluster-bootstrap", clusters, replicates, seed, chunk):
        found = (times.astype(np.float64) @ flat).reshape(len(times), seeds, columns + 1)
        if again is None:
            total = found.sum(axis=1)
        else:
            total = np.matmul(next(again)[:, None, :].astype(np.float64), found)[:, 0]
        means[at : at + len(times)] = total[:, :-1] / total[:, -1:]
        at += len(times)
    return means, RESAMPLED_SEEDS if free else FIXED_SEEDS


def _draws(purpose: str, units: int, replicates: int, seed: int, chunk: int) -> Iterator[IntArray]:
    """How often each unit is drawn, (chunk, units) at a time; the chunks make up one stream."""
    rng = stream(seed, purpose, units)
    equal = np.full(units, 1.0 / units)
    for start in range(0, replicates, chunk):
        size = min(chunk, replicates - start)
        yield np.asarray(rng.multinomial(units, equal, size=size), dtype=np.int64)


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
