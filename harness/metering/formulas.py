"""Analytic parameter and FLOP counts of Llama-family models. No torch, no measurement.

One multiply-add is two FLOPs. A token's forward pass costs 2N, N being the weights of every matrix
product: attention, feed-forward and the head, without the embedding lookup and the norms. Attention
over T keys costs a query 4 L A T more (scores and mixing; L layers, A = heads * head width). Counts
are full: the causal half is not taken off, and the head is counted at every position. A backward
pass costs twice the forward.

Source: Chowdhery et al. 2022 (PaLM), arXiv 2204.02311, appendix B, 6N + 12 L H Q T per token for
training; science.md section 4. ``tests/unit/test_formulas.py`` counts a model's operations exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from rsft_bench.harness.types import FloatArray

ModelConfig: TypeAlias = Mapping[str, Any]


def attention_width(config: ModelConfig) -> int:
    """A = query heads times head width; the head width is hidden / heads where not given."""
    heads = _size(config, "num_attention_heads")
    return heads * _head_width(config)


def matrix_weights(config: ModelConfig) -> int:
    """N: weights of all matrix products of one token's forward pass, the head included."""
    hidden, layers = _size(config, "hidden_size"), _size(config, "num_hidden_layers")
    attention = attention_width(config)
    keys_values = 2 * _kv_heads(config) * _head_width(config)
    feed_forward = 3 * hidden * _size(config, "intermediate_size")
    block = hidden * (2 * attention + keys_values) + feed_forward
    return layers * block + _size(config, "vocab_size") * hidden


def parameters(config: ModelConfig) -> int:
    """All parameters: matrices, norms and the embedding; tied embedding and head count once.

    Args:
        config: ``config.json`` of a Llama-family model: hidden_size, num_hidden_layers,
            num_attention_heads, num_key_value_heads, intermediate_size, vocab_size,
            tie_word_embeddings, and head_dim where it differs from hidden / heads.

    Raises:
        ValueError: a size is missing or not a positive integer.
    """
    hidden = _size(config, "hidden_size")
    norms = (2 * _size(config, "num_hidden_layers") + 1) * hidden
    embedding = 0 if config.get("tie_word_embeddings") else _size(config, "vocab_size") * hidden
    return matrix_weights(config) + norms + embedding


def forward_flops(config: ModelConfig, tokens_in: ArrayLike, tokens_out: ArrayLike = 0) -> float:
    """One forward pass over prompt and answer together, summed over rows.

    sum over rows of 2 N T + 4 L A T^2 with T = tokens_in + tokens_out. This is what scoring an
    answer's likelihood costs, and a third of training on it.

    Args:
        config: see ``parameters``.
        tokens_in: prompt tokens of each row, any shape.
        tokens_out: answer tokens of each row, broadcast against ``tokens_in``.
    """
    tokens = _tokens(tokens_in) + _tokens(tokens_out)
    return float(_pass(config, tokens, tokens).sum())


def encode_flops(config: ModelConfig, tokens: ArrayLike) -> float:
    """Hidden states of whole sequences, without the head, summed over rows.

    sum over rows of 2 (N - V d) T + 4 L A T^2: what a reward that reads the last hidden state costs
    on prompt and answer together (V tokens in the vocabulary, d the hidden size).

    Args:
        config: see ``parameters``.
        tokens: T, tokens of each row, any shape.
    """
    rows = _tokens(tokens)
    head = _size(config, "vocab_size") * _size(config, "hidden_size")
    return float((_pass(config, rows, rows) - 2.0 * head * rows).sum())


def train_flops(config: ModelConfig, tokens_in: ArrayLike, tokens_out: ArrayLike = 0) -> float:
    """Forward and backward pass over every row: 3 times ``forward_flops``.

    Repeated rows are counted once for each time they are drawn. The optimizer's update is left out.
    """
    return 3.0 * forward_flops(config, tokens_in, tokens_out)


def train_flops_of_totals(config: ModelConfig, tokens: int, tokens_squared: int) -> float:
    """``train_flops`` of rows of which only the sums of T and of T^2 are kept."""
    return 3.0 * forward_flops_of_totals(config, tokens, tokens_squared)


