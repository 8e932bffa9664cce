"""Classical rejection sampling, and what a pointwise acceptance rule covers in k draws.

Accept a proposal y ~ q with probability p(y) / (M q(y)), M >= sup p/q: accepted draws have law p
exactly, and the acceptance rate is 1/M for normalised p and q. Source: von Neumann 1951 (NBS
Applied Mathematics Series 12:36-38).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics.proportions import Interval, clopper_pearson
from rsft_bench.harness.types import FloatArray

Points: TypeAlias = NDArray[Any]
LogDensity: TypeAlias = Callable[[Points], FloatArray]
#: Rounding of p/q that is not a sign of a small M, in nats.
ROUNDING = 1e-9


class EnvelopeError(UserError):
    """M times the proposal does not lie above the target; the message names the point and ratio."""


class Rejection(NamedTuple):
    """Result of rejection sampling.

    ``accepted`` holds the accepted draws in order, ``rate`` = accepted / ``proposals`` with its
    exact ``interval``; ``expected`` is 1/M, NaN where a density is not normalised. ``estimated``
    says that M is the largest ratio among the draws, so that it and the law are not exact.
    """

    accepted: Points
    proposals: int
    rate: float
    interval: Interval
    m: float
    expected: float
    estimated: bool


def table_envelope(target: FloatArray, proposal: FloatArray) -> float:
    """The smallest M = max p/q of two tables, at least 1.

    Args:
        target: probabilities or non-negative weights p, shape (m,); normalised here.
        proposal: the same for q.

    Raises:
        EnvelopeError: an outcome with p > 0 and q = 0: no M is large enough.
        ValueError: shapes differ, a negative or non-finite weight, or a table of zeros.
    """
    p, q = _normalised(target, "target"), _normalised(proposal, "proposal")
    if p.shape != q.shape:
        raise ValueError(f"target and proposal have shapes {p.shape} and {q.shape}")
    bare = np.flatnonzero((p > 0) & (q == 0))
    if bare.size:
        at = int(bare[0])
        raise EnvelopeError(
            f"outcome {at} has target probability {p[at]:.6g} and proposal probability 0, so p/q "
            "is infinite: no M is large enough; use a proposal that can draw it"
        )
    seen = q > 0
    return float(np.max(p[seen] / q[seen]))


def reject_table(
    target: FloatArray, proposal: FloatArray, proposals: int, seed: int, m: float | None = None
) -> Rejection:
    """Rejection sampling between two tables; accepted draws are outcome numbers.

    Args:
        target: probabilities or weights p, shape (m,).
        proposal: the same for q.
        proposals: number of draws from q.
        seed: seed of the streams.
        m: bound of p/q of the normalised tables; the exact maximum if None.

    Raises:
        EnvelopeError: as ``table_envelope``, or ``m`` below the maximum: known before any draw.
        ValueError: as ``table_envelope``, or no proposals.
    """
    p, q = _normalised(target, "target"), _normalised(proposal, "proposal")
    least = table_envelope(p, q)
    ratio = np.divide(p, q, out=np.zeros_like(p), where=q > 0)
    if m is not None and m < least * (1 - ROUNDING):
        at = int(np.argmax(ratio))
        raise EnvelopeError(_too_small(m, f"outcome {at}", least))
    bound = least if m is None else m
    drawn = stream(seed, "rejection-proposal").choice(q.size, size=_counted(proposals), p=q)
    kept = stream(seed, "rejection-accept").random(proposals) * bound < ratio[drawn]
    return _result(drawn[kept], proposals, bound, 1.0 / bound, estimated=False)


def reject(
    log_target: LogDensity,
    log_proposal: LogDensity,
    propose: Callable[[np.random.Generator, int], Points],
    proposals: int,
    seed: int,
    *,
    m: float | None = None,
    normalised: bool = True,
) -> Rejection:
    """Rejection sampling between two densities given as functions.

    Args:
        log_target: log p at points of shape (n, ...), shape (n,); -inf where p = 0.
        log_proposal: log q, likewise.
        propose: (generator, n) -> n draws from q, shape (n, ...).
        proposals: number of draws from q.
        seed: seed of the streams.
        m: bound of p/q as given; None takes the largest ratio among these draws. That is at most
            the true bound, so points near the maximum are accepted too rarely and the rate is too
            high, less so with more draws (Caffo, Booth and Davis 2002, Biometrika 89:745-754).
        normalised: whether both densities integrate to 1; if not, 1/M is not the expected rate.

    A region that q never draws cannot be seen from draws: its absence is silent.

    Raises:
        EnvelopeError: a draw with p/q above ``m``, or one that q gives density 0.
        ValueError: no proposals, ``m`` not above 0, a log density that is NaN or +inf, or p = 0 at
            every draw.
    """
    if m is not None and not m > 0:
        raise ValueError(f"M must be above 0, got {m}")
    points = propose(stream(seed, "rejection-proposal"), _counted(proposals))
    ratio = _log_ratio(log_target, log_proposal, points)
    worst = int(np.argmax(ratio))
    if m is None and ratio[worst] == -np.inf:
        raise ValueError("the target is 0 at every draw: M cannot be estimated; give m")
    bound = float(ratio[worst]) if m is None else float(np.log(m))
    if ratio[worst] > bound + ROUNDING:
        raise EnvelopeError(_too_small(np.exp(bound), points[worst], np.exp(ratio[worst])))
    # Strictly below: a ratio of 0 is never accepted.
    kept = stream(seed, "rejection-accept").random(proposals) < np.exp(ratio - bound)
    limit = float(np.exp(bound))
    expected = 1.0 / limit if normalised else float("nan")
    return _result(points[kept], proposals, limit, expected, estimated=m is None)


def coverage(rate: FloatArray, k: int) -> FloatArray:
    """P(at least one of k draws is accepted) = 1 - (1 - rate)^k, for acceptance rates in [0, 1].

    From counts instead of rates ``pass_at_k`` is the unbiased estimator.
    """
    if k < 1:
        raise ValueError(f"coverage needs k >= 1, got {k}")
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(k * np.log1p(-np.asarray(rate, dtype=np.float64))))


class Shares(NamedTuple):
    """Share of each prompt in the accepted set, ratios of expected counts, each of shape (X,).

    ``one`` where a covered prompt gives one answer, ``every`` where it gives all accepted ones.
    """

    one: FloatArray
    every: FloatArray


def accepted_shares(rate: FloatArray, k: int) -> Shares:
    """What k draws a prompt make of the prompts: hard ones weigh less if every answer is kept.

    One a prompt: in proportion to 1 - (1 - rate)^k; all: in proportion to rate. NaN where no prompt
    has a rate above 0.
    """
    every = np.asarray(rate, dtype=np.float64)
    one = coverage(every, k)
    with np.errstate(invalid="ignore"):
        return Shares(one / one.sum(), every / every.sum())


def _result(
    accepted: Points, proposals: int, m: float, expected: float, *, estimated: bool
) -> Rejection:
    count = len(accepted)
    interval = clopper_pearson(count, proposals)
    return Rejection(accepted, proposals, count / proposals, interval, m, expected, estimated)


def _too_small(m: float, point: object, ratio: float) -> str:
    return (
        f"M = {m:.6g} is too small: at {point} target/proposal is {ratio:.6g}; "
        f"give M >= {ratio:.6g}, a bound for every point"
    )


def _counted(proposals: int) -> int:
    if proposals < 1:
        raise ValueError(f"need at least 1 proposal, got {proposals}")
    return proposals


def _normalised(weights: FloatArray, name: str) -> FloatArray:
    values = np.asarray(weights, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"{name} must be a vector of finite weights >= 0")
    total = values.sum()
    if total <= 0:
        raise ValueError(f"{name} has no outcome with weight above 0")
    return np.asarray(values / total)


def _log_ratio(log_target: LogDensity, log_proposal: LogDensity, points: Points) -> FloatArray:
    lp, lq = _logs(log_target, points, "target"), _logs(log_proposal, points, "proposal")
    never = np.flatnonzero(lq == -np.inf)
    if never.size:
        raise EnvelopeError(
            f"the proposal drew {points[int(never[0])]} but gives it density 0 (p/q infinite): "
            "log_proposal must be the density that propose draws from"
        )
    return lp - lq


def _logs(density: LogDensity, points: Points, name: str) -> FloatArray:
    values = np.asarray(density(points), dtype=np.float64)
    if values.shape != (len(points),):
        raise ValueError(f"log_{name} gave shape {values.shape} for {len(points)} points")
    bad = np.flatnonzero(np.isnan(values) | (values == np.inf))
    if bad.size:
        at = int(bad[0])
        raise ValueError(f"log_{name} is {values[at]} at {points[at]}")
    return values
