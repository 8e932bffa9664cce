"""What nano's generators can write, no suite uses as an item or as D's right answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from types import ModuleType
from typing import Any

import pytest

from rsft_bench.harness.policies.nano_training import (
    chatter,
    decisions,
    document,
    domains,
    lookups,
    phrases,
    records,
    shop,
    words,
)
from rsft_bench.tasks.authored.bank import load_bank

NOUNS, ADJECTIVES = frozenset(words.NOUNS), frozenset(words.ADJECTIVES)
WRITERS: tuple[ModuleType, ...] = (
    *(chatter, decisions, document, domains, lookups, phrases, records, shop),
)
SUITES = pytest.mark.parametrize(
    "name",
    [
        "order_status",
        "returns_refunds",
        "billing",
        "tech_support",
        "account_multi_turn",
        "escalation_safety",
    ],
)
SHORT = 2


def can_be_built(name: str) -> bool:
    """As ``draw.thing``: at most (adjective) (adjective or noun) noun; made-up words aside."""
    parts = name.split()
    allowed = (ADJECTIVES, ADJECTIVES | NOUNS, NOUNS)[-len(parts) :]
    return len(parts) <= 3 and all(p in a for p, a in zip(parts, allowed, strict=True))


def skeleton(sentence: str) -> str:
    """Words of a sentence with slots as ``#``; "please" and marks aside."""
    low = re.sub(r"\{\w+\}", "#", sentence.lower())
    return " ".join(w for w in re.findall(r"[#a-z']+", low) if w != "please")


def sentences(text: str) -> list[str]:
    return [skeleton(part) for part in re.split(r"(?<=[.!?;])\s|\n|\|", text)]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part)


def expand(template: str) -> list[str]:
    """All wordings of a ``[a|b]`` template."""
    pieces = re.split(r"\[([^\]]*)\]", template)
    options = [p.split("|") if i % 2 else [p] for i, p in enumerate(pieces)]
    return ["".join(parts) for parts in product(*options)]


def test_the_helpers_see_what_they_should() -> None:
    assert can_be_built("purple printer")
    assert can_be_built("small toy guitar")
    assert not can_be_built("purple label maker")
    assert skeleton("What is your {k}, please?") == "what is your #"
    assert expand("[a|b] {x}") == ["a {x}", "b {x}"]


@SUITES
def test_no_entity_of_a_suite_can_be_built_from_the_generators_words(name: str) -> None:
    for split, kinds in load_bank(name).entities.items():
        for kind, values in kinds.items():
            built = [v for v in values if can_be_built(v.lower().removeprefix("a "))]
            assert not built, (split, kind, built)


@SUITES
def test_no_right_answer_holds_a_sentence_of_the_pretraining_writers(name: str) -> None:
    known = {
        sentence
        for module in WRITERS
        for value in vars(module).values()
        for text in texts(value)
        for sentence in sentences(text)
    }
    assert {"what is your #", "happy to help"} <= known
    for outcome in load_bank(name).outcomes.values():
        for template in outcome.correct:
            for text in expand(template):
                same = [s for s in sentences(text) if len(s.split()) > SHORT and s in known]
                assert not same, (outcome.name, text)
