"""Entropy and KL divergence: exact from tables, estimated from log-probabilities of whole answers.

All in nats. Estimates are at sequence level: one number an answer, never a mean over its tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.special import entr, rel_entr

from rsft_bench.harness.statistics.effects import Effect, cluster_interval
from rsft_bench.harness.types import FloatArray

KLEstimator: TypeAlias = Literal["k1", "k3"]
KL_ESTIMATORS: tuple[KLEstimator, ...] = ("k1", "k3")


class KLEstimate(NamedTuple):
    """KL(policy || reference) a sequence with its interval, and which estimator made it."""

    estimator: KLEstimator
    effect: Effect


def table_entropy(p: FloatArray) -> float:
    """-sum p log p of a table of probabilities, shape (m,)."""
    return float(entr(np.asarray(p, dtype=np.float64)).sum())


def collision_entropy(p: FloatArray) -> float:
    """Renyi entropy of order 2, -log sum p^2, of a table of probabilities, shape (m,)."""
    return float(-np.log(np.square(np.asarray(p, dtype=np.float64)).sum()))


def table_kl(p: FloatArray, q: FloatArray) -> float:
    """KL(p || q) of two tables of probabilities, shape (m,); infinite where p > 0 and q = 0."""
    return float(rel_entr(np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)).sum())


def kl_terms(
    logprob: FloatArray, logprob_ref: FloatArray, estimator: KLEstimator = "k1"
) -> FloatArray:
    """One unbiased term of KL(policy || reference) for each answer, shape (n,).

    With r = reference / policy: k1 = -log r, of either sign; k3 = r - 1 - log r, never negative and
    of low variance where the policies are close, of high variance where r is sometimes large.

    Args:
        logprob: log-probability of each answer under the policy that drew it.
        logprob_ref: the same answers under the reference.
        estimator: ``k1`` or ``k3``.

    Both are unbiased only if the answers were drawn from that policy at temperature 1 without
    truncation, k3 also needs a policy that can draw all that the reference can. NaN stays NaN.

    Source: Schulman 2020, "Approximating KL divergence".
    """
    if estimator not in KL_ESTIMATORS:
        raise ValueError(f"KL estimator {estimator!r}: use one of {', '.join(KL_ESTIMATORS)}")
    log_r = np.asarray(logprob_ref, dtype=np.float64) - np.asarray(logprob, dtype=np.float64)
    return np.asarray(-log_r if estimator == "k1" else np.expm1(log_r) - log_r)


def sequence_kl(
    logprob: FloatArray,
    logprob_ref: FloatArray,
    cluster: Sequence[str],
    seed: Sequence[int],
    estimator: KLEstimator = "k1",
) -> KLEstimate:
    """KL(policy || reference) from answers drawn by the policy, as ``kl_terms``, with interval.

    Arrays hold one entry an answer. The interval is that of ``cluster_interval``; k3 may not be
    cut to be one-sided, k1 may come out below 0.

    Raises:
        NotComparableError: a log-probability that is unknown, or as ``cluster_interval``.
    """
    terms = kl_terms(logprob, logprob_ref, estimator)
    return KLEstimate(estimator, cluster_interval(terms, cluster, seed))


def sequence_entropy(logprob: FloatArray, cluster: Sequence[str], seed: Sequence[int]) -> Effect:
    """Entropy of a policy's answers, the mean of -logprob, with the interval over clusters.

    Unbiased for answers drawn at temperature 1 without truncation; for other draws it is their
    cross-entropy to the policy at temperature 1.

    Raises:
        NotComparableError: a log-probability that is unknown, or as ``cluster_interval``.
    """
    return cluster_interval(-np.asarray(logprob, dtype=np.float64), cluster, seed)
