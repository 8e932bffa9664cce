"""Drawing answers from the encoder-decoder: one keyed uniform number a token, as everywhere.

Rows of several prompts run together; a row's tokens depend on its own prompt, weights and uniforms
alone, up to rounding. Finished rows are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from rsft_bench.harness.policies.seq2seq_network import padded
from rsft_bench.harness.sampling.law import draw
from rsft_bench.harness.seeding import uniforms
from rsft_bench.harness.types import Sampling

#: Prompt and answer tokens of the rows that run together.
BUDGET = 32_768
#: Keys are copied when this share of the rows or fewer goes on.
KEEP_ABOVE = 0.75


class Asked(NamedTuple):
    """One answer to draw: its prompt's tokens and what keys its stream."""

    prompt: Sequence[int]
    example_id: str
    draw: int


class Raw(NamedTuple):
    """Tokens of an answer, stop included if drawn, and the log probability of each, nats."""

    ids: list[int]
    logprobs: list[float]


def answers(
    model: Any, asked: Sequence[Asked], sampling: Sampling, seed: int, purpose: str
) -> list[Raw]:
    """One answer to each request, in their order; log probabilities are at temperature 1."""
    found: list[Raw] = []
    with torch.inference_mode():
        for part in _parts(asked, sampling.max_new_tokens):
            found += _together(model, part, sampling, seed, purpose)
    return found


def _parts(asked: Sequence[Asked], limit: int) -> Iterator[Sequence[Asked]]:
    """Requests that run together, cut where padding to the longest passes ``BUDGET``."""
    start, longest = 0, 0
    for i, one in enumerate(asked):
        longest = max(longest, len(one.prompt))
        if i > start and (i + 1 - start) * (longest + limit) > BUDGET:
            yield asked[start:i]
            start, longest = i, len(one.prompt)
    if asked:
        yield asked[start:]


def _together(
    model: Any, asked: Sequence[Asked], sampling: Sampling, seed: int, purpose: str
) -> list[Raw]:
    limit, pad = sampling.max_new_tokens, model.config.pad_token_id
    uniform = np.zeros((len(asked), limit))
    if sampling.temperature > 0:
        uniform = np.stack([uniforms(seed, purpose, a.example_id, a.draw, limit) for a in asked])
    numbers = torch.from_numpy(uniform)
    encoded, seen = _encode(model, asked)
    raw = [Raw([], []) for _ in asked]
    rows, last, past = torch.arange(len(asked)), torch.full((len(asked), 1), pad), None
    for step in range(limit):
        output = model(
            encoder_outputs=(encoded,),
            attention_mask=seen,
            decoder_input_ids=last,
            past_key_values=past,
            use_cache=True,
        )
        past = output.past_key_values
        drawn = draw(output.logits[:, -1], sampling, numbers[rows, step])
        told = zip(rows.tolist(), drawn.tokens.tolist(), drawn.logprobs.tolist(), strict=True)
        for row, token, logprob in told:
            if not _ended(model, raw[row]):
                raw[row].ids.append(token)
                raw[row].logprobs.append(logprob)
        going = torch.tensor([not _ended(model, raw[row]) for row in rows.tolist()])
        if not going.any():
            break
        last = drawn.tokens[:, None]
        if going.float().mean() <= KEEP_ABOVE:
            kept = going.nonzero()[:, 0]
            rows, last, encoded, seen = rows[kept], last[kept], encoded[kept], seen[kept]
            past.batch_select_indices(kept)
    return raw


def _encode(model: Any, asked: Sequence[Asked]) -> tuple[Any, Any]:
    """Encoder states (rows, longest, width) and mask of every request; a prompt is read once."""
    places: dict[tuple[int, ...], int] = {}
    owner = [places.setdefault(tuple(a.prompt), len(places)) for a in asked]
    ids, seen = padded(list(places), model.config.pad_token_id)
    states = model.encoder(input_ids=ids, attention_mask=seen).last_hidden_state
    return states[owner], seen[owner]


def _ended(model: Any, raw: Raw) -> bool:
    return raw.ids[-1:] == [model.config.eos_token_id]
