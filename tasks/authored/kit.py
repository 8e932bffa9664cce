"""What an authored suite may do its own way: draw a record, need facts, err, and be judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rsft_bench.harness.types import Example, Json, Judgement, Split
from rsft_bench.tasks.authored.answer_key import answer_key
from rsft_bench.tasks.authored.bank import Bank, Family, Outcome
from rsft_bench.tasks.authored.grammar import conversation
from rsft_bench.tasks.authored.judge import judge_answer
from rsft_bench.tasks.authored.values import corrupt, draw_values, required

Values = Mapping[str, str]
Draw = Callable[[Bank, Family, Outcome, Split, np.random.Generator], dict[str, str]]
Required = Callable[[Outcome, Values], list[list[str]]]
Corrupt = Callable[[str, Values, Bank, Family, Split, np.random.Generator], dict[str, str]]
Facts = Callable[[Outcome, Values], dict[str, Json]]
Judge = Callable[[Example, str, frozenset[str]], Judgement]

Conversation = Callable[[str, Values, np.random.Generator, bool], str]
Key = Callable[[str, str, str], str]


def no_facts(outcome: Outcome, values: Values) -> dict[str, Json]:
    """Nothing beyond what every authored example has."""
    return {}


@dataclass(frozen=True, slots=True)
class Kit:
    """Functions over one example, each pure given its generator.

    ``draw`` fills the slots of a family, ``required`` gives the facts a right answer states,
    ``corrupt`` spoils one slot as a careless writer does, ``facts`` adds what the suite's own judge
    reads to ``Example.facts``, and ``judge`` scores a text; ``conversation`` writes a body as
    labelled lines, ``nothing`` is an empty record, ``language`` that of every text, and ``key``
    maps (suite, prompt, text) to what the text says. The defaults are those of ``order_status``.
    ``modules`` are the modules that define the others; they enter cache keys. Messages of the
    strata ``ungreeted`` get no "hello" and no "thanks".
    """

    draw: Draw = draw_values
    required: Required = required
    corrupt: Corrupt = corrupt
    facts: Facts = no_facts
    judge: Judge = judge_answer
    conversation: Conversation = conversation
    nothing: str = "none found"
    key: Key = answer_key
    language: str = "en"
    modules: tuple[str, ...] = ()
    ungreeted: frozenset[str] = frozenset()


DEFAULT_KIT = Kit()
