"""Sampling answers from a language model and scoring given ones.

``sample`` draws one block; ``score`` returns log probabilities. Plain Llama models run in the
package's own loop, others through transformers' forward with the same results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rsft_bench.harness.errors import InfrastructureError
from rsft_bench.harness.policies.language_model import LanguageModel
from rsft_bench.harness.sampling import fallback
from rsft_bench.harness.sampling.llama import LlamaWeights, pack, packable
from rsft_bench.harness.sampling.loop import RawAnswer, Request, run_wave, streams
from rsft_bench.harness.sampling.scoring import Pair, score_pairs
from rsft_bench.harness.types import Completion, FloatArray, Sampling

__all__ = ["prepare", "sample", "score"]

# Rows that decode together: enough to keep one core's matrix products busy, 64 MiB at nano size.
WAVE_ROWS = 256


def prepare(lm: LanguageModel) -> LlamaWeights | None:
    """Pack the weights for repeated calls; None for models that only transformers can run.

    The result does not follow later changes to the model.
    """
    return pack(lm.model) if packable(lm.model) else None


def sample(
    lm: LanguageModel,
    prompts: Sequence[tuple[str, str]],
    draws: range,
    sampling: Sampling,
    seed: int,
    purpose: str,
    packed: LlamaWeights | None = None,
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

    Returns:
        Completions ordered by (prompt, draw); empty if there are no prompts or no draws.

    Raises:
        InfrastructureError: the model's logits are not finite.
    """
    encoded = [(example_id, lm.encode_prompt(prompt)) for example_id, prompt in prompts]
    computed = draws[:1] if sampling.temperature == 0 else draws
    requests = [
        Request(tuple(ids), min(sampling.max_new_tokens, lm.context - len(ids)), example_id, number)
        for example_id, ids in encoded
        for number in computed
    ]
    if not requests:
        return []
    with torch.inference_mode():
        weights = packed if packed is not None else prepare(lm)
        uniform = streams(requests, sampling, seed, purpose)
        answers: list[RawAnswer] = []
        for part in waves(len(requests), len(computed)):
            part_uniform = None if uniform is None else uniform[part]
            answers += _run(lm, weights, requests[part], part_uniform, sampling)
    repeats = len(draws) // len(computed)
    return [
        _completion(lm, request, answer, draws[i] if repeats > 1 else request.draw)
        for request, answer in zip(requests, answers, strict=True)
        for i in range(repeats)
    ]


def waves(rows: int, draws: int) -> list[slice]:
    """Cut ``rows`` into waves of whole prompts, near WAVE_ROWS each."""
    size = max(1, WAVE_ROWS // draws) * draws
    return [slice(start, start + size) for start in range(0, rows, size)]


def _run(
    lm: LanguageModel,
    weights: LlamaWeights | None,
    requests: Sequence[Request],
    uniform: Tensor | None,
    sampling: Sampling,
) -> list[RawAnswer]:
    if weights is None:
        return fallback.run_rows(lm.model, requests, uniform, sampling, lm.eos_id)
    return run_wave(weights, requests, uniform, sampling, lm.eos_id)


def _completion(lm: LanguageModel, request: Request, answer: RawAnswer, number: int) -> Completion:
    if math.isnan(answer.logprob):
        raise InfrastructureError(
            f"the model's logits are not finite on example {request.example_id!r}: "
            "its training diverged or its weights are damaged"
        )
    stopped = answer.ids[-1:] == [lm.eos_id]
    return Completion(
        example_id=request.example_id,
        draw=number,
        text=lm.decode(answer.ids[:-1] if stopped else answer.ids),
        tokens_in=len(request.ids),
        tokens_out=len(answer.ids),
        finish_reason="stop" if stopped else "length",
        logprob=answer.logprob,
    )


def score(
    lm: LanguageModel, items: Sequence[tuple[str, str]], packed: LlamaWeights | None = None
) -> FloatArray:
    """Log probability (n,) of each (prompt, completion): answer tokens and stop, nats.

    Completions are encoded from text, so a sampled answer whose tokens are not the tokenizer's
    own split of its text scores lower here than ``Completion.logprob`` says.
    """
    pairs = [Pair(*map(tuple, lm.encode_pair(prompt, text))) for prompt, text in items]
    with torch.inference_mode():
        weights = packed if packed is not None else prepare(lm)
        if weights is not None:
            return score_pairs(weights, pairs)
        scores = [fallback.score_pair(lm.model, list(p.prompt), list(p.answer)) for p in pairs]
    return np.array(scores, dtype=np.float64)
