"""Log probabilities of given answers under packed Llama weights, prompts shared.

All answers to one prompt stand behind it in one token run whose mask lets each answer see the
prompt and itself, so the prompt is encoded once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rsft_bench.harness.sampling.law import chosen_logprobs
from rsft_bench.harness.sampling.llama import LlamaWeights, TokenRun, encode, to_logits
from rsft_bench.harness.types import FloatArray

# Attention inside one run is quadratic; logits of one batch are what takes memory.
RUN_TOKENS = 640
BATCH_TOKENS = 4096


class Pair(NamedTuple):
    """Tokens of one prompt and of one answer, stop included."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


class Run(NamedTuple):
    """One prompt and some of its answers; ``members`` are indices into the list of pairs."""

    prompt: tuple[int, ...]
    members: list[int]
    tokens: int


def score_pairs(weights: LlamaWeights, pairs: Sequence[Pair]) -> FloatArray:
    """Log probability (n,) of every answer after its prompt, nats."""
    scores = np.zeros(len(pairs))
    for batch in batches(runs(pairs)):
        members = [i for run in batch for i in run.members]
        token_runs = [token_run(run, pairs) for run in batch]
        hidden = encode(weights, token_runs, predictors(batch, pairs)).hidden
        targets = torch.tensor([t for i in members for t in pairs[i].answer])
        logprobs = chosen_logprobs(to_logits(weights, hidden), targets)
        parts = torch.split(logprobs, [len(pairs[i].answer) for i in members])
        scores[members] = [float(part.sum()) for part in parts]
    return scores


def runs(pairs: Sequence[Pair]) -> list[Run]:
    """Group pairs by prompt into runs of at most RUN_TOKENS, or one answer where that is longer."""
    open_runs: dict[tuple[int, ...], Run] = {}
    done: list[Run] = []
    for i, pair in enumerate(pairs):
        run = open_runs.get(pair.prompt)
        if run is None or run.tokens + len(pair.answer) > RUN_TOKENS:
            if run is not None:
                done.append(run)
            run = Run(pair.prompt, [], len(pair.prompt))
        open_runs[pair.prompt] = Run(run.prompt, [*run.members, i], run.tokens + len(pair.answer))
    return [*done, *open_runs.values()]


def batches(items: Sequence[Run]) -> Iterator[list[Run]]:
    """Consecutive runs of at most BATCH_TOKENS together, one run where it is longer."""
    batch: list[Run] = []
    size = 0
    for run in items:
        if batch and size + run.tokens > BATCH_TOKENS:
            yield batch
            batch, size = [], 0
        batch.append(run)
        size += run.tokens
    if batch:
        yield batch


def token_run(run: Run, pairs: Sequence[Pair]) -> TokenRun:
    """Prompt and answers end to end; every answer's positions start after the prompt."""
    start = len(run.prompt)
    ids, positions = list(run.prompt), list(range(start))
    segment = [-1] * start
    for number, i in enumerate(run.members):
        answer = pairs[i].answer
        ids += answer
        positions += range(start, start + len(answer))
        segment += [number] * len(answer)
    mask = None if len(run.members) == 1 else answer_mask(torch.tensor(segment))
    return TokenRun(ids, positions, mask)


def answer_mask(segment: Tensor) -> Tensor:
    """Who sees whom, (n, n) bool: earlier tokens of the prompt (-1) or of the same answer."""
    same = (segment[:, None] == segment) | (segment == -1)
    return same.tril()


def predictors(batch: Sequence[Run], pairs: Sequence[Pair]) -> list[int]:
    """Rows of a batch whose next token is an answer token, in the order of the answers."""
    rows: list[int] = []
    start = 0
    for run in batch:
        last = start + len(run.prompt) - 1
        at = last + 1
        for i in run.members:
            length = len(pairs[i].answer)
            rows += [last, *range(at, at + length - 1)]
            at += length
        start += run.tokens
    return rows
