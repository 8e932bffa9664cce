"""Gold against proxy along best-of-n, the whole curve from one pool of draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rsft_bench.harness.statistics.best_of import best_of_n_kl_bound
from rsft_bench.harness.statistics.effects import MIN_CLUSTERS, p_not_worse, two_way_effect
from rsft_bench.harness.statistics.estimators import best_of_curve
from rsft_bench.harness.statistics.resampling import resampled_means
from rsft_bench.harness.types import FloatArray, IntArray

TAIL = 0.025


class Bands(NamedTuple):
    """Bootstrap limits of one curve, each of shape (S,), one for each n."""

    lo: FloatArray
    hi: FloatArray


class Turning(NamedTuple):
    """Where the gold curve is highest.

    ``n`` is the estimate, ``lo`` and ``hi`` its 95 % interval: by bootstrap from
    ``proxy_gold_curve``, by tests from ``turning_of``. ``seen`` is whether gold at the largest n
    lies below its highest, by bootstrap in all but 2.5 % of replicates; else no turning point was
    seen up to there. Simulated with 25 clusters, a flat curve is called one in at most 7 % of runs,
    a rising one in none.
    """

    n: int
    lo: int
    hi: int
    seen: bool


class ProxyGoldCurve(NamedTuple):
    """Best-of-n by proxy for every n in ``sizes`` (S,): mean proxy and gold of the chosen answer.

    ``root_kl`` is the square root of the bound log n - (n-1)/n, not a measured divergence. Bands
    and ``turning`` are None under 10 clusters. ``label`` says what was resampled.
    """

    sizes: IntArray
    root_kl: FloatArray
    proxy: FloatArray
    gold: FloatArray
    proxy_bands: Bands | None
    gold_bands: Bands | None
    turning: Turning | None
    label: str


def proxy_gold_curve(
    proxy: FloatArray,
    gold: FloatArray,
    cluster: Sequence[str],
    seed: Sequence[int],
    sizes: Sequence[int],
    *,
    resample_seed: int = 0,
    replicates: int = 2000,
) -> ProxyGoldCurve:
    """The over-optimisation curve of a pool.

    The answers of each prompt are ranked by proxy (ties share their ranks), and both scores are
    averaged at the best of n: unbiased at every n. The points share their draws, so clusters (and
    seeds, where there are 10) are resampled whole, the same for all n and for both curves. Bands
    are 95 % point by point.

    Args:
        proxy: ranking scores, shape (units, N), one row a (seed, prompt).
        gold: gold scores of the same draws, shape (units, N).
        cluster: the cluster of each unit.
        seed: the seed of each unit.
        sizes: numbers of draws, each in 1..N, in rising order.
        resample_seed: seed of the resampling streams.
        replicates: number of resamples.

    Raises:
        ValueError: unequal shapes, sizes that do not rise or lie outside 1..N, or a score that is
            not finite: leave such prompts out before, and say so.
    """
    p, r = np.asarray(proxy, dtype=np.float64), np.asarray(gold, dtype=np.float64)
    ns = np.asarray(sizes, dtype=np.int64)
    if p.ndim != 2 or p.shape != r.shape or not len(p) == len(cluster) == len(seed) > 0:
        raise ValueError(f"proxy and gold have shapes {p.shape} and {r.shape}")
    if ns.size == 0 or (np.diff(ns) <= 0).any():
        raise ValueError(f"sizes must rise, got {list(sizes)}")
    if not (np.isfinite(p).all() and np.isfinite(r).all()):
        raise ValueError("a proxy or gold score is not finite")
    curves = np.hstack([best_of_curve(p, p, sizes), best_of_curve(p, r, sizes)])
    top, low = np.split(curves.mean(axis=0), 2)
    root = np.sqrt([best_of_n_kl_bound(int(n)) for n in ns])
    clusters = len(set(cluster))
    if clusters < MIN_CLUSTERS:
        why = f"no bands: {clusters} clusters, {MIN_CLUSTERS} needed"
        return ProxyGoldCurve(ns, root, top, low, None, None, None, why)
    means, label = _resampled(curves, cluster, seed, replicates, resample_seed)
    ends = np.quantile(means, [TAIL, 1.0 - TAIL], axis=0)
    above, below = (Bands(*half) for half in np.split(ends, 2, axis=1))
    turning = _turning(ns, low, means[:, ns.size :])
    return ProxyGoldCurve(ns, root, top, low, above, below, turning, label)


def _resampled(
    curves: FloatArray,
    cluster: Sequence[str],
    seed: Sequence[int],
    replicates: int,
    resample_seed: int,
) -> tuple[FloatArray, str]:
    """Mean curves in every replicate, (R, columns)."""
    _, c = np.unique(np.asarray(cluster, dtype=str), return_inverse=True)
    _, s = np.unique(np.asarray(seed, dtype=np.int64), return_inverse=True)
    shape = (int(s.max()) + 1, int(c.max()) + 1)
    sums, sizes = np.zeros((*shape, curves.shape[1])), np.zeros(shape)
    np.add.at(sums, (s, c), curves)
    np.add.at(sizes, (s, c), 1.0)
    return resampled_means(sums, sizes, replicates, resample_seed)


def _turning(ns: IntArray, gold: FloatArray, replicates: FloatArray) -> Turning:
    highest = np.argmax(replicates, axis=1)
    lo, hi = (int(q) for q in np.quantile(highest, [TAIL, 1.0 - TAIL], method="nearest"))
    top = int(np.argmax(gold))
    risen = float(np.mean(replicates[:, -1] >= replicates[:, top]))
    return Turning(int(ns[top]), int(ns[lo]), int(ns[hi]), risen < TAIL)


def turning_of(
    gold: FloatArray, sizes: Sequence[int], cluster: Sequence[str], seed: Sequence[int]
) -> Turning | None:
    """The turning point of a curve whose points are policies of their own, such as rounds.

    A point is ruled out as the highest where the two-way test (``two_way_effect``) finds another
    above it at a one-sided 5 %, Bonferroni over the others: the points left hold the highest in at
    least 95 % of runs, and ``lo`` and ``hi`` are the first and the last of them. ``seen`` is that
    the last point of the curve is ruled out, so a curve that never turns is called one in at most
    5 %. New seeds and new prompts are covered, unlike by a bootstrap at fixed seeds.

    Args:
        gold: gold of every point for every (seed, example), shape (units, S).
        sizes: what the points are called, (S,), in rising order.
        cluster: the cluster of each unit.
        seed: the seed of each unit.

    Returns:
        None under 10 clusters or two points.

    Raises:
        ValueError: unequal shapes, or sizes that do not rise.
        NotComparableError: as ``two_way_effect``.

    Source: multiple comparisons with the best, Hsu 1981 (Annals of Statistics 9:1026-1034), with
    Bonferroni in place of its joint critical value.
    """
    values = np.asarray(gold, dtype=np.float64)
    ns = np.asarray(sizes, dtype=np.int64)
    if values.ndim != 2 or values.shape[1] != ns.size or (np.diff(ns) <= 0).any():
        raise ValueError(f"gold of shape {values.shape} needs as many rising sizes, got {ns}")
    if len(set(cluster)) < MIN_CLUSTERS or ns.size < 2:
        return None
    left = [i for i in range(ns.size) if not _below(values, i, cluster, seed)]
    top = int(np.argmax(values.mean(axis=0)))
    return Turning(int(ns[top]), int(ns[left[0]]), int(ns[left[-1]]), ns.size - 1 not in left)


def _below(values: FloatArray, i: int, cluster: Sequence[str], seed: Sequence[int]) -> bool:
    """Whether some other point lies above point i by the test of ``turning_of``."""
    others = [j for j in range(values.shape[1]) if j != i]
    found = [
        p_not_worse(two_way_effect(values[:, i] - values[:, j], cluster, seed)) for j in others
    ]
    return any(p is not None and p < 2 * TAIL / len(others) for p in found)
