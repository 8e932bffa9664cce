"""The sampling loop over packed Llama weights: waves of answers, finished rows dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rsft_bench.harness.sampling.decoder import Decoder
from rsft_bench.harness.sampling.law import draw
from rsft_bench.harness.sampling.llama import LlamaWeights
from rsft_bench.harness.seeding import uniforms
from rsft_bench.harness.types import Sampling

# Copying the suffix caches costs about a tenth of a step, so a few finished rows are carried.
COMPACT_BELOW = 0.9


@dataclass(frozen=True, slots=True)
class Request:
    """One answer to draw: its prompt tokens, the most tokens it may have, and its stream's key."""

    ids: tuple[int, ...]
    limit: int
    example_id: str
    draw: int


class RawAnswer(NamedTuple):
    """Tokens of one answer, stop token included if drawn, and their log probability in nats."""

    ids: list[int]
    logprob: float


def streams(
    requests: Sequence[Request], sampling: Sampling, seed: int, purpose: str
) -> Tensor | None:
    """Uniforms (n, longest limit) float64 of each request's own stream; None when greedy."""
    if sampling.temperature == 0:
        return None
    longest = max(r.limit for r in requests)
    return torch.from_numpy(
        np.stack([uniforms(seed, purpose, r.example_id, r.draw, longest) for r in requests])
    )


class Answers:
    """What has been drawn so far for n requests."""

    def __init__(self, limits: Tensor, stop: int) -> None:
        self._limits, self._stop = limits, stop
        self._tokens: Tensor = torch.full((int(limits.max()), len(limits)), stop)
        self._lengths = torch.zeros_like(limits)
        self._logprobs = torch.zeros(len(limits), dtype=torch.float64)
        self._alive = torch.ones(len(limits), dtype=torch.bool)

    def append(self, step: int, rows: Tensor, tokens: Tensor, logprobs: Tensor) -> Tensor:
        """Record one token for each of ``rows``; finished ones ignore it. Returns who goes on."""
        alive = self._alive[rows]
        self._tokens[step, rows] = tokens
        self._lengths[rows] += alive
        self._logprobs[rows] += logprobs.masked_fill(~alive, 0.0)
        alive &= (tokens != self._stop) & (step + 1 < self._limits[rows])
        self._alive[rows] = alive
        return alive

    def finish(self) -> list[RawAnswer]:
        """All answers, in the order of the requests."""
        tokens = self._tokens.T.tolist()
        lengths, logprobs = self._lengths.tolist(), self._logprobs.tolist()
        return [
            RawAnswer(ids[:n], logprob)
            for ids, n, logprob in zip(tokens, lengths, logprobs, strict=True)
        ]


def run_wave(
    weights: LlamaWeights,
    requests: Sequence[Request],
    uniform: Tensor | None,
    sampling: Sampling,
    stop: int,
) -> list[RawAnswer]:
    """Draw all ``requests`` side by side. Equal prompts are encoded once.

    Args:
        weights: packed model.
        requests: at least one.
        uniform: (n, positions) float64, see ``streams``; None when greedy.
        sampling: the law; its ``max_new_tokens`` is not read, each request has its limit.
        stop: token that ends an answer.
    """
    numbers = {ids: i for i, ids in enumerate(dict.fromkeys(r.ids for r in requests))}
    owner, rows = torch.tensor([numbers[r.ids] for r in requests]).sort(stable=True)
    limits = torch.tensor([r.limit for r in requests])
    decoder = Decoder(weights, [list(ids) for ids in numbers], owner, int(limits.max()))
    answers = Answers(limits, stop)
    logits = decoder.first_logits()
    for step in range(int(limits.max())):
        level = uniform[rows, step] if uniform is not None else torch.empty(0)
        tokens, logprobs = draw(logits, sampling, level)
        alive = answers.append(step, rows, tokens, logprobs)
        going = int(alive.sum())
        if going == 0:
            break
        if going <= COMPACT_BELOW * len(rows):
            kept = alive.nonzero()[:, 0]
            decoder.keep(kept)
            rows, tokens = rows[kept], tokens[kept]
        logits = decoder.step(tokens)
    return answers.finish()
