"""Prompts that list their answers, and the mass that training sets put on each of them.

A line ``Context: NAME`` names what is asked, a line ``Choices: A | B | C`` its closed set of
answers.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.policies.exact import mass_of
from rsft_bench.harness.types import FloatArray, WeightedSet

CONTEXT = re.compile(r"^Context:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
CHOICES = re.compile(r"^Choices:[ \t]*(\S.*)$", re.MULTILINE)
SEPARATOR = "|"


class Question(NamedTuple):
    """What a prompt asks the table: the row's name and its answers in the prompt's order."""

    context: str
    answers: tuple[str, ...]


@functools.lru_cache(maxsize=65536)
def read_prompt(prompt: str) -> Question:
    """The context and the choices of a prompt; where a line stands twice the last one counts.

    Raises:
        DataError: a line is missing, or the choices are fewer than two or not distinct.
    """
    contexts, listed = CONTEXT.findall(prompt), CHOICES.findall(prompt)
    if not contexts or not listed:
        raise DataError(
            "policy 'categorical' needs the lines 'Context: NAME' and 'Choices: A | B' in every "
            f"prompt; this one has none: {prompt[:60]!r}; use suite synthetic_choices"
        )
    answers = _distinct(listed[-1])
    if answers is None:
        raise DataError(f"context {contexts[-1]!r}: choices must be two or more distinct texts")
    return Question(contexts[-1], answers)


@functools.lru_cache(maxsize=65536)
def read_choices(prompt: str) -> tuple[str, ...]:
    """The choices of a prompt in its order; no context is asked for. The last such line counts.

    Raises:
        DataError: there is none, or the choices are fewer than two or not distinct.
    """
    listed = CHOICES.findall(prompt)
    answers = _distinct(listed[-1]) if listed else None
    if answers is None:
        raise DataError(
            "a policy that selects needs a line 'Choices: A | B' of two or more distinct answers "
            f"in every prompt; this one has none: {prompt[:60]!r}; use suite intent_routing"
        )
    return answers


def _distinct(listed: str) -> tuple[str, ...] | None:
    """The answers of a line of choices; None where they are too few, empty or not distinct."""
    answers = tuple(choice.strip() for choice in listed.split(SEPARATOR))
    usable = len(answers) >= 2 and len(set(answers)) == len(answers) and "" not in answers
    return answers if usable else None


class Table(NamedTuple):
    """One row: answers and their probabilities (m,)."""

    answers: tuple[str, ...]
    probabilities: FloatArray


def masses(sets: Sequence[WeightedSet]) -> tuple[dict[str, Question], dict[str, FloatArray]]:
    """What each context was asked, and the mass of its answers over all sets, by context."""
    asked: dict[str, Question] = {}
    mass: dict[str, FloatArray] = {}
    for item in sets:
        places: dict[str, list[int]] = {}
        weights: dict[str, list[float]] = {}
        for row in item.rows:
            question = asked.setdefault(read_prompt(row.prompt).context, read_prompt(row.prompt))
            if row.completion.strip() not in question.answers:
                raise DataError(
                    f"training set {item.name!r}, example {row.example_id!r}: the answer "
                    f"{row.completion[:60]!r} is none of the prompt's choices"
                )
            places.setdefault(question.context, []).append(
                question.answers.index(row.completion.strip())
            )
            weights.setdefault(question.context, []).append(row.weight)
        for context, found in places.items():
            size = len(asked[context].answers)
            more = mass_of(found, weights[context], item.coefficient, size)
            mass[context] = mass.get(context, np.zeros(size)) + more
    return asked, mass
