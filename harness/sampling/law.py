"""From logits and one uniform number to one token: the sampling law, pure.

Temperature first, then top_k, then top_p, as transformers orders its warpers; the token is the
inverse CDF of what is left, in token order, so equal uniforms give coupled draws across policies.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from rsft_bench.harness.types import Sampling

SMALL_VOCABULARY = 4096
SMALL_BLOCK, LARGE_BLOCK = 32, 256


class Drawn(NamedTuple):
    """One token a row and its log probabilities in nats.

    ``tokens`` (n,) int64; ``logprobs`` (n,) float64 at temperature 1 without truncation;
    ``sampled_logprobs`` (n,) float64 under the law it was drawn from, 0 when greedy.
    """

    tokens: Tensor
    logprobs: Tensor
    sampled_logprobs: Tensor


def draw(logits: Tensor, sampling: Sampling, uniform: Tensor) -> Drawn:
    """Draw one token a row.

    Args:
        logits: (n, V) float32.
        sampling: temperature (0 is greedy), top_p, top_k; its length is not read.
        uniform: (n,) float64 in [0, 1); not read when greedy.
    """
    if sampling.temperature == 0:
        tokens = logits.argmax(-1)
        logprobs = chosen_logprobs(logits, tokens)
        return Drawn(tokens, logprobs, torch.zeros_like(logprobs))
    weights = probabilities(logits, sampling)
    tokens, total = inverse_cdf(weights, uniform)
    sampled = (chosen(weights, tokens) / total).log()
    if is_plain(sampling):
        return Drawn(tokens, sampled, sampled)
    return Drawn(tokens, chosen_logprobs(logits, tokens), sampled)


def is_plain(sampling: Sampling) -> bool:
    """True if the sampling law is the model's own: temperature 1, nothing cut off."""
    return sampling.temperature == 1 and sampling.top_k <= 0 and sampling.top_p >= 1


def probabilities(logits: Tensor, sampling: Sampling) -> Tensor:
    """Weights (n, V) proportional to the sampling law; 0 for tokens cut off, sums at most 1.

    ``sampling.temperature`` must be positive. Tokens tied with the last one kept by top_k stay,
    as in transformers; at least one token of every row stays.
    """
    if sampling.temperature != 1:
        # Subtracting the maximum first keeps tiny temperatures from overflowing to inf - inf.
        logits = (logits - logits.amax(-1, keepdim=True)) / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        logits = logits.masked_fill(logits < kth_largest(logits, sampling.top_k), -torch.inf)
    weights = logits.softmax(-1)
    return weights if sampling.top_p >= 1 else nucleus(weights, sampling.top_p)


def kth_largest(values: Tensor, k: int) -> Tensor:
    """The ``k``-th largest of each row, (n, 1). NumPy selects ten times faster than torch here."""
    place = values.shape[-1] - k
    return torch.from_numpy(np.partition(values.numpy(), place, axis=-1)[:, place, None])


def nucleus(weights: Tensor, top_p: float) -> Tensor:
    """Zero all but the most likely tokens whose mass first reaches ``top_p``.

    A token stays if the tokens more likely than it hold less than ``top_p``; ties are broken by
    token number. Values are sorted without their indices, which NumPy does ten times faster than
    torch sorts both.
    """
    ranked = torch.from_numpy(np.sort(weights.numpy(), axis=-1)).flip(-1)
    before = ranked.double().cumsum(-1) - ranked
    kept = (before < top_p).sum(-1, keepdim=True).clamp_min_(1)
    least = ranked.gather(-1, kept - 1)
    cut = weights < least
    ties = weights == least
    excess = ties.sum(-1, keepdim=True) + (weights > least).sum(-1, keepdim=True) - kept
    if (excess > 0).any():
        room = ties.sum(-1, keepdim=True) - excess
        cut |= ties & (ties.cumsum(-1) > room)
    return weights.masked_fill(cut, 0.0)


def inverse_cdf(weights: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """First token whose cumulative weight exceeds ``uniform`` times the row's total; that total.

    Both (n,), the totals float64. Never returns a token of weight 0. Cumulative sums go over blocks
    of the vocabulary and then inside one block, which is much cheaper than one over all of it.

    Args:
        weights: (n, V) non-negative with a positive sum in every row.
        uniform: (n,) float64 in [0, 1).
    """
    size = SMALL_BLOCK if weights.shape[-1] <= SMALL_VOCABULARY else LARGE_BLOCK
    spill = -weights.shape[-1] % size
    padded = F.pad(weights, (0, spill)) if spill else weights
    blocks = padded.view(len(weights), -1, size)
    masses = blocks.sum(-1).double()
    upper = masses.cumsum(-1)
    target = uniform * upper[:, -1]
    block = first_above(upper, target)
    rows = torch.arange(len(weights), device=weights.device)
    rest = target - (upper[rows, block] - masses[rows, block])
    inside = blocks[rows, block].double().cumsum(-1)
    return block * size + first_above(inside, rest), upper[:, -1]


def first_above(cumulative: Tensor, target: Tensor) -> Tensor:
    """First index with ``cumulative > target``, at most the last index that adds any weight.

    Args:
        cumulative: (n, m), non-decreasing along each row.
        target: (n,).
    """
    found = (cumulative <= target[:, None]).sum(-1)
    last = (cumulative < cumulative[:, -1:]).sum(-1)
    return torch.minimum(found, last)


def chosen(values: Tensor, tokens: Tensor) -> Tensor:
    """``values[i, tokens[i]]`` for every row i. Shape (n,)."""
    return values.gather(-1, tokens[:, None])[:, 0]


def chosen_logprobs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log probabilities (n,) of ``tokens`` under softmax(logits), nats, float64."""
    return (chosen(logits, tokens) - logits.logsumexp(-1)).double()
