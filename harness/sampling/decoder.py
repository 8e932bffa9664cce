"""Answers in flight over shared prompts: one token a row and step, for packed Llama weights.

A cohort is a group of rows that started together. Each cohort attends for itself; everything else
of a step is one product over the rows of all cohorts, so later cohorts fill the places of finished
rows. The keys of a prompt are stored once, however many answers it has. A row attends to its prompt
and to its own suffix apart; the two are merged by the prompt's log-sum-exp. Shapes as in ``llama``,
S slots a prompt in the padded prompt grid, L the longest prompt, C the room for suffix tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from rsft_bench.harness.sampling.llama import (
    Encoded,
    LlamaWeights,
    TokenRun,
    encode,
    finish_layer,
    project,
    to_logits,
)

# Prompt keys are copied when this share of the prompts still has rows, not at every one lost.
DROP_PROMPTS_BELOW = 0.75
# Room for suffix tokens grows by this many: products over multiples of 16 are the fast ones.
GROWTH = 16


class Cohort:
    """Key/value state of R answer rows over P prompts that started at the same step.

    Args:
        weights: packed model.
        encoded: keys and values of the prompts, end to end.
        lengths: (P,) tokens of each prompt.
        owner: prompt index of each row, non-decreasing.
    """

    def __init__(
        self, weights: LlamaWeights, encoded: Encoded, lengths: Tensor, owner: Tensor
    ) -> None:
        padded = int(lengths.max())
        self._keys = [pad_prompts(k, lengths, padded) for k in encoded.keys]
        self._values = [pad_prompts(v, lengths, padded) for v in encoded.values]
        absent = torch.arange(padded) >= lengths[:, None]
        self._bias = torch.zeros(absent.shape).masked_fill_(absent, -torch.inf)
        self._lengths = lengths
        self._step = 0
        # Slot 0 of a suffix stands for the prompt, see ``attend_own``.
        shape = (len(owner), weights.kv_heads, GROWTH, weights.head_dim)
        self._own_keys = [torch.zeros(shape) for _ in weights.layers]
        self._own_values = [torch.zeros(shape) for _ in weights.layers]
        self._assign(owner)

    def __len__(self) -> int:
        """Rows present."""
        return len(self._owner)

    @property
    def positions(self) -> Tensor:
        """Position (R,) of the token that each row takes next."""
        return self._starts + self._step

    def tokens(self, limit: int) -> int:
        """Tokens whose keys this cohort may come to hold when answers have ``limit`` at most."""
        return self._bias.numel() + len(self) * limit

    def advance(self) -> None:
        """Make room for the next token."""
        self._step += 1
        if self._step == self._own_keys[0].shape[2]:
            for caches in (self._own_keys, self._own_values):
                for i, cache in enumerate(caches):
                    caches[i] = F.pad(cache, (0, 0, 0, GROWTH))

    def attend(self, i: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Store ``key`` and ``value`` (R, J, D); attention (R, J, G, D) of ``query`` in layer i."""
        keys, values = self._own_keys[i], self._own_values[i]
        keys[:, :, self._step] = key
        values[:, :, self._step] = value
        grid = query
        if not self._full:
            grid = query.new_zeros(len(self._lengths) * self._slots, *query.shape[1:])
            grid.index_copy_(0, self._place, query)
        grid = grid.view(-1, self._slots, *query.shape[1:])
        shared, lse = attend_prompts(grid, self._keys[i], self._values[i], self._bias)
        if not self._full:
            shared, lse = shared[self._place], lse[self._place]
        return attend_own(query, keys, values, self._step + 1, shared, lse)

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but ``rows``, ascending indices into the present ones."""
        for caches in (self._own_keys, self._own_values):
            for i, cache in enumerate(caches):
                caches[i] = cache.index_select(0, rows)
        owner = self._owner[rows]
        left = owner.bincount(minlength=len(self._lengths)).nonzero()[:, 0]
        if len(left) <= DROP_PROMPTS_BELOW * len(self._lengths):
            longest = int(self._lengths[left].max())
            self._keys = [keys[left, :, :longest] for keys in self._keys]
            self._values = [values[left, :, :longest] for values in self._values]
            self._bias, self._lengths = self._bias[left, :longest], self._lengths[left]
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


def start(
    weights: LlamaWeights, prompts: Sequence[list[int]], owner: Tensor
) -> tuple[Cohort, Tensor]:
    """Encode each of ``prompts`` once; the cohort of their rows and its first logits (R, V).

    Args:
        weights: packed model.
        prompts: token ids of each prompt, none empty.
        owner: prompt index of each row, non-decreasing.
    """
    lengths = torch.tensor([len(ids) for ids in prompts])
    runs = [TokenRun(ids, list(range(len(ids))), None) for ids in prompts]
    encoded = encode(weights, runs, (lengths.cumsum(0) - 1).tolist())
    return Cohort(weights, encoded, lengths, owner), to_logits(weights, encoded.hidden)[owner]


def step(weights: LlamaWeights, cohorts: Sequence[Cohort], tokens: Tensor, turns: Tensor) -> Tensor:
    """Append one token to every row of all cohorts, in their order.

    Args:
        weights: packed model.
        cohorts: at least one; their rows sum to R.
        tokens: (R,).
        turns: rotations of at least all positions reached, ``weights.turns(n)``.

    Returns:
        Logits (R, V) of the next tokens.
    """
    sizes = [len(cohort) for cohort in cohorts]
    turned = turns[torch.cat([cohort.positions for cohort in cohorts])]
    x = F.embedding(tokens, weights.embedding)
    for cohort in cohorts:
        cohort.advance()
    for i, layer in enumerate(weights.layers):
        query, key, value = project(weights, layer, x, turned)
        query = query.view(len(tokens), weights.kv_heads, weights.groups, -1)
        parts = zip(cohorts, query.split(sizes), key.split(sizes), value.split(sizes), strict=True)
        attended = [cohort.attend(i, q, k, v) for cohort, q, k, v in parts]
        joined = attended[0] if len(attended) == 1 else torch.cat(attended)
        x = finish_layer(weights, layer, x, joined.flatten(1))
    return to_logits(weights, x)


def pad_prompts(packed: Tensor, lengths: Tensor, padded: int) -> Tensor:
    """Rearrange (N, J, D) of sequences end to end into (P, J, L, D), zeros after each end."""
    out = packed.new_zeros(len(lengths), packed.shape[1], padded, packed.shape[2])
    for i, part in enumerate(torch.split(packed, lengths.tolist())):
        out[i, :, : len(part)] = part.transpose(0, 1)
    return out


def attend_own(
    query: Tensor, keys: Tensor, values: Tensor, used: int, shared: Tensor, lse: Tensor
) -> Tensor:
    """Attention (R, J, G, D) of each row over its prompt and its own suffix.

    The prompt counts as one more key: its score is the log-sum-exp of its scores and its value the
    attention over it. It takes slot 0 of the suffix, which holds zeros.

    Args:
        query: (R, J, G, D).
        keys: (R, J, C, D), filled up to ``used``.
        values: as keys.
        used: slots of C that count.
        shared: attention (R, J, G, D) over the prompt.
        lse: log-sum-exp (R, J, G) of the scores behind it.
    """
    rows, kv_heads, groups, head_dim = query.shape
    q = query.reshape(rows * kv_heads, groups, head_dim)
    scores = torch.bmm(q, keys.flatten(0, 1).transpose(1, 2))
    scores[:, :, 0] = lse.flatten(0, 1)
    scores[:, :, used:] = -torch.inf
    shares = scores.softmax(-1)
    own = torch.bmm(shares, values.flatten(0, 1)).view(query.shape)
    return own.addcmul_(shares[:, :, :1].view(rows, kv_heads, groups, 1), shared)


def attend_prompts(
    grid: Tensor, keys: Tensor, values: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Attention of S rows a prompt over that prompt.

    The operator is the one behind ``F.scaled_dot_product_attention`` on a CPU, called directly
    because it also returns the log-sum-exp.

    Args:
        grid: queries (P, S, J, G, D).
        keys: (P, J, L, D).
        values: as keys.
        bias: (P, L), 0 for tokens of the prompt and -inf for padding.

    Returns:
        Attention (P * S, J, G, D) and log-sum-exp of the scores (P * S, J, G).
    """
    prompts, slots, kv_heads, groups, head_dim = grid.shape
    # (P, J, S * G, D): the groups of a key head are more queries to it.
    query = grid.transpose(1, 2).reshape(prompts, kv_heads, slots * groups, head_dim)
    attended, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, keys, values, attn_mask=bias[:, None, None], scale=1.0
    )
    split = (prompts, kv_heads, slots, groups)
    return (
        attended.view(*split, head_dim).transpose(1, 2).reshape(-1, kv_heads, groups, head_dim),
        lse.view(split).transpose(1, 2).reshape(-1, kv_heads, groups),
    )
