"""Row weights by hand, and the objective's optimum on an unrestricted categorical policy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rsft_bench.harness.training.weights import (
    coefficients,
    effective_share,
    mean_answer_tokens,
    row_weights,
    share_weights,
)
from rsft_bench.harness.types import FloatArray, IntArray

# Prompt x has answers y0..y2 of these lengths; D and A count answers, A leaves prompt 2 uncovered.
LENGTHS = np.array([[3, 10, 25], [7, 2, 40], [5, 5, 9]])
COUNT_D = np.array([[4, 1, 0], [1, 2, 7], [0, 3, 3]])
COUNT_A = np.array([[0, 5, 1], [2, 0, 0], [0, 0, 0]])


def flat(counts: IntArray) -> tuple[list[str], IntArray, IntArray]:
    """Prompt ids, counts and lengths of the rows of one set, zero counts included."""
    ids = [f"x{x}" for x in range(3) for _ in range(3)]
    return ids, counts.flatten(), LENGTHS.flatten()


def table(counts: IntArray, c: float, normalise: str) -> FloatArray:
    ids, n, tokens = flat(counts)
    return row_weights(ids, n, c, tokens, normalise).reshape(3, 3)  # type: ignore[arg-type]


def newton(weight: FloatArray) -> FloatArray:
    """argmin over logits of -sum w log softmax for one prompt, by damped Newton steps."""
    logits = np.zeros(len(weight))
    for _ in range(200):
        p = np.exp(logits - logits.max())
        p /= p.sum()
        gradient = weight.sum() * p - weight
        hessian = weight.sum() * (np.diag(p) - np.outer(p, p)) + 1e-9 * np.eye(len(p))
        step = np.linalg.solve(hessian, gradient)
        logits = logits - step / max(1.0, np.abs(step).max())
    p = np.exp(logits - logits.max())
    return p / p.sum()


@pytest.mark.parametrize("lam", [0.25, 1.0, 4.0, math.inf])
def test_prompt_normalised_optimum_is_the_mixture(lam: float) -> None:
    c = mean_answer_tokens(LENGTHS.flatten(), COUNT_D.flatten())
    of_d, of_a = coefficients(lam)
    weight = of_d * table(COUNT_D, c, "prompt") + of_a * table(COUNT_A, c, "prompt")
    for x in range(3):
        d = COUNT_D[x] / COUNT_D[x].sum()
        if COUNT_A[x].sum() == 0:
            if math.isinf(lam):
                assert (weight[x] == 0).all()
                continue
            expected = d
        else:
            a = COUNT_A[x] / COUNT_A[x].sum()
            lam_x = lam * 3 / 2
            expected = a if math.isinf(lam) else (d + lam_x * a) / (1 + lam_x)
        assert newton(weight[x]) == pytest.approx(expected, abs=1e-6)


def test_covered_everywhere_it_is_d_plus_lambda_a() -> None:
    everywhere = COUNT_A + np.array([[0, 0, 0], [0, 0, 0], [1, 0, 2]])
    c = mean_answer_tokens(LENGTHS.flatten(), COUNT_D.flatten())
    of_d, of_a = coefficients(2.0)
    weight = of_d * table(COUNT_D, c, "prompt") + of_a * table(everywhere, c, "prompt")
    for x in range(3):
        d, a = COUNT_D[x] / COUNT_D[x].sum(), everywhere[x] / everywhere[x].sum()
        assert newton(weight[x]) == pytest.approx((d + 2 * a) / 3, abs=1e-6)


@pytest.mark.parametrize("lam", [0.25, 1.0, 4.0])
def test_token_normalised_optimum(lam: float) -> None:
    of_d, of_a = coefficients(lam)
    weight = of_d * table(COUNT_D, 1.0, "token") + of_a * table(COUNT_A, 1.0, "token")
    tokens_d, tokens_a = (COUNT_D * LENGTHS).sum(), (COUNT_A * LENGTHS).sum()
    for x in range(3):
        mass = COUNT_D[x] / tokens_d + lam * COUNT_A[x] / tokens_a
        assert newton(weight[x]) == pytest.approx(mass / mass.sum(), abs=1e-6)


def test_weights_by_hand() -> None:
    ids = ["a", "a", "b", "c"]
    counts = np.array([3, 1, 2, 0])
    # Two prompts with rows, c = 8: a's rows 3/4 and 1/4, b's row 1, each over 16.
    expected = [0.75 / 16, 0.25 / 16, 1 / 16, 0]
    assert row_weights(ids, counts, 8.0) == pytest.approx(expected)
    tokens = np.array([10, 20, 5, 99])
    # T = 30 + 20 + 10 = 60.
    by_token = row_weights(ids, counts, 8.0, tokens, "token")
    assert by_token == pytest.approx([3 / 60, 1 / 60, 2 / 60, 0])
    assert mean_answer_tokens(tokens, counts) == 10.0


def test_share_weights_by_hand() -> None:
    """Two prompts with shares and c = 8; count / n(x) gives what ``row_weights`` gives."""
    ids = ["a", "a", "b", "c"]
    shares = np.array([0.5, 0.1, 1.0, 0.0])
    assert share_weights(ids, shares, 8.0) == pytest.approx([0.5 / 16, 0.1 / 16, 1 / 16, 0])
    even = np.array([0.75, 0.25, 1.0, 0.0])
    expected = row_weights(ids, np.array([3, 1, 2, 0]), 8.0)
    assert share_weights(ids, even, 8.0) == pytest.approx(expected)
    for wrong in ([0.0] * 4, [1, -1, 0, 0], [math.nan, 1, 1, 1]):
        with pytest.raises(ValueError, match="shares"):
            share_weights(ids, np.array(wrong), 8.0)
    with pytest.raises(ValueError, match="mean_tokens"):
        share_weights(ids, shares, 0.0)


def test_coefficients_by_hand() -> None:
    assert coefficients(0.0) == (1.0, 0.0)
    assert coefficients(1.0) == (0.5, 0.5)
    assert coefficients(3.0) == (0.25, 0.75)
    assert coefficients(math.inf) == (0.0, 1.0)


def test_effective_share_by_hand() -> None:
    # lambda_x = 1 * 4 / 2 = 2 where covered.
    share = effective_share(["a", "b", "c", "d", "a"], ["a", "c", "c"], 1.0)
    assert share == pytest.approx([2 / 3, 0, 2 / 3, 0])
    assert effective_share(["a", "b"], ["a"], math.inf) == pytest.approx([1, 0])
    assert effective_share(["a", "b"], ["a"], 0.0) == pytest.approx([0, 0])


def test_undefined_weights_are_refused() -> None:
    none = np.array([0, 0])
    with pytest.raises(ValueError, match="without rows"):
        row_weights(["a", "b"], none, 1.0)
    with pytest.raises(ValueError, match="without rows"):
        mean_answer_tokens(np.array([3, 4]), none)
    with pytest.raises(ValueError, match="negative"):
        row_weights(["a", "b"], np.array([1, -1]), 1.0)
    with pytest.raises(ValueError, match="answer tokens"):
        row_weights(["a", "b"], np.array([1, 1]), 1.0, None, "token")
    with pytest.raises(ValueError, match="mean_tokens"):
        row_weights(["a", "b"], np.array([1, 1]), 0.0)
    for lam in (-1.0, math.nan):
        with pytest.raises(ValueError, match="lambda"):
            coefficients(lam)
