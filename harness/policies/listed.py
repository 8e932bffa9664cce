"""Drawing from, and looking up in, the law over the answers that a prompt lists. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from rsft_bench.harness.policies.counting import count_tokens
from rsft_bench.harness.policies.exact import inverse_cdf, reshaped
from rsft_bench.harness.seeding import uniforms
from rsft_bench.harness.types import Completion, FloatArray, Sampling

#: A prompt's answers and their probabilities (m,) at temperature 1.
ListedLaw: TypeAlias = tuple[tuple[str, ...], FloatArray]


def draw_listed(
    prompts: Sequence[tuple[str, str]],
    laws: Sequence[ListedLaw],
    draws: range,
    sampling: Sampling,
    seed: int,
    purpose: str,
) -> list[Completion]:
    """Inverse CDF of one keyed uniform number an answer, ordered by (prompt, draw).

    An answer is one draw: ``max_new_tokens`` and ``stop`` cut nothing, and every answer ends.

    Args:
        prompts: (example_id, prompt) pairs.
        laws: of each prompt.
        draws: draw numbers.
        sampling: how the laws are reshaped, see ``exact.reshaped``.
        seed: with ``purpose``, ``example_id`` and draw it fixes the number.
        purpose: name of the random stream.
    """
    rows = []
    for (example_id, prompt), (answers, law) in zip(prompts, laws, strict=True):
        numbers = [uniforms(seed, purpose, example_id, one, 1)[0] for one in draws]
        drawn = inverse_cdf(reshaped(law, sampling), np.array(numbers))
        rows += [
            Completion(
                example_id=example_id,
                draw=one,
                text=answers[i],
                tokens_in=count_tokens(prompt),
                tokens_out=count_tokens(answers[i]) + 1,
                finish_reason="stop",
                logprob=math.log(law[i]),
            )
            for one, i in zip(draws, drawn, strict=True)
        ]
    return rows


def listed_logprob(listed: ListedLaw, text: str) -> float:
    """Exact log p(text) in nats, outer spaces aside; -inf for what is no answer or never said."""
    answers, law = listed
    wanted = text.strip()
    p = float(law[answers.index(wanted)]) if wanted in answers else 0.0
    return math.log(p) if p > 0 else -math.inf
