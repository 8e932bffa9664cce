"""The exact law of best-of-n over a table of answers, its win rate, and its KL divergence.

F(y) = P(score <= score(y)) and F-(y) = P(score < score(y)) under the reference. Everything here
depends on scores through their order alone, so a strictly monotone transform changes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.types import FloatArray


def best_of_n_law(probabilities: FloatArray, scores: FloatArray, n: int) -> FloatArray:
    """Probability that each answer is the best of n draws: F^n - F-^n, shape (m,).

    Tied answers share the probability of their score in proportion to the reference, which is what
    breaking ties by order of drawing gives. n = 1 gives the reference.

    Args:
        probabilities: reference, shape (m,), sums to 1.
        scores: what ranks the answers, shape (m,); infinities are allowed.
        n: draws a request takes.

    Raises:
        ValueError: n < 1, unequal shapes, probabilities that do not sum to 1, or a NaN score.

    Source: Beirami et al. 2025, arXiv 2401.01879, section 2, with ties as said.
    """
    p, level, mass = _levels(probabilities, scores)
    if n < 1:
        raise ValueError(f"best of {n} needs n >= 1")
    below = np.concatenate([[0.0], np.cumsum(mass)])
    below[-1] = 1.0
    gained = np.diff(np.minimum(below, 1.0) ** n)
    share = np.divide(p, mass[level], out=np.zeros_like(p), where=mass[level] > 0)
    return np.asarray(gained[level] * share)


def win_rate(law: FloatArray, reference: FloatArray, scores: FloatArray) -> float:
    """P(an answer of ``law`` outscores one of ``reference``), ties one half.

    For best-of-n against its own reference it is at most n / (n + 1), with equality where no two
    answers tie (a continuous score).

    Raises:
        ValueError: as ``best_of_n_law``.
    """
    p, level, mine = _levels(law, scores)
    _, _, theirs = _levels(reference, scores)
    below = np.concatenate([[0.0], np.cumsum(theirs)[:-1]])
    return float(mine @ (below + theirs / 2))


def best_of_n_kl_bound(n: int) -> float:
    """Log n - (n - 1)/n nats: an upper bound of KL(best-of-n || reference).

    Equal only where every answer has probability 0 and no two tie; on closed answers it can be far
    off (two equally likely answers, n = 64: 3.17 against .693).
    """
    if n < 1:
        raise ValueError(f"best of {n} needs n >= 1")
    return float(np.log(n) - (n - 1) / n)


def best_of_n_kl_gap_bound(collision_entropy: float, n: int) -> float:
    """Largest distance of ``best_of_n_kl_bound`` from the truth: 2 n (n - 1) exp(-H2).

    ``collision_entropy`` is H2 = -log sum p^2 of the reference; the bound is tight for n well below
    exp(H2 / 2) and says nothing above it.

    Source: Beirami et al. 2025, arXiv 2401.01879, section 3.
    """
    if n < 1:
        raise ValueError(f"best of {n} needs n >= 1")
    return float(2 * n * (n - 1) * np.exp(-collision_entropy))


def best_of_n_kl_terms(logprob: FloatArray, n: int) -> FloatArray:
    """One term of KL(best-of-n || reference) for each selected answer, shape (N,); average them.

    With e = probability of the selected answer under the reference:
    (1-e)^n (log n + (n-1) log(1-e) - (n-1)/n) + (1 - (1-e)^n) log((1 - (1-e)^n) / e).
    It tends to ``best_of_n_kl_bound`` for rare answers and to -log e for an answer so likely that
    n draws hold it; e = 1 gives 0. An approximation, not unbiased.

    Args:
        logprob: log e of each answer selected by best-of-n, shape (N,); NaN stays NaN.
        n: draws each was selected from.

    Source: Beirami et al. 2025, arXiv 2401.01879, section 4.
    """
    log_e = np.minimum(np.asarray(logprob, dtype=np.float64), 0.0)
    bound = best_of_n_kl_bound(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_rest = np.log1p(-np.exp(log_e))
        hit = -np.expm1(n * log_rest)
        missed = np.where(hit == 1, 0.0, (1 - hit) * (bound + (n - 1) * log_rest))
        # hit / e tends to n as e tends to 0, where both underflow.
        ratio = np.where(hit > 0, np.log(hit) - log_e, np.log(n))
    return np.asarray(np.where(np.isnan(log_e), np.nan, missed + hit * ratio))


def _levels(
    probabilities: FloatArray, scores: FloatArray
) -> tuple[FloatArray, NDArray[np.intp], FloatArray]:
    """Probabilities (m,), each answer's score level (m,) in rising order, mass of each level."""
    p, r = np.asarray(probabilities, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if p.ndim != 1 or p.shape != r.shape:
        raise ValueError(f"probabilities and scores have shapes {p.shape} and {r.shape}")
    if np.isnan(r).any() or (p < 0).any() or abs(p.sum() - 1.0) > 1e-9:
        raise ValueError("need probabilities >= 0 that sum to 1, and scores that are no NaN")
    _, level = np.unique(r, return_inverse=True)
    return p, level, np.bincount(level, weights=p).astype(np.float64)
