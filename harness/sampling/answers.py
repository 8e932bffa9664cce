"""What is asked of the sampler and what it has drawn so far: requests, streams, raw answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from rsft_bench.harness.sampling.law import Drawn
from rsft_bench.harness.seeding import uniforms
from rsft_bench.harness.types import Sampling

#: Whether the tokens of an answer so far contain a stop string.
Ended: TypeAlias = Callable[[list[int]], bool]


@dataclass(frozen=True, slots=True)
class Request:
    """One answer to draw: its prompt tokens, the most tokens it may have, and its stream's key."""

    ids: tuple[int, ...]
    limit: int
    example_id: str
    draw: int


class RawAnswer(NamedTuple):
    """Tokens of one answer, stop token included if drawn, and their log probabilities in nats.

    ``logprob`` is at temperature 1 without truncation, ``sampled_logprob`` under the law that the
    tokens were drawn from (0 for greedy decoding).
    """

    ids: list[int]
    logprob: float
    sampled_logprob: float


@dataclass(frozen=True, slots=True)
class Job:
    """Answers to draw under one law.

    ``uniform`` (n, positions) float64 as ``streams`` gives it, None when greedy. ``stop`` is the
    token that ends an answer; ``ended`` is asked after every token where stop strings are given.
    ``sampling.max_new_tokens`` is not read, each request has its limit.
    """

    requests: Sequence[Request]
    uniform: Tensor | None
    sampling: Sampling
    stop: int
    ended: Ended | None = None


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
    """What has been drawn so far for the n requests of a job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._limits = torch.tensor([r.limit for r in job.requests])
        count = len(self._limits)
        # One column more than any answer has, for the tokens that finished rows go on drawing.
        self._tokens = torch.full((count, int(self._limits.max()) + 1), job.stop)
        self._lengths = torch.zeros_like(self._limits)
        self._logprobs = torch.zeros(count, 2, dtype=torch.float64)
        self._alive = torch.ones(count, dtype=torch.bool)

    def uniform(self, rows: Tensor) -> Tensor:
        """The number (len(rows),) that decides the next token of each row; empty when greedy."""
        if self._job.uniform is None:
            return torch.empty(0)
        last = self._job.uniform.shape[1] - 1
        return self._job.uniform[rows, self._lengths[rows].clamp_max(last)]

    def append(self, rows: Tensor, drawn: Drawn) -> Tensor:
        """Record one token for each of ``rows``; finished ones ignore it. Returns who goes on."""
        alive, at = self._alive[rows], self._lengths[rows]
        self._tokens[rows, at] = drawn.tokens
        at += alive
        self._lengths[rows] = at
        both = torch.stack((drawn.logprobs, drawn.sampled_logprobs), 1)
        self._logprobs[rows] += both.masked_fill_(~alive[:, None], 0.0)
        alive &= (drawn.tokens != self._job.stop) & (at < self._limits[rows])
        if self._job.ended is not None:
            for i in alive.nonzero()[:, 0].tolist():
                ids: list[int] = self._tokens[rows[i], : int(at[i])].tolist()
                alive[i] = not self._job.ended(ids)
        self._alive[rows] = alive
        return alive

    def finish(self) -> list[RawAnswer]:
        """All answers, in the order of the requests."""
        tokens, lengths = self._tokens.tolist(), self._lengths.tolist()
        return [
            RawAnswer(ids[:n], *logprobs)
            for ids, n, logprobs in zip(tokens, lengths, self._logprobs.tolist(), strict=True)
        ]
