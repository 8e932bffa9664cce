"""Reader of Schema-Guided Dialogue files in upstream's layout; no scoring, no splitting.

Source: Rastogi et al. 2020, arXiv 1909.05855; github google-research-datasets/
dstc8-schema-guided-dialogue, README section "Dialogue Representation". Kernel imports only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json, Split
from rsft_bench.tasks.grounded.records import strings, texts
from rsft_bench.tasks.reading import need, read_json

PATTERN = "dialogues_*.json"
# Files that lie in the folder itself are one undivided side, read as training data.
SIDES: tuple[tuple[str, Split], ...] = (
    ("train", "train"),
    ("dev", "select"),
    ("test", "confirm"),
    ("", "train"),
)


@dataclass(frozen=True, slots=True)
class Action:
    """One dialogue act. ``canonical`` is as long as ``values``; the values themselves if absent."""

    act: str
    slot: str
    values: tuple[str, ...]
    canonical: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """What a turn does for one service. ``results`` is empty where a call found nothing.

    ``call`` is None where none was made.
    """

    service: str
    actions: tuple[Action, ...]
    call: Mapping[str, str] | None
    results: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance; ``frames`` of USER turns are left empty, nothing here needs them."""

    speaker: str
    utterance: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """``side`` is the folder it came from, named as the split that this folder serves."""

    dialogue_id: str
    side: Split
    services: tuple[str, ...]
    turns: tuple[Turn, ...]


class Corpus(NamedTuple):
    """All dialogues of a folder and the number of files they came from."""

    dialogues: tuple[Dialogue, ...]
    n_files: int


def read_folder(path: Path) -> Corpus:
    """Read every file of ``dialogue_files``.

    Raises:
        DataError: no such folder, no matching file, or a malformed file (first fault found).
    """
    files = dialogue_files(path)
    found: dict[tuple[Split, str], Dialogue] = {}
    for file, side in files:
        for dialogue in _read_file(file, side):
            key = (side, dialogue.dialogue_id)
            if key in found:
                raise DataError(f"{file}: dialogue {dialogue.dialogue_id!r} occurs twice")
            found[key] = dialogue
    return Corpus(tuple(found.values()), len(files))


def dialogue_files(path: Path) -> list[tuple[Path, Split]]:
    """Every ``dialogues_*.json`` under train/, dev/, test/, or else in the folder itself.

    Raises:
        DataError: no such folder, or no matching file.
    """
    if not path.is_dir():
        raise DataError(
            f"suite sgd: no folder {str(path)!r}; set `path` to a copy of "
            "google-research-datasets/dstc8-schema-guided-dialogue"
        )
    files = [(f, side) for name, side in SIDES[:-1] for f in _files(path / name)]
    files = files or [(f, SIDES[-1][1]) for f in _files(path)]
    if not files:
        raise DataError(
            f"suite sgd: no {PATTERN} in {str(path)!r} or its train/, dev/, test/ folders; "
            "set `path` to the folder that holds them"
        )
    return files


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.glob(PATTERN) if f.is_file())


def _read_file(file: Path, side: Split) -> list[Dialogue]:
    records = read_json(file, "suite sgd")
    if not isinstance(records, list):
        raise DataError(f"{file}: expected a list of dialogues, found {type(records).__name__}")
    return [_dialogue(r, f"{file}: dialogue {i}", side) for i, r in enumerate(records)]


def _dialogue(record: Json, where: str, side: Split) -> Dialogue:
    name = need(record, "dialogue_id", str, where)
    where = f"{where} ({name})"
    turns = need(record, "turns", list, where)
    return Dialogue(
        dialogue_id=name,
        side=side,
        services=tuple(sorted(set(strings(record, "services", where)))),
        turns=tuple(_turn(t, f"{where} turn {i}") for i, t in enumerate(turns)),
    )


def _turn(record: Json, where: str) -> Turn:
    speaker = need(record, "speaker", str, where)
    if speaker not in ("USER", "SYSTEM"):
        raise DataError(f"{where}: 'speaker' is {speaker!r}, expected USER or SYSTEM")
    utterance = " ".join(need(record, "utterance", str, where).split())
    frames = need(record, "frames", list, where)
    read = frames if speaker == "SYSTEM" else []
    return Turn(speaker, utterance, tuple(_frame(f, where) for f in read))


def _frame(record: Json, where: str) -> Frame:
    service = need(record, "service", str, where)
    where = f"{where} frame {service}"
    actions = tuple(_action(a, where) for a in need(record, "actions", list, where))
    call: Mapping[str, str] | None = None
    if "service_call" in record:
        body = need(record, "service_call", dict, where)
        call = texts(need(body, "parameters", dict, where), where)
    results = need(record, "service_results", list, where) if "service_results" in record else []
    for result in results:
        if not isinstance(result, dict):
            raise DataError(f"{where}: 'service_results' must hold objects")
    return Frame(service, actions, call, tuple(texts(r, where) for r in results))


def _action(record: Json, where: str) -> Action:
    values = strings(record, "values", where)
    canonical = values
    if "canonical_values" in record:
        canonical = strings(record, "canonical_values", where)
    if len(canonical) != len(values):
        canonical = values
    act, slot = need(record, "act", str, where), need(record, "slot", str, where)
    return Action(act, slot, values, canonical)
