"""The sampling loop over packed weights: rows start in cohorts, finished ones are replaced."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rsft_bench.harness.sampling.answers import Answers, Job, RawAnswer, Request
from rsft_bench.harness.sampling.decoder import GROWTH, Cohort, start, step
from rsft_bench.harness.sampling.law import draw
from rsft_bench.harness.sampling.llama import LlamaWeights

# Copying the suffix caches costs about a tenth of a step, so a few finished rows are carried.
COMPACT_BELOW = 0.9
# Every cohort attends for itself, so new ones wait until this share of the budget is free.
REFILL_ABOVE = 0.5
# Keys and values of all answers in flight, unless a caller sets a budget: what memory allows to
# large models, and to small ones about 400 rows, since more of them outgrow the processor's caches.
CACHE_BYTES = 512 * 1024**2
CACHE_TOKENS = 32_768


@dataclass(slots=True)
class Flight:
    """A cohort and the request number (R,) of each of its rows."""

    cohort: Cohort
    rows: Tensor


def default_budget(weights: LlamaWeights) -> int:
    """Tokens whose keys and values take CACHE_BYTES, at most CACHE_TOKENS."""
    token = 2 * len(weights.layers) * weights.kv_heads * weights.head_dim
    return min(CACHE_TOKENS, CACHE_BYTES // (token * weights.embedding.element_size()))


def run_packed(weights: LlamaWeights, job: Job, budget: int | None = None) -> list[RawAnswer]:
    """Draw all answers of a job. Equal prompts are encoded once, unless the budget parts them.

    Args:
        weights: packed model.
        job: at least one request.
        budget: tokens whose keys may be held at once, prompts and suffixes together; one row
            runs even if it needs more. None: see ``default_budget``.
    """
    budget = default_budget(weights) if budget is None else budget
    limit = room(max(r.limit for r in job.requests))
    turns = weights.turns(max(len(r.ids) for r in job.requests) + limit)
    waiting = deque(groups(job.requests, limit, budget))
    answers = Answers(job)
    flights: list[Flight] = []
    logits: list[Tensor] = []
    while waiting or flights:
        chosen = admit(waiting, job.requests, [f.cohort.tokens(limit) for f in flights], budget)
        if chosen:
            flight, first = _start(weights, job.requests, chosen)
            flights.append(flight)
            logits.append(first)
        rows = torch.cat([flight.rows for flight in flights])
        together = logits[0] if len(logits) == 1 else torch.cat(logits)
        drawn = draw(together, job.sampling, answers.uniform(rows))
        tokens = _compact(flights, drawn.tokens, answers.append(rows, drawn))
        flights = [flight for flight in flights if len(flight.rows)]
        logits = [step(weights, [f.cohort for f in flights], tokens, turns)] if flights else []
    return answers.finish()


def room(limit: int) -> int:
    """Suffix slots that a row of ``limit`` comes to hold: its last token needs none, slot 0 one."""
    return limit + -limit % GROWTH


def groups(requests: Sequence[Request], limit: int, budget: int) -> list[list[int]]:
    """Requests of one prompt each, shortest prompt first; parts of them where all do not fit."""
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for i, request in enumerate(requests):
        by_prompt.setdefault(request.ids, []).append(i)
    parts = []
    for ids in sorted(by_prompt, key=len):
        members, most = by_prompt[ids], max(1, (budget - len(ids)) // limit)
        parts += [members[at : at + most] for at in range(0, len(members), most)]
    return parts


def admit(
    waiting: deque[list[int]], requests: Sequence[Request], held: Sequence[int], budget: int
) -> list[list[int]]:
    """Take the groups off ``waiting`` that start now; none while little of the budget is free.

    Args:
        waiting: groups in order of prompt length, so the last one taken is the longest.
        requests: what the groups number.
        held: tokens of each cohort in flight.
        budget: tokens of all.
    """
    free = budget - sum(held)
    if not waiting or (held and free < REFILL_ABOVE * budget):
        return []
    limit = room(max(r.limit for r in requests))
    taken: list[list[int]] = []
    rows = 0
    while waiting:
        longest = len(requests[waiting[0][0]].ids)
        needed = longest * (len(taken) + 1) + limit * (rows + len(waiting[0]))
        if needed > free and (taken or held):
            break
        rows += len(waiting[0])
        taken.append(waiting.popleft())
    return taken


def _start(
    weights: LlamaWeights, requests: Sequence[Request], chosen: Sequence[list[int]]
) -> tuple[Flight, Tensor]:
    prompts = [list(requests[group[0]].ids) for group in chosen]
    owner = torch.tensor([i for i, group in enumerate(chosen) for _ in group])
    rows = torch.tensor([i for group in chosen for i in group])
    cohort, logits = start(weights, prompts, owner)
    return Flight(cohort, rows), logits


def _compact(flights: Sequence[Flight], tokens: Tensor, alive: Tensor) -> Tensor:
    """Drop finished rows where they are many; the tokens of the rows that remain."""
    sizes = [len(flight.rows) for flight in flights]
    left = []
    for flight, token, going in zip(flights, tokens.split(sizes), alive.split(sizes), strict=True):
        kept = going.nonzero()[:, 0]
        if len(kept) > COMPACT_BELOW * len(going):
            left.append(token)
            continue
        flight.rows = flight.rows[kept]
        if len(kept):
            flight.cohort.keep(kept)
        left.append(token[kept])
    return torch.cat(left)
