"""Sampling answers from a language model and scoring given ones.

``sample`` draws one block, ``sample_raw`` the same before it becomes text; ``score`` returns log
probabilities. Llama-like models run in the package's own loop, others through transformers' forward
with the same results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from rsft_bench.harness.errors import InfrastructureError
from rsft_bench.harness.policies.language_model import LanguageModel, load
from rsft_bench.harness.sampling import fallback
from rsft_bench.harness.sampling.answers import Job, RawAnswer, Request, streams
from rsft_bench.harness.sampling.llama import LlamaWeights, pack, packable
from rsft_bench.harness.sampling.loop import run_packed
from rsft_bench.harness.sampling.scoring import Pair, score_pairs
from rsft_bench.harness.sampling.stops import before_stop, stop_check
from rsft_bench.harness.types import Completion, FloatArray, Sampling

__all__ = ["prepare", "run", "sample", "sample_raw", "score"]


#: Bytes of weights above which unpacked pages are not kept beside the packed copy.
SPARE_ABOVE = 64 << 20


def prepare(lm: LanguageModel, folder: Path | None = None) -> LlamaWeights | None:
    """Pack the weights for repeated calls; None for models that only transformers can run.

    The result does not follow later changes to the model.

    Args:
        lm: the policy.
        folder: where ``lm`` was read from, unchanged since. Large weights are then read through a
            mapping of their own, whose pages go back to the system; ``lm``'s own stay untouched in
            the file, and nothing is held twice.
    """
    if not packable(lm.model):
        return None
    files = [] if folder is None else sorted(folder.glob("*.safetensors"))
    if folder is None or sum(f.stat().st_size for f in files) <= SPARE_ABOVE:
        return pack(lm.model)
    return pack(load(folder).model, lm.model)


def sample(
    lm: LanguageModel,
    prompts: Sequence[tuple[str, str]],
    draws: range,
    sampling: Sampling,
    seed: int,
    purpose: str,
    packed: LlamaWeights | None = None,
    budget: int | None = None,
) -> list[Completion]:
    """Draw answers to every prompt; one call is one block and depends on its arguments alone.

    Args:
        lm: the policy.
        prompts: (example_id, prompt) pairs; ids name the random streams.
        draws: draw numbers; greedy decoding (temperature 0) computes one and repeats it.
        sampling: the law. An answer also ends where prompt and answer fill the context.
        seed: with ``purpose``, ``example_id`` and draw it fixes one uniform number a position.
        purpose: name of the random stream.
        packed: ``prepare(lm)`` where the caller keeps it between calls.
        budget: tokens held in memory at once, see ``loop.run_packed``; changes rounding only.

    Returns:
        Completions ordered by (prompt, draw); empty if there are no prompts or no draws.

    Raises:
        InfrastructureError: the model's logits are not finite.
    """
    computed = draws[:1] if sampling.temperature == 0 else draws
    answered = sample_raw(lm, prompts, computed, sampling, seed, purpose, packed, budget)
    repeats = len(draws) // max(1, len(computed))
    return [
        _completion(lm, request, answer, sampling, draws[i] if repeats > 1 else request.draw)
        for request, answer in answered
        for i in range(repeats)
    ]


def sample_raw(
    lm: LanguageModel,
    prompts: Sequence[tuple[str, str]],
    draws: range,
    sampling: Sampling,
    seed: int,
    purpose: str,
    packed: LlamaWeights | None = None,
    budget: int | None = None,
) -> list[tuple[Request, RawAnswer]]:
    """As ``sample``, but tokens and log probabilities, and greedy decoding repeated as asked."""
    encoded = [(example_id, lm.encode_prompt(prompt)) for example_id, prompt in prompts]
    requests = [
        Request(tuple(ids), min(sampling.max_new_tokens, lm.context - len(ids)), example_id, number)
        for example_id, ids in encoded
        for number in draws
    ]
    if not requests:
        return []
    uniform = streams(requests, sampling, seed, purpose)
    job = Job(requests, uniform, sampling, lm.eos_id, stop_check(lm, sampling.stop))
    return list(zip(requests, run(lm, job, packed, budget), strict=True))


def run(
    lm: LanguageModel, job: Job, packed: LlamaWeights | None = None, budget: int | None = None
) -> list[RawAnswer]:
    """Draw the answers of a job, in the order of its requests, by the fastest loop that can."""
    with torch.inference_mode():
        weights = packed if packed is not None else prepare(lm)
        if weights is None:
            return fallback.run_model(lm.model, job, budget)
        return run_packed(weights, job, budget)


def _completion(
    lm: LanguageModel, request: Request, answer: RawAnswer, sampling: Sampling, number: int
) -> Completion:
    if math.isnan(answer.logprob):
        raise InfrastructureError(
            f"the model's logits are not finite on example {request.example_id!r}: "
            "its training diverged or its weights are damaged"
        )
    stopped = answer.ids[-1:] == [lm.eos_id]
    ids = answer.ids[:-1] if stopped else answer.ids
    text = before_stop(lm, ids, sampling.stop)
    return Completion(
        example_id=request.example_id,
        draw=number,
        text=lm.decode(ids) if text is None else text,
        tokens_in=len(request.ids),
        tokens_out=len(answer.ids),
        finish_reason="stop" if stopped or text is not None else "length",
        logprob=answer.logprob,
    )


def score(
    lm: LanguageModel,
    items: Sequence[tuple[str, str]],
    packed: LlamaWeights | None = None,
    stopped: Sequence[bool] | None = None,
) -> FloatArray:
    """Log probability (n,) of each (prompt, completion): answer tokens and stop, nats.

    Completions are encoded from text, so a sampled answer whose tokens are not the tokenizer's
    own split of its text scores lower here than ``Completion.logprob`` says. Where ``stopped`` is
    given, the stop of an answer that did not end is left out.
    """
    pairs = [Pair(*map(tuple, lm.encode_pair(prompt, text))) for prompt, text in items]
    if stopped is not None:
        pairs = [
            pair
            if ended or len(pair.answer) < 2 or pair.answer[-1] != lm.eos_id
            # An answer keeps its first token: of nothing there is nothing to score.
            else Pair(pair.prompt, pair.answer[:-1])
            for pair, ended in zip(pairs, stopped, strict=True)
        ]
    with torch.inference_mode():
        weights = packed if packed is not None else prepare(lm)
        if weights is not None:
            return score_pairs(weights, pairs)
        scores = [fallback.score_pair(lm.model, list(p.prompt), list(p.answer)) for p in pairs]
    return np.array(scores, dtype=np.float64)
