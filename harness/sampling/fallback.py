"""Sampling and scoring through transformers' own forward, for models other than plain Llamas.

Correct for any causal LM and slow: one prompt at a time, so that nothing is ever padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rsft_bench.harness.sampling.law import chosen_logprobs, draw
from rsft_bench.harness.sampling.loop import Answers, RawAnswer, Request
from rsft_bench.harness.types import Sampling


def run_rows(
    model: Any,
    requests: Sequence[Request],
    uniform: Tensor | None,
    sampling: Sampling,
    stop: int,
) -> list[RawAnswer]:
    """As ``loop.run_wave``, on the model itself. Rows of one prompt run together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, request in enumerate(requests):
        groups.setdefault(request.ids, []).append(i)
    answers = Answers(torch.tensor([r.limit for r in requests]), stop)
    for ids, members in groups.items():
        limit = max(requests[i].limit for i in members)
        _run_prompt(model, ids, torch.tensor(members), limit, answers, uniform, sampling)
    return answers.finish()


def _run_prompt(
    model: Any,
    ids: tuple[int, ...],
    rows: Tensor,
    limit: int,
    answers: Answers,
    uniform: Tensor | None,
    sampling: Sampling,
) -> None:
    tokens = torch.tensor(ids).expand(len(rows), -1)
    past = None
    for step in range(limit):
        output = model(input_ids=tokens, past_key_values=past, use_cache=True)
        past = output.past_key_values
        level = uniform[rows, step] if uniform is not None else torch.empty(0)
        drawn = draw(output.logits[:, -1].float(), sampling, level)
        if not answers.append(step, rows, drawn.tokens, drawn.logprobs).any():
            break
        tokens = drawn.tokens[:, None]


def score_pair(model: Any, prompt: list[int], answer: list[int]) -> float:
    """Log probability of ``answer`` after ``prompt``, nats."""
    ids = torch.tensor(prompt + answer)
    logits = model(input_ids=ids[None], use_cache=False).logits[0].float()
    return float(chosen_logprobs(logits[len(prompt) - 1 : -1], ids[len(prompt) :]).sum())
