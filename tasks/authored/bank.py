"""Families, writers and entities of one authored suite, read from its YAML file.

The file is package data written by the authors; a fault in it is a programming error and raises
``ValueError`` naming the family.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, cast

import yaml

from rsft_bench.harness.types import SPLITS, Split


@dataclass(frozen=True, slots=True)
class Family:
    """A question body written on its own, with the policy nested in it.

    ``limits`` are the numbers the policy may state, ``asks`` what it may request; ``allowed`` and
    ``refused`` are record states of a status rule. ``rule`` is "", "status" or "hours".
    """

    family_id: str
    split: Split
    stratum: str
    body: str
    policy: str
    limits: tuple[int, ...]
    asks: tuple[str, ...]
    topic: str
    rule: str
    allowed: tuple[str, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stratum:
    """A decision kind: its outcomes, record labels by slot, and the states its records show."""

    name: str
    outcomes: tuple[str, ...]
    record: Mapping[str, tuple[str, ...]]
    status: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a right answer is, and how writers of each quality put it.

    ``decision`` is state, ask, affirm or decline; ``need`` names the slots a right answer states;
    ``ask`` what an ask outcome requests, and what any other must not request again.
    """

    name: str
    decision: str
    need: tuple[str, ...]
    topic: str
    ask: str
    apology: bool
    no_record: bool
    correct: tuple[str, ...]
    terse: tuple[str, ...]
    wrong_fact: tuple[str, ...]
    wrong_decision: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """What a decision is about: regex stems for the judge, phrases for writers."""

    stems: tuple[str, ...]
    act: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bank:
    """Everything authored for one suite. ``digest`` is 8 hex digits of the file."""

    name: str
    digest: str
    entities: Mapping[Split, Mapping[str, tuple[str, ...]]]
    remedies: tuple[str, ...]
    topics: Mapping[str, Topic]
    strata: Mapping[str, Stratum]
    outcomes: Mapping[str, Outcome]
    families: Mapping[Split, tuple[Family, ...]]
    over_promise: tuple[str, ...]
    rude: tuple[str, ...]
    places: frozenset[str]


def _names(raw: Any) -> tuple[str, ...]:
    """A list of names, or every pair of ``first`` and ``second`` joined by ``join``."""
    if isinstance(raw, dict):
        seconds = _texts(raw["second"])
        return tuple(f"{a}{raw['join']}{b}" for a in _texts(raw["first"]) for b in seconds)
    return _texts(raw)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(v) for v in value or ())


def _outcome(name: str, raw: Mapping[str, Any]) -> Outcome:
    return Outcome(
        name=name,
        decision=str(raw["decision"]),
        need=_texts(raw["need"]),
        topic=str(raw.get("topic", "")),
        ask=str(raw.get("ask", "")),
        apology=bool(raw.get("apology", False)),
        no_record=bool(raw.get("no_record", False)),
        correct=_texts(raw["correct"]),
        terse=_texts(raw["terse"]),
        wrong_fact=_texts(raw.get("wrong_fact")),
        wrong_decision=_texts(raw["wrong_decision"]),
    )


def _stratum(name: str, raw: Mapping[str, Any]) -> Stratum:
    record = {slot: _texts(labels) for slot, labels in raw["record"].items()}
    return Stratum(name, _texts(raw["outcomes"]), record, _texts(raw.get("status")))


def _family(number: int, split: Split, stratum: str, raw: Mapping[str, Any]) -> Family:
    unknown = set(raw) - {"q", "p", "n", "ask", "topic", "rule", "ok", "late"}
    if unknown:
        raise ValueError(f"family {number} ({split}/{stratum}) has unknown keys {sorted(unknown)}")
    return Family(
        family_id=f"f{number:02d}",
        split=split,
        stratum=stratum,
        body=str(raw["q"]),
        policy=str(raw["p"]),
        limits=tuple(int(n) for n in raw.get("n", ())),
        asks=_texts(raw.get("ask")),
        topic=str(raw.get("topic", "")),
        rule=str(raw.get("rule", "")),
        allowed=_texts(raw.get("ok")),
        refused=_texts(raw.get("late")),
    )


def _families(raw: Mapping[str, Any]) -> dict[Split, tuple[Family, ...]]:
    """Families in canonical order; ids count through the file, so a new family goes to its end."""
    number = 0
    out: dict[Split, tuple[Family, ...]] = {}
    for split in SPLITS:
        found: list[Family] = []
        for stratum, families in raw[split].items():
            for item in families:
                number += 1
                found.append(_family(number, split, stratum, item))
        out[split] = tuple(found)
    return out


@lru_cache(maxsize=32)
def load_bank(name: str) -> Bank:
    """The bank of ``tasks/data/<name>.yaml``; read once per process."""
    source = resources.files("rsft_bench.tasks").joinpath("data", f"{name}.yaml").read_bytes()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw = cast(dict[str, Any], yaml.load(source, Loader=loader))
    entities = {s: {k: _names(v) for k, v in raw["entities"][s].items()} for s in SPLITS}
    places = {
        word.lower()
        for split in SPLITS
        for kind in ("carrier", "city")
        for word in entities[split].get(kind, ())
    }
    return Bank(
        name=name,
        digest=hashlib.sha256(source).hexdigest()[:8],
        entities=entities,
        remedies=_texts(raw.get("remedies")),
        topics={
            k: Topic(_texts(v["stems"]), _texts(v.get("act"))) for k, v in raw["topics"].items()
        },
        strata={k: _stratum(k, v) for k, v in raw["strata"].items()},
        outcomes={k: _outcome(k, v) for k, v in raw["outcomes"].items()},
        families=_families(raw["families"]),
        over_promise=_texts(raw["over_promise"]),
        rude=_texts(raw["rude"]),
        places=frozenset(places),
    )
