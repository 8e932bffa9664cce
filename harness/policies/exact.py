"""Laws over a closed set of answers: sampling laws, closed-form fits, optima found by Newton steps.

Pure functions on probability vectors (m,). Only ``optimum`` loads torch, which differentiates the
objective it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rsft_bench.harness.types import FloatArray, Sampling

if TYPE_CHECKING:
    from torch import Tensor

NEWTON_STEPS = 100


def reshaped(probabilities: FloatArray, sampling: Sampling) -> FloatArray:
    """The law (m,) that answers are drawn from: temperature, then top_k, then top_p, normalised.

    Temperature T gives p^(1/T) / sum; 0 the first of the most likely answers. Answers tied with the
    last one kept by top_k stay. top_p keeps an answer if those more likely than it hold less than
    top_p, ties by position. As ``sampling.law`` treats the tokens of a language model.
    """
    if sampling.temperature == 0:
        greedy: FloatArray = np.zeros(len(probabilities))
        greedy[int(np.argmax(probabilities))] = 1.0
        return greedy
    law: FloatArray = np.array(probabilities, dtype=np.float64)
    if sampling.temperature != 1:
        with np.errstate(divide="ignore"):
            logs = np.log(law)
        law = np.exp((logs - logs.max()) / sampling.temperature)
    if 0 < sampling.top_k < len(law):
        law[law < np.sort(law)[-sampling.top_k]] = 0.0
    law /= law.sum()
    if sampling.top_p < 1:
        order = np.argsort(-law, kind="stable")
        before = np.cumsum(law[order]) - law[order]
        law[order[before >= sampling.top_p]] = 0.0
        law /= law.sum()
    return law


def inverse_cdf(law: FloatArray, uniforms: FloatArray) -> list[int]:
    """First answer whose cumulative probability exceeds each uniform number in [0, 1), (n,).

    Never one of probability 0, so equal numbers give coupled draws from two policies.
    """
    cumulative = np.cumsum(law)
    last = int(np.flatnonzero(law)[-1])
    found = np.searchsorted(cumulative, np.asarray(uniforms) * cumulative[-1], side="right")
    return [min(int(i), last) for i in found]


def likelihood_optimum(mass: FloatArray, start: FloatArray, anchor: float = 0.0) -> FloatArray:
    """Minimiser p of -sum_y mass(y) log p(y) + anchor KL(start || p), shape (m,).

    It is (mass + anchor * start) / sum. ``start`` where there is neither mass nor anchor. With mass
    = sum over sets of coefficient * sum of w_i over the rows that say y, this is the optimum of
    protocol.md section 3: (D + lambda_x A) / (1 + lambda_x), or its ``token`` form.

    Raises:
        ValueError: a negative or non-finite mass or anchor.
    """
    if not (np.isfinite(mass).all() and (mass >= 0).all() and 0 <= anchor < np.inf):
        raise ValueError("masses and the anchor's weight must be finite and at least 0")
    total = mass + anchor * start
    whole = total.sum()
    return np.array(start if whole == 0 else total / whole, dtype=np.float64)


def mass_of(
    answers: Sequence[int], weights: Sequence[float], coefficient: float, size: int
) -> FloatArray:
    """The coefficient times the weights of the rows that give each of ``size`` answers, (size,)."""
    places, masses = np.asarray(answers, dtype=np.int64), np.asarray(weights, dtype=np.float64)
    return np.asarray(coefficient * np.bincount(places, masses, size), dtype=np.float64)


def optimum(
    loss: Callable[[Tensor], Tensor], start: FloatArray, tolerance: float = 1e-10
) -> FloatArray:
    """A law (m,) at which ``loss`` has a minimum, reached from ``start`` over free logits.

    ``loss`` maps log probabilities, a float64 torch tensor (m,), to a scalar; torch differentiates
    it twice. SciPy's exact trust-region steps come first (Conn, Gould and Toint 2000, Trust region
    methods, section 7.3), then Newton steps until no probability moves by more than ``tolerance``.
    For a loss that is not convex it is the minimum that the steps reach from ``start``.

    Raises:
        ValueError: ``start`` is no positive law, or no minimum was found, as where the loss is
            unbounded. One on the boundary (probability 0) is approached to about ``tolerance``.
    """
    import scipy.optimize

    law = np.asarray(start, dtype=np.float64)
    if not ((law > 0).all() and abs(law.sum() - 1) < 1e-9):
        raise ValueError("the start must be positive and sum to 1")
    problem = _Problem(loss)
    logits = np.log(law)
    found = scipy.optimize.minimize(
        problem.value,
        logits - logits.mean(),
        jac=problem.gradient,
        hess=problem.hessian,
        method="trust-exact",
        options={"gtol": 1e-6, "maxiter": 500},
    )
    point = np.asarray(found.x, dtype=np.float64)
    for _ in range(NEWTON_STEPS):
        step = np.linalg.lstsq(problem.hessian(point), -problem.gradient(point), rcond=1e-13)[0]
        moved = point + step
        if not np.isfinite(moved).all():
            break
        change = float(np.abs(softmax(moved) - softmax(point)).max())
        point = moved
        if change <= tolerance and float(np.abs(problem.gradient(point)).max()) <= tolerance:
            return softmax(point)
    raise ValueError("no minimum found: the loss may be unbounded over laws")


def softmax(logits: FloatArray) -> FloatArray:
    """exp(logits) / sum, shape (m,)."""
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)


class _Problem:
    """A loss of log probabilities as a function of logits.

    Half the squared sum of the logits is added: a shift of all logits changes no law, and this
    makes the Hessian regular without moving the optimum.
    """

    def __init__(self, loss: Callable[[Tensor], Tensor]) -> None:
        self._loss = loss

    def value(self, logits: FloatArray) -> float:
        return float(self._at(self._tensor(logits)))

    def gradient(self, logits: FloatArray) -> FloatArray:
        import torch

        point = self._tensor(logits).requires_grad_()
        (slope,) = torch.autograd.grad(self._at(point), point)
        return np.asarray(slope.numpy(), dtype=np.float64)

    def hessian(self, logits: FloatArray) -> FloatArray:
        from torch.autograd.functional import hessian

        curvature: Any = hessian(self._at, self._tensor(logits))
        return np.asarray(curvature.numpy(), dtype=np.float64)

    def _at(self, logits: Tensor) -> Tensor:
        return self._loss(logits.log_softmax(-1)) + logits.sum() ** 2 / 2

    def _tensor(self, logits: FloatArray) -> Tensor:
        import torch

        return torch.from_numpy(np.array(logits, dtype=np.float64))
