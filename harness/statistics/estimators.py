"""Unbiased estimators from several draws per prompt: pass@k, pass^k, best-of-n by proxy rank.

Pure, numpy only. Estimates for different k or n share draws: resample prompts, never treat the
points of one curve as independent.
"""

from __future__ import annotations

from math import comb

import numpy as np

from rsft_bench.harness.types import FloatArray


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
    scores = np.where(np.isnan(proxy), -np.inf, np.asarray(proxy, dtype=np.float64))
    total = scores.size
    if not 1 <= n <= total:
        raise ValueError(f"best of {n} needs 1 <= n <= {total} draws")
    by_rank = np.array([comb(i, n - 1) / comb(total, n) for i in range(total)])
    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    shared = np.add.reduceat(by_rank, starts) / counts
    return np.asarray(shared[group])


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


def _check_counts(n: int, c: int, k: int) -> None:
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"need 0 <= c <= n and 1 <= k <= n, got n={n}, c={c}, k={k}")
