"""Sampling and scoring through transformers' own forward, for models that cannot be packed.

Correct for any causal LM and slow: one prompt at a time, so that nothing is ever padded.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rsft_bench.harness.sampling.answers import Answers, Job, RawAnswer
from rsft_bench.harness.sampling.law import chosen_logprobs, draw

# Prompt and answer tokens of the rows that run together.
DEFAULT_BUDGET = 16_384


def run_model(model: Any, job: Job, budget: int | None = None) -> list[RawAnswer]:
    """As ``loop.run_packed``, on the model itself. Rows of one prompt run together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, request in enumerate(job.requests):
        groups.setdefault(request.ids, []).append(i)
    answers = Answers(job)
    for ids, members in groups.items():
        limit = max(job.requests[i].limit for i in members)
        most = max(1, (DEFAULT_BUDGET if budget is None else budget) // (len(ids) + limit))
        for part in torch.tensor(members).split(most):
            _run_prompt(model, ids, part, answers, job)
    return answers.finish()


def _run_prompt(model: Any, ids: tuple[int, ...], rows: Tensor, answers: Answers, job: Job) -> None:
    tokens = torch.tensor(ids).expand(len(rows), -1)
    past = None
    while True:
        output = model(input_ids=tokens, past_key_values=past, use_cache=True)
        past = output.past_key_values
        drawn = draw(output.logits[:, -1].float(), job.sampling, answers.uniform(rows))
        if not answers.append(rows, drawn).any():
            return
        tokens = drawn.tokens[:, None]


def score_pair(model: Any, prompt: list[int], answer: list[int]) -> float:
    """Log probability of ``answer`` after ``prompt``, nats."""
    ids = torch.tensor(prompt + answer)
    logits = model(input_ids=ids[None], use_cache=False).logits[0].float()
    return float(chosen_logprobs(logits[len(prompt) - 1 : -1], ids[len(prompt) :]).sum())
