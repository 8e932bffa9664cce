"""Row weights of the objective (L(D) + lambda R(A)) / (1 + lambda), computed once for a whole set.

Pure functions, no torch. With weights w_i a term of the objective is the sum over rows of
w_i NLL_i, NLL_i being the summed token NLL of answer i and its stop token; nothing is ever averaged
over a batch, so how rows are grouped into batches cannot change what a row counts.

Source: protocol.md section 3; the optimum on an unrestricted policy is (D + lambda_x A) /
(1 + lambda_x) per prompt x, with lambda_x = lambda |X_D| / |X_A| where x has accepted answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from rsft_bench.harness.types import FloatArray, IntArray

Normalise: TypeAlias = Literal["prompt", "token"]


def mean_answer_tokens(tokens: IntArray, counts: IntArray) -> float:
    """The constant c: mean answer tokens (stop included) of D, each row counted ``counts`` times.

    Args:
        tokens: answer tokens with the stop token, shape (rows,).
        counts: multiplicity of each row, shape (rows,).

    Raises:
        ValueError: no row is left, so the mean is undefined.
    """
    total = int(counts.sum())
    if total <= 0:
        raise ValueError("mean_answer_tokens of a set without rows")
    return float((tokens * counts).sum() / total)


def row_weights(
    example_ids: Sequence[str],
    counts: IntArray,
    mean_tokens: float,
    tokens: IntArray | None = None,
    normalise: Normalise = "prompt",
) -> FloatArray:
    """Weight w_i of every row of one set, shape (rows,).

    ``prompt``: w = count / (c |X| n(x)), every prompt of the set counts the same; X are the prompts
    with a positive count, n(x) the answers of prompt x. ``token``: w = count / T with T the answer
    tokens of the whole set, every token counts the same.

    Args:
        example_ids: prompt of each row.
        counts: non-negative multiplicity of each row, shape (rows,).
        mean_tokens: c of D, the same number for D and A; ignored by ``token``.
        tokens: answer tokens of each row, stop included, shape (rows,); needed by ``token``.
        normalise: which of the two.

    Raises:
        ValueError: no row is left, a count is negative, or ``token`` without ``tokens``.
    """
    if (counts < 0).any():
        raise ValueError("a row count is negative")
    if counts.sum() <= 0:
        raise ValueError("row_weights of a set without rows")
    if normalise == "token":
        if tokens is None:
            raise ValueError("normalise='token' needs the answer tokens of each row")
        return np.asarray(counts / (counts * tokens).sum(), dtype=np.float64)
    if not mean_tokens > 0:
        raise ValueError(f"mean_tokens must be positive, not {mean_tokens}")
    _, prompt = np.unique(np.asarray(example_ids, dtype=object).astype(str), return_inverse=True)
    answers = np.bincount(prompt, weights=counts)
    prompts = int((answers > 0).sum())
    share = counts / np.where(answers > 0, answers, 1.0)[prompt]
    return np.asarray(share / (mean_tokens * prompts), dtype=np.float64)


def share_weights(example_ids: Sequence[str], shares: FloatArray, mean_tokens: float) -> FloatArray:
    """Weight w_i = share / (c |X|) of every row, shape (rows,), for shares that a target fixed.

    X are the prompts with a positive share. Shares of count / n(x) give ``row_weights`` at
    ``prompt``; those of a prompt need not sum to 1, so that prompts may count differently.

    Args:
        example_ids: prompt of each row.
        shares: non-negative part that each row takes of its prompt's weight, shape (rows,).
        mean_tokens: c of D; 1 for a loss that is not a sum over tokens.

    Raises:
        ValueError: no share is positive, one is negative or not finite, or c is not positive.
    """
    if not (np.isfinite(shares).all() and (shares >= 0).all() and shares.sum() > 0):
        raise ValueError("share_weights needs finite shares of at least 0, one of them positive")
    if not mean_tokens > 0:
        raise ValueError(f"mean_tokens must be positive, not {mean_tokens}")
    prompts = len({e for e, share in zip(example_ids, shares, strict=True) if share > 0})
    return np.asarray(shares / (mean_tokens * prompts), dtype=np.float64)


def coefficients(lam: float) -> tuple[float, float]:
    """(1 / (1 + lambda), lambda / (1 + lambda)): what D and A are multiplied by; inf gives (0, 1).

    Raises:
        ValueError: ``lam`` is negative or NaN.
    """
    if not lam >= 0:
        raise ValueError(f"lambda must lie in [0, inf], not {lam}")
    if math.isinf(lam):
        return 0.0, 1.0
    return 1.0 / (1.0 + lam), lam / (1.0 + lam)


def effective_share(prompts_d: Sequence[str], prompts_a: Sequence[str], lam: float) -> FloatArray:
    """A's share of each prompt's loss at ``prompt`` normalisation, in [0, 1].

    lambda_x / (1 + lambda_x) with lambda_x = lambda |X_D| / |X_A| for prompts that have accepted
    answers, 0 for the other prompts of D, 1 for prompts that only A has.

    Returns:
        Shape (distinct prompts of D and A,), in sorted order of the prompts.
    """
    in_d, in_a = set(prompts_d), set(prompts_a)
    weight_d, weight_a = coefficients(lam)
    shares = []
    for prompt in sorted(in_d | in_a):
        d = weight_d / len(in_d) if prompt in in_d else 0.0
        a = weight_a / len(in_a) if prompt in in_a else 0.0
        shares.append(a / (a + d) if a + d > 0 else 0.0)
    return np.asarray(shares, dtype=np.float64)
