"""The messages of suite ``intent_routing``: intents, parts, and families of combinations."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import yaml

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import SPLITS, TEST_SPLITS, Json, Split

FAMILIES: Mapping[Split, int] = dict(zip(SPLITS, (12, 12, 12, 30, 30), strict=True))


class Intent(NamedTuple):
    """What a customer can want; ``near`` names the intent that it is mistaken for."""

    name: str
    near: str
    stratum: str
    answer: str
    events: tuple[str, ...]
    wishes: tuple[str, ...]


class Family(NamedTuple):
    """A cluster: its frame and, for each intent, the places of its subject, event and wish.

    ``bridge`` leads to the second intent of a twofold message.
    """

    name: str
    opening: str
    closing: str
    bridge: str
    parts: Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Bank:
    """The data file, its families by split, the choices in the order prompts list them."""

    intents: Mapping[str, Intent]
    subjects: tuple[str, ...]
    items: Mapping[Split, tuple[str, ...]]
    families: Mapping[Split, tuple[Family, ...]]
    choices: tuple[str, ...]
    digest: str


@lru_cache(maxsize=1)
def load_bank() -> Bank:
    """Read the packaged data file."""
    text = (resources.files("rsft_bench.tasks") / "data/intent_routing.yaml").read_text("utf-8")
    raw = yaml.safe_load(text)
    intents = {
        name: Intent(
            name=name,
            near=str(entry["near"]),
            stratum=str(entry["stratum"]),
            answer=str(entry["answer"]),
            events=tuple(entry["events"]),
            wishes=tuple(entry["wishes"]),
        )
        for name, entry in raw["intents"].items()
    }
    answers = [intent.answer for intent in intents.values()]
    order = stream(0, "intent-routing/choices").permutation(len(answers))
    return Bank(
        intents=intents,
        subjects=tuple(raw["subjects"]),
        items={split: tuple(raw["items"][split]) for split in SPLITS},
        families=_families(raw, intents),
        choices=tuple(answers[int(i)] for i in order),
        digest=hashlib.sha256(text.encode()).hexdigest()[:8],
    )


def _families(
    raw: Mapping[str, Json], intents: Mapping[str, Intent]
) -> dict[Split, tuple[Family, ...]]:
    """Frames dealt in a fixed order; test families take any part, the others no new one."""
    frames = list(itertools.product(raw["openings"], raw["closings"]))
    order = stream(0, "intent-routing/frames").permutation(len(frames))
    bridges = raw["bridges"]
    numbered = iter(
        [(f"f{n:02}", *frames[int(i)], bridges[n % len(bridges)]) for n, i in enumerate(order)]
    )
    seen = {name: _combinations(name, intent, raw, raw["new"]) for name, intent in intents.items()}
    every = {name: _combinations(name, intent, raw, 0) for name, intent in intents.items()}
    taken: dict[str, set[tuple[int, int, int]]] = {name: set() for name in intents}

    def deal(split: Split) -> Family:
        frame = next(numbered)
        left = every if split in TEST_SPLITS else seen
        parts = {}
        for name in intents:
            parts[name] = next(c for c in left[name] if c not in taken[name])
            taken[name].add(parts[name])
        return Family(*frame, parts)

    return {split: tuple(deal(split) for _ in range(FAMILIES[split])) for split in SPLITS}


def _combinations(
    name: str, intent: Intent, raw: Mapping[str, Json], without: int
) -> Iterator[tuple[int, int, int]]:
    """Places of (subject, event, wish), all of them in a keyed order, the last ones left out."""
    subjects, events, wishes = (
        range(size - without)
        for size in (len(raw["subjects"]), len(intent.events), len(intent.wishes))
    )
    every = list(itertools.product(subjects, events, wishes))
    order = stream(0, "intent-routing/parts", name, without).permutation(len(every))
    return iter([every[int(i)] for i in order])


def message(bank: Bank, family: Family, intent: Intent, item: str, twofold: bool) -> str:
    """What the customer writes of ``item``; twofold, the near intent's event follows."""
    subject, event, wish = family.parts[intent.name]
    more = ""
    if twofold:
        _, other, _ = family.parts[intent.near]
        more = f" {family.bridge} {bank.intents[intent.near].events[other]}."
    return (
        f"{family.opening} {bank.subjects[subject].format(item=item)} "
        f"{intent.events[event]}, {intent.wishes[wish]}{family.closing}{more}"
    )
