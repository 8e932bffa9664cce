"""Reader of CrossWOZ files in upstream's layout; no scoring, no splitting.

Source: Zhu et al. 2020 (TACL 8); github thu-coai/CrossWOZ, data/crosswoz.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json, Split
from rsft_bench.tasks.grounded.records import dialogues, side_files
from rsft_bench.tasks.reading import need

STEMS: tuple[tuple[str, Split], ...] = (("train", "train"), ("val", "select"), ("test", "confirm"))
WANTED = "a copy of thu-coai/CrossWOZ data/crosswoz"


class Act(NamedTuple):
    """``Inform``, ``餐馆``, ``人均消费``, ``75元``; slot and value "" where there is none."""

    act: str
    domain: str
    slot: str
    value: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. ``selected`` names the chosen entities by domain; ``state`` its constraints.

    Both empty in the customer's messages.
    """

    customer: bool
    text: str
    acts: tuple[Act, ...]
    selected: Mapping[str, tuple[str, ...]]
    state: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """``domains`` are those that acts of either speaker name, sorted."""

    dialogue_id: str
    side: Split
    domains: tuple[str, ...]
    turns: tuple[Turn, ...]


def folder_files(folder: Path) -> list[Path]:
    """The dialogue files of a folder. Raises DataError where there is none."""
    return [file for file, _ in side_files(folder, STEMS, WANTED)]


def read_folder(folder: Path) -> tuple[tuple[Dialogue, ...], int]:
    """Dialogues, and the number of files read. Raises DataError at the first fault."""
    files = side_files(folder, STEMS, WANTED)
    return dialogues(files, "suite crosswoz", _dialogue), len(files)


def _dialogue(name: str, record: Json, side: Split, where: str) -> Dialogue:
    messages = need(record, "messages", list, where)
    turns = tuple(_turn(m, f"{where} message {i}") for i, m in enumerate(messages))
    named = {a.domain for t in turns for a in t.acts if a.act != "General"}
    return Dialogue(name, side, tuple(sorted(named)), turns)


def _turn(record: Json, where: str) -> Turn:
    role = need(record, "role", str, where)
    if role not in ("usr", "sys"):
        raise DataError(f"{where}: 'role' is {role!r}, expected usr or sys")
    acts = tuple(_act(a, where) for a in need(record, "dialog_act", list, where))
    text = " ".join(need(record, "content", str, where).split())
    selected: dict[str, tuple[str, ...]] = {}
    state: list[str] = []
    if role == "sys":
        for domain, body in need(record, "sys_state", dict, where).items():
            names = need(body, "selectedResults", list, where)
            selected[domain] = tuple(n for n in names if isinstance(n, str))
            state += [v for v in body.values() if isinstance(v, str)]
    return Turn(role == "usr", text, acts, selected, tuple(state))


def _act(record: Json, where: str) -> Act:
    if (
        not isinstance(record, list)
        or len(record) != 4
        or not all(isinstance(x, str) for x in record)
    ):
        raise DataError(f"{where}: an act must be [intent, domain, slot, value], all strings")
    act, domain, slot, value = ("" if x.strip() == "none" else x.strip() for x in record)
    return Act(act, domain, slot, value)
