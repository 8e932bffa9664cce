"""Unbiased estimators from several draws per prompt: pass@k, pass^k, best-of-n by proxy rank.

Pure. Estimates for different k or n share draws: resample prompts, never treat the points of one
curve as independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb

import numpy as np
from scipy import stats

from rsft_bench.harness.types import FloatArray, IntArray


def pass_at_k(n: int, c: int, k: int) -> float:
    """P(at least one of k draws passes), from c passes among n draws. Unbiased.

    1 - C(n-c, k) / C(n, k).

    Raises:
        ValueError: not 0 <= c <= n or not 1 <= k <= n.

    Source: Chen et al. 2021, arXiv 2107.03374, equation 1.
    """
    _check_counts(n, c, k)
    return 1.0 - comb(n - c, k) / comb(n, k)


def pass_hat_k(n: int, c: int, k: int) -> float:
    """P(all of k draws pass), pass^k, from c passes among n draws: C(c, k) / C(n, k). Unbiased.

    Raises:
        ValueError: not 0 <= c <= n or not 1 <= k <= n.

    Source: Yao et al. 2024, arXiv 2406.12045.
    """
    _check_counts(n, c, k)
    return comb(c, k) / comb(n, k)


def best_of_n_weights(proxy: FloatArray, n: int) -> FloatArray:
    """Probability that each of N draws is the best by proxy among n drawn without replacement.

    The i-th smallest of N has weight C(i-1, n-1) / C(N, n); tied draws share the mean weight of
    their ranks, so gold never breaks a tie. A NaN proxy ranks below every number. Shape (N,),
    sums to 1; n = 1 gives 1/N each.

    Raises:
        ValueError: not 1 <= n <= N.
    """
    below, above = _tied_ranks(np.asarray(proxy, dtype=np.float64))
    (reached,) = _none_above(below.size, [n])
    return np.asarray((reached[above] - reached[below]) / (above - below))


def best_of_curve(proxy: FloatArray, values: FloatArray, sizes: Sequence[int]) -> FloatArray:
    """Expected value of the best of n draws by proxy for every n in ``sizes``, one row a prompt.

    The whole curve from one pool, with the weights of ``best_of_n_weights``; unbiased. Points of
    one curve share their draws: resample prompts.

    Args:
        proxy: ranking scores, shape (units, N).
        values: what to average at the chosen rank (gold, or the proxy itself), shape (units, N).
        sizes: numbers of draws, each in 1..N.

    Returns:
        Means, shape (units, len(sizes)).

    Raises:
        ValueError: an n outside 1..N.
    """
    scores = np.asarray(proxy, dtype=np.float64)
    ranks = [_tied_ranks(row) for row in scores]
    below, above = (np.array([r[i] for r in ranks]).reshape(scores.shape) for i in (0, 1))
    shared = np.asarray(values, dtype=np.float64) / (above - below)
    out = np.empty((len(scores), len(sizes)))
    for j, reached in enumerate(_none_above(scores.shape[1], sizes)):
        out[:, j] = ((reached[above] - reached[below]) * shared).sum(axis=1)
    return out


def best_of_k_mean(scores: FloatArray, k: int, values: FloatArray | None = None) -> float:
    """Expected value of the draw that ``scores`` ranks best among k, from N >= k draws. Unbiased.

    Args:
        scores: ranking scores (the proxy), shape (N,).
        k: draws a request would take.
        values: what to average at the chosen rank (gold), shape (N,); the scores themselves if
            None, then this is the expected maximum.

    Source: order-statistic estimator of Nakano et al. 2021, arXiv 2112.09332, appendix I.
    """
    weights = best_of_n_weights(scores, k)
    return float(weights @ np.asarray(scores if values is None else values, dtype=np.float64))


def binomial_mean(estimator: Callable[[int], float], n: int, p: float) -> float:
    """Exact expectation of an estimator that sees c passes among n draws of pass rate p."""
    law = stats.binom.pmf(np.arange(n + 1), n, p)
    return float(sum(w * estimator(c) for c, w in enumerate(law)))


def _tied_ranks(scores: FloatArray) -> tuple[IntArray, IntArray]:
    """How many of one prompt's draws lie below each, and how many not above it, each (N,)."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    rising = np.sort(known)
    return np.searchsorted(rising, known, "left"), np.searchsorted(rising, known, "right")


def _none_above(total: int, sizes: Sequence[int]) -> list[FloatArray]:
    """C(i, n) / C(N, n) for i = 0..N, one array for each n: P(n of N draws lie among i of them)."""
    if not all(1 <= n <= total for n in sizes):
        raise ValueError(f"best of {', '.join(map(str, sizes))} needs 1 <= n <= {total} draws")
    found: dict[int, FloatArray] = {}
    chance = np.ones(total + 1)
    for taken in range(max(sizes, default=0)):
        chance = chance * np.maximum(np.arange(total + 1) - taken, 0) / (total - taken)
        found[taken + 1] = chance
    return [found[n] for n in sizes]


def _check_counts(n: int, c: int, k: int) -> None:
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"need 0 <= c <= n and 1 <= k <= n, got n={n}, c={c}, k={k}")
