"""Policies whose law is over the answers that a prompt lists: drawing, and looking up. No torch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.policies.choices import read_choices
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


class ClosedSet(ABC):
    """A classifier of prompts that all list the same answers, in any order."""

    @abstractmethod
    def known_answers(self) -> tuple[str, ...] | None:
        """The answers, sorted, that it was fitted on; None before."""

    @abstractmethod
    def laws(self, prompts: Sequence[str]) -> list[ListedLaw]:
        """The answers of each prompt, sorted, and their probabilities (m,) at temperature 1."""

    def law(self, prompt: str) -> ListedLaw:
        """One of ``laws``.

        Raises:
            DataError: the prompt lists no choices, or others than the policy was fitted on.
        """
        return self.laws([prompt])[0]

    def answers(self, prompt: str) -> tuple[str, ...]:
        """The answers of a prompt, sorted. Raises DataError as ``law``."""
        found, known = tuple(sorted(read_choices(prompt))), self.known_answers()
        if known is not None and found != known:
            raise DataError(
                f"a prompt lists other choices than the classifier was fitted on: {prompt[:60]!r}; "
                "give every prompt the same closed set of answers"
            )
        return found

    def place(self, prompt: str, completion: str) -> int:
        """Index of an answer among those of its prompt. Raises DataError where it is none."""
        answers = self.answers(prompt)
        if completion.strip() not in answers:
            raise DataError(f"the answer {completion[:60]!r} is none of its prompt's choices")
        return answers.index(completion.strip())

    def logprob(self, prompt: str, text: str) -> float:
        """Exact log p(text | prompt) in nats; -inf for what is no choice or never said."""
        return listed_logprob(self.law(prompt), text)

    def sample(
        self,
        prompts: Sequence[tuple[str, str]],
        draws: range,
        sampling: Sampling,
        seed: int,
        purpose: str,
    ) -> list[Completion]:
        """One keyed uniform number an answer, see ``draw_listed``."""
        laws = self.laws([prompt for _, prompt in prompts])
        return draw_listed(prompts, laws, draws, sampling, seed, purpose)

    def answer_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words, punctuation marks and one stop of each answer."""
        return [count_tokens(text) + 1 for text in texts]


def check_closed(policy: str, prompts: Sequence[str]) -> None:
    """Raise DataError where a prompt lists no choices, or not those of the first."""
    listed = {tuple(sorted(read_choices(prompt))) for prompt in prompts}
    if len(listed) > 1:
        raise DataError(
            f"policy {policy!r} has one closed set of answers, and the prompts list "
            f"{len(listed)}; use suite intent_routing or policy categorical"
        )
