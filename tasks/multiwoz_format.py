"""Reader of MultiWOZ 2.x files as ConvLab carries them; no scoring, no splitting.

Source: Budzianowski et al. 2018, Eric et al. 2019; github ConvLab/ConvLab-3, data/multiwoz. The
texts are tokenised upstream ("john 's college ."); here spaces before marks and clitics are closed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json, Split
from rsft_bench.tasks.grounded.records import dialogues, side_files
from rsft_bench.tasks.reading import need, read_json

STEMS: tuple[tuple[str, Split], ...] = (("train", "train"), ("val", "select"), ("test", "confirm"))
WANTED = "a copy of ConvLab/ConvLab-3 data/multiwoz"
NO_VALUE = frozenset(
    ("", "?", "none", "dontcare", "do n't care", "do not care", "not mentioned", "not given")
)
_CLITIC = re.compile(r"(?<=\w) (?='(?:s|re|ve|ll|d|m|t)\b)|(?<=\w) (?=n't\b)", re.IGNORECASE)
_MARK = re.compile(r" +(?=[.,!?;:)](?:\s|$))|(?<=\() +")


class Act(NamedTuple):
    """One pair of a dialogue act: ``Hotel``, ``Inform``, ``Area``, ``north`` ("" for no value)."""

    domain: str
    act: str
    slot: str
    value: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance. ``state`` holds the belief state's and the bookings' values (system only).

    ``booked`` are the fields of what is booked by domain in lower case.
    """

    customer: bool
    text: str
    acts: tuple[Act, ...]
    state: tuple[str, ...]
    booked: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """``domains`` are those that acts of either speaker name, sorted."""

    dialogue_id: str
    side: Split
    domains: tuple[str, ...]
    turns: tuple[Turn, ...]


class Folder(NamedTuple):
    """Dialogues, entities by domain in lower case, and files read."""

    dialogues: tuple[Dialogue, ...]
    entities: Mapping[str, tuple[Mapping[str, str], ...]]
    n_files: int


def folder_files(folder: Path) -> list[Path]:
    """The dialogue files and databases of a folder. Raises DataError without a dialogue file."""
    return [f for f, _ in side_files(folder, STEMS, WANTED)] + _databases(folder)


def read_folder(folder: Path) -> Folder:
    """Read every file of ``folder_files``. Raises DataError at the first fault."""
    sides = side_files(folder, STEMS, WANTED)
    databases = _databases(folder)
    entities = {f.name.removesuffix("_db.json"): _entities(f) for f in databases}
    found = dialogues(sides, "suite multiwoz", _dialogue)
    return Folder(found, entities, len(sides) + len(databases))


def plain(text: str) -> str:
    """A tokenised text as it is written: "john 's college ." becomes "john's college."."""
    return _MARK.sub("", _CLITIC.sub("", " ".join(text.split())))


def _databases(folder: Path) -> list[Path]:
    return sorted(f for f in (folder / "db").glob("*_db.json") if f.is_file())


def _entities(file: Path) -> tuple[Mapping[str, str], ...]:
    records = read_json(file, "suite multiwoz")
    if isinstance(records, dict):  # taxi: colours and types, no entity
        return ()
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise DataError(f"{file}: expected a list of objects")
    return tuple({k: v for k, v in r.items() if isinstance(v, str) and v} for r in records)


def _dialogue(name: str, record: Json, side: Split, where: str) -> Dialogue:
    log = need(record, "log", list, where)
    turns = tuple(_turn(t, i % 2 == 0, f"{where} turn {i}") for i, t in enumerate(log))
    named = {a.domain for t in turns for a in t.acts}
    return Dialogue(name, side, tuple(sorted(named - {"general", "Booking"})), turns)


def _turn(record: Json, customer: bool, where: str) -> Turn:
    acts = need(record, "dialog_act", dict, where)
    found = tuple(a for name, pairs in acts.items() for a in _acts(name, pairs, where))
    metadata = need(record, "metadata", dict, where)
    state: list[str] = []
    booked: dict[str, dict[str, str]] = {}
    for domain, body in metadata.items():
        rows = need(need(body, "book", dict, where), "booked", list, where)
        for row in rows:
            if not isinstance(row, dict):
                raise DataError(f"{where}: 'booked' must hold objects")
            booked[domain] = {k: v for k, v in row.items() if isinstance(v, str)}
        for part in ("semi", "book"):
            state += [v for v in need(body, part, dict, where).values() if isinstance(v, str)]
    text = plain(need(record, "text", str, where))
    return Turn(customer, text, found, tuple(state), booked)


def _acts(name: str, pairs: Json, where: str) -> list[Act]:
    domain, dash, act = name.partition("-")
    usable = isinstance(pairs, list) and all(
        isinstance(p, list) and len(p) == 2 and all(isinstance(x, str) for x in p) for p in pairs
    )
    if not dash or not usable:
        raise DataError(
            f"{where}: act {name!r} must be 'Domain-Act' with a list of [slot, value] strings"
        )
    return [Act(domain, act, _none(slot), plain(_none(value))) for slot, value in pairs]


def _none(text: str) -> str:
    return "" if text.strip().lower() in NO_VALUE else text