def forward_flops_of_totals(config: ModelConfig, tokens: int, tokens_squared: int) -> float:
    """``forward_flops`` of rows of which only the sums of T and of T^2 are kept."""
    per_key = 4.0 * _size(config, "num_hidden_layers") * attention_width(config)
    return 2.0 * matrix_weights(config) * tokens + per_key * tokens_squared


def sample_flops(
    config: ModelConfig, tokens_in: ArrayLike, tokens_out: ArrayLike, shared_by: int = 1
) -> float:
    """Sampling answers with cached keys and values, summed over answers.

    Per answer: the prompt's pass 2 N P + 4 L A P^2 divided by ``shared_by``, then G - 1 passes of
    one token, the i-th attending to P + i keys: 2 N (G-1) + 4 L A ((G-1) P + G (G-1) / 2). The
    first answer token comes from the prompt's pass, and the stop token is never fed back.

    Args:
        config: see ``parameters``.
        tokens_in: prompt tokens P of each answer, any shape.
        tokens_out: answer tokens G of each answer, stop included, broadcast against ``tokens_in``.
        shared_by: answers that share one prompt pass: k when the prompt is read once for k draws,
            1 when it is read for every draw.

    Raises:
        ValueError: ``shared_by`` is below 1.
    """
    if shared_by < 1:
        raise ValueError(f"shared_by must be at least 1, not {shared_by}")
    prompt, answer = np.broadcast_arrays(_tokens(tokens_in), _tokens(tokens_out))
    steps = np.maximum(answer - 1, 0)
    prefill = _pass(config, prompt, prompt) / shared_by
    attended = steps * prompt + steps * (steps + 1) / 2
    per_key = 4.0 * _size(config, "num_hidden_layers") * attention_width(config)
    decode = 2.0 * matrix_weights(config) * steps + per_key * attended
    return float((prefill + decode).sum())


def proxy_score_flops(answers: int, features: int) -> float:
    """A linear proxy reward: one multiply-add for each non-zero feature of each answer.

    Reading the text and hashing its n-grams are not floating-point work and are in the measured
    seconds only.
    """
    return 2.0 * answers * features


def proxy_fit_flops(answers: int, features: int, iterations: int) -> float:
    """Fitting a logistic regression: every iteration scores all answers and adds up a gradient.

    Two passes an iteration, each of one multiply-add for each non-zero feature of each answer:
    4 n F I. Calibration has two parameters and is left out, as are the solver's own vectors and
    the further evaluations of its line search. Source: Liu and Nocedal 1989, On the limited memory
    BFGS method, one function and gradient evaluation an iteration.

    Args:
        answers: n, training answers.
        features: F, non-zero features of an average answer.
        iterations: I, iterations of the solver; 0 where nothing was fitted.
    """
    return 4.0 * answers * features * iterations


def break_even_requests(one_off_flops: float, cost_n: float, cost_1: float) -> float:
    """Requests after which RSFT's one-off cost is cheaper than serving best-of-n.

    one_off / (cost_n - cost_1): cost_n is one best-of-n request, cost_1 one plain request. Infinite
    where best-of-n costs no more than a plain request (n = 1), 0 where nothing was spent.

    Raises:
        ValueError: a cost is negative or NaN.
    """
    if not (one_off_flops >= 0 and cost_n >= 0 and cost_1 >= 0):
        raise ValueError(f"costs must be at least 0, not {one_off_flops}, {cost_n}, {cost_1}")
    if one_off_flops == 0:
        return 0.0
    return one_off_flops / (cost_n - cost_1) if cost_n > cost_1 else math.inf


def _pass(config: ModelConfig, queries: FloatArray, keys: FloatArray) -> FloatArray:
    per_key = 4.0 * _size(config, "num_hidden_layers") * attention_width(config)
    cost: FloatArray = 2.0 * matrix_weights(config) * queries + per_key * queries * keys
    return cost


def _tokens(counts: ArrayLike) -> FloatArray:
    return np.asarray(counts, dtype=np.float64)


def _head_width(config: ModelConfig) -> int:
    if config.get("head_dim") is not None:
        return _size(config, "head_dim")
    return _size(config, "hidden_size") // _size(config, "num_attention_heads")


def _kv_heads(config: ModelConfig) -> int:
    if config.get("num_key_value_heads") is None:
        return _size(config, "num_attention_heads")
    return _size(config, "num_key_value_heads")


def _size(config: ModelConfig, key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"model config has {key}={value!r}; FLOP counts need a positive integer")
    return value
