"""Exact laws of acceptance rules for one prompt with finitely many answers, in closed form.

``p`` (m,) are the policy's probabilities of the m answers, ``r`` (m,) their rewards (finite; equal
values are ties), ``k`` the candidates drawn. Ties are split evenly over tied draws, hence over
answers in proportion to ``p``. Rules without a closed form: ``acceptance_draws``. Numpy only.

Source: protocol.md section 2. Where a rule is a published one its own docstring cites it.
"""

from __future__ import annotations

from math import comb, isinf, nan
from typing import NamedTuple

import numpy as np

from rsft_bench.harness.types import FloatArray


class Law(NamedTuple):
    """What a rule accepts out of k draws of one prompt.

    ``counts`` (m,) is the expected number of accepted copies of each answer. ``answer`` (m,) is the
    law of one answer taken evenly from the accepted set, given that there is one: E[c / sum c |
    sum c > 0], what training sees where a prompt's accepted answers share one weight; NaN where
    nothing is ever accepted. ``covered`` is P(sum c > 0).
    """

    counts: FloatArray
    answer: FloatArray
    covered: float


def pointwise_law(p: FloatArray, accept: FloatArray, k: int) -> Law:
    """``all``, ``threshold`` by tau, exact rejection: each draw of y is accepted with accept[y].

    Every accepted answer has the law p A / alpha, alpha = sum p A; counts = k p A; P(covered) =
    1 - (1 - alpha)^k. A threshold by target_rate is its limit for a large pool, with A = 1 above
    the quantile and the share kept at it.

    Raises:
        ValueError: shapes differ, p is no law, k < 1, or a chance outside [0, 1].

    Source: von Neumann 1951 (rejection); protocol.md section 2.
    """
    check(p, accept, k)
    if (accept < 0).any() or (accept > 1).any():
        raise ValueError(f"chances of acceptance {accept} must lie in [0, 1]")
    joint = p * accept
    alpha = float(joint.sum())
    answer = joint / alpha if alpha > 0 else np.full(p.shape, nan)
    return Law(k * joint, answer, 1.0 - (1.0 - min(alpha, 1.0)) ** k)


def argmax_law(p: FloatArray, r: FloatArray, k: int) -> Law:
    """``argmax``: the level of y wins with F^k - F-^k, split within the level in proportion to p.

    F(y) = P(r <= r(y)), F-(y) = P(r < r(y)). The law of best-of-n at n = k.

    Raises:
        ValueError: shapes differ, p is no law, a reward is not finite, or k < 1.

    Source: Beirami et al. 2025, arXiv 2401.01879 (without ties); science.md section 2.
    """
    check(p, r, k)
    law = np.zeros(p.shape)
    for level in np.unique(r):
        tied = r == level
        mass, below = float(p[tied].sum()), float(p[r < level].sum())
        if mass > 0:
            law[tied] = p[tied] / mass * ((below + mass) ** k - below**k)
    return Law(law, law.copy(), 1.0)


def top_m_law(p: FloatArray, r: FloatArray, k: int, m: int) -> Law:
    """``top_m``, and ``threshold`` by prompt_rate q with m = max(1, round(q k)), halves to even.

    Of the draws at or above a level min(m, Bin(k, P(r >= level))) are accepted, so the level itself
    gets E[min(m, Bin(k, P(r >= level)))] - E[min(m, Bin(k, P(r > level)))], split within it in
    proportion to p. m = 1 is F^k - F-^k.

    Raises:
        ValueError: as ``argmax_law``, or not 1 <= m <= k.
    """
    check(p, r, k)
    check_number(m, k)

    def expected(q: float) -> float:
        chance = min(max(q, 0.0), 1.0)
        terms = (min(m, j) * comb(k, j) * chance**j * (1 - chance) ** (k - j) for j in range(k + 1))
        return sum(terms)

    counts = np.zeros(p.shape)
    for level in np.unique(r):
        tied = r == level
        mass, over = float(p[tied].sum()), float(p[r > level].sum())
        if mass > 0:
            counts[tied] = p[tied] / mass * (expected(over + mass) - expected(over))
    return Law(counts, counts / m, 1.0)


def rate_law(p: FloatArray, k: int, total: int, candidates: int) -> Law:
    """``random[by=rate]``: ``total`` of the pool's ``candidates``, every such set equally likely.

    counts = k p total/candidates; an accepted answer has the law p; P(covered) = 1 -
    C(N - k, T)/C(N, T), hypergeometric. Exact for one prompt of the pool where the total is fixed.

    Raises:
        ValueError: p is no law, k < 1, or not k, total <= candidates.
    """
    check(p, p, k)
    if not 0 <= total <= candidates or k > candidates:
        raise ValueError(f"need k={k} and total={total} to be at most candidates={candidates}")
    missed = comb(candidates - k, total) / comb(candidates, total)
    answer = p.copy() if total else np.full(p.shape, nan)
    return Law(k * p * total / candidates, answer, 1.0 - missed)


def tilted_law(p: FloatArray, r: FloatArray, beta: float) -> FloatArray:
    """The law p e^{r/beta} / Z, (m,): limit of ``statistical`` for many candidates per accepted.

    beta = 0 is p on the best answers alone, an infinite beta is p. Also the optimum of E[r] -
    beta KL(. || p).

    Raises:
        ValueError: shapes differ, p is no law, or beta < 0.

    Source: Liu et al. 2024, arXiv 2309.06657, the optimal policy.
    """
    check(p, r, 1)
    if not beta >= 0:
        raise ValueError(f"beta={beta} must be at least 0")
    best = float(r[p > 0].max())
    weights = p * chances(np.minimum(r - best, 0.0), beta)
    law: FloatArray = weights / weights.sum()
    return law


def chances(gaps: FloatArray, beta: float) -> FloatArray:
    """Acceptance exp(gap / beta) for gaps <= 0, with its limits at beta 0 and infinity."""
    if beta == 0:
        return np.asarray(gaps == 0, dtype=np.float64)
    return np.ones(gaps.shape) if isinf(beta) else np.asarray(np.exp(gaps / beta))


def check(p: FloatArray, values: FloatArray, k: int) -> None:
    """Raise ValueError unless p is a law, the values are finite and as long, and k >= 1."""
    if p.ndim != 1 or p.shape != values.shape or not np.isfinite(values).all():
        raise ValueError(f"p {p.shape} and the values {values.shape} must be finite and as long")
    if (p < 0).any() or abs(float(p.sum()) - 1) > 1e-9:
        raise ValueError(f"p must be probabilities that sum to 1, got {p}")
    if k < 1:
        raise ValueError(f"k={k} must be at least 1")


def check_number(m: int, k: int) -> None:
    """Raise ValueError unless 1 <= m <= k."""
    if not 1 <= m <= k:
        raise ValueError(f"need 1 <= m <= k, got m={m}, k={k}")
