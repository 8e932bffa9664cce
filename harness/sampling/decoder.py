"""Answers in flight over shared prompts: one token a row and step, for packed Llama weights.

The keys of a prompt are stored once, however many answers it has. A row attends to its prompt and
to its own suffix apart; the two are merged by their log-sum-exps. Shapes as in ``llama``, S slots
a prompt in the padded prompt grid, L the longest prompt, T the most tokens an answer may have.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from rsft_bench.harness.sampling.llama import (
    LlamaWeights,
    TokenRun,
    encode,
    finish_layer,
    project,
    to_logits,
)

# Prompt keys are copied when this share of the prompts still has rows, not at every one lost.
DROP_PROMPTS_BELOW = 0.75


class Decoder:
    """Key/value state of R answer rows over P prompts, and the step that extends each by a token.

    Args:
        weights: packed model.
        prompts: token ids of each prompt, none empty.
        owner: prompt index of each row, non-decreasing.
        limit: the most tokens any answer may have.
    """

    def __init__(
        self, weights: LlamaWeights, prompts: Sequence[list[int]], owner: Tensor, limit: int
    ) -> None:
        lengths = torch.tensor([len(ids) for ids in prompts])
        runs = [TokenRun(ids, list(range(len(ids))), None) for ids in prompts]
        encoded = encode(weights, runs, (lengths.cumsum(0) - 1).tolist())
        padded = int(lengths.max())
        self._weights = weights
        self._turns = weights.turns(padded + limit)
        self._keys = [pad_prompts(k, lengths, padded) for k in encoded.keys]
        self._values = [pad_prompts(v, lengths, padded) for v in encoded.values]
        absent = torch.arange(padded) >= lengths[:, None]
        self._bias = torch.zeros(absent.shape).masked_fill_(absent, -torch.inf)
        self._lengths = lengths
        self._step = 0
        shape = (limit, len(owner), weights.kv_heads, weights.head_dim)
        self._own_keys = [torch.empty(shape) for _ in weights.layers]
        self._own_values = [torch.empty(shape) for _ in weights.layers]
        self._prompt_logits = to_logits(weights, encoded.hidden)
        self._assign(owner)

    def first_logits(self) -> Tensor:
        """Logits (R, V) of each row's first token."""
        return self._prompt_logits[self._owner]

    def step(self, tokens: Tensor) -> Tensor:
        """Append ``tokens`` (R,) and return the logits (R, V) of the next ones."""
        weights, rows = self._weights, len(tokens)
        turns = self._turns[self._starts + self._step]
        x = F.embedding(tokens, weights.embedding)
        self._step += 1
        for i, layer in enumerate(weights.layers):
            query, key, value = project(weights, layer, x, turns)
            self._own_keys[i][self._step - 1, :rows] = key
            self._own_values[i][self._step - 1, :rows] = value
            attended = self._attend(i, query.view(rows, weights.kv_heads, weights.groups, -1))
            x = finish_layer(weights, layer, x, attended.flatten(1))
        return to_logits(weights, x)

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but ``rows``, ascending indices into the present ones."""
        for cache in (*self._own_keys, *self._own_values):
            used = cache[: self._step]
            used[:, : len(rows)] = used.index_select(1, rows)
        owner = self._owner[rows]
        left = owner.bincount(minlength=len(self._lengths)).nonzero()[:, 0]
        if len(left) <= DROP_PROMPTS_BELOW * len(self._lengths):
            self._keys = [keys[left] for keys in self._keys]
            self._values = [values[left] for values in self._values]
            self._bias, self._lengths = self._bias[left], self._lengths[left]
            owner = torch.searchsorted(left, owner)
        self._assign(owner)

    def _assign(self, owner: Tensor) -> None:
        """Give every row its place in the padded (prompt, slot) grid."""
        counts = torch.bincount(owner, minlength=len(self._lengths))
        self._slots = int(counts.max())
        before = (counts.cumsum(0) - counts)[owner]
        self._place = owner * self._slots + torch.arange(len(owner)) - before
        self._full = len(owner) == len(counts) * self._slots
        self._owner = owner
        self._starts = self._lengths[owner]

    def _attend(self, i: int, query: Tensor) -> Tensor:
        """Attention (R, J, G, D) of ``query`` over each row's prompt and own suffix."""
        rows = len(query)
        own, own_lse = attend_own(
            query, self._own_keys[i][: self._step, :rows], self._own_values[i][: self._step, :rows]
        )
        grid = query
        if not self._full:
            grid = query.new_zeros(len(self._lengths) * self._slots, *query.shape[1:])
            grid.index_copy_(0, self._place, query)
        grid = grid.view(-1, self._slots, *query.shape[1:])
        shared, lse = attend_prompts(grid, self._keys[i], self._values[i], self._bias)
        if not self._full:
            shared, lse = shared[self._place], lse[self._place]
        return torch.lerp(own, shared, torch.sigmoid(lse - own_lse)[..., None])


def pad_prompts(packed: Tensor, lengths: Tensor, padded: int) -> Tensor:
    """Rearrange (N, J, D) of sequences end to end into (P, J, L, D), zeros after each end."""
    out = packed.new_zeros(len(lengths), packed.shape[1], padded, packed.shape[2])
    for i, part in enumerate(torch.split(packed, lengths.tolist())):
        out[i, :, : len(part)] = part.transpose(0, 1)
    return out


def attend_own(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Attention of each row over its own suffix.

    Products and sums over the time-major cache; at these sizes they beat thousands of
    one-row matrix products.

    Args:
        query: (R, J, G, D).
        keys: (t, R, J, D).
        values: as keys.

    Returns:
        Attention (R, J, G, D) and log-sum-exp of the scores (R, J, G).
    """
    scores = (keys.unsqueeze(3) * query).sum(-1)
    shares = scores.softmax(0)
    attended = (shares.unsqueeze(-1) * values.unsqueeze(3)).sum(0)
    return attended, log_sum_exp(scores, shares, 0)


def attend_prompts(
    grid: Tensor, keys: Tensor, values: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Attention of S rows a prompt over that prompt.

    Args:
        grid: queries (P, S, J, G, D).
        keys: (P, J, L, D).
        values: as keys.
        bias: (P, L), 0 for tokens of the prompt and -inf for padding.

    Returns:
        Attention (P * S, J, G, D) and log-sum-exp of the scores (P * S, J, G).
    """
    prompts, slots, kv_heads, groups, head_dim = grid.shape
    length = keys.shape[2]
    query = grid.transpose(1, 2).reshape(prompts * kv_heads, slots * groups, head_dim)
    offset = bias[:, None, None].expand(-1, kv_heads, 1, -1).reshape(-1, 1, length)
    scores = torch.baddbmm(offset, query, keys.flatten(0, 1).transpose(1, 2))
    shares = scores.softmax(-1)
    attended = torch.bmm(shares, values.flatten(0, 1))
    lse = log_sum_exp(scores, shares, -1)
    split = (prompts, kv_heads, slots, groups)
    return (
        attended.view(*split, head_dim).transpose(1, 2).reshape(-1, kv_heads, groups, head_dim),
        lse.view(split).transpose(1, 2).reshape(-1, kv_heads, groups),
    )


def log_sum_exp(scores: Tensor, shares: Tensor, dim: int) -> Tensor:
    """Log-sum-exp of ``scores`` along ``dim``, given their softmax: max score - log max share."""
    return scores.amax(dim) - shares.amax(dim).log()
