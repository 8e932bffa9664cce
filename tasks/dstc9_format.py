"""Reader of DSTC9 Track 1 evaluation files: rated answers of several systems to the same turns.

Source: Kim et al. 2020, arXiv 2006.03533; github alexa/alexa-with-dstc9-track1-dataset. The
dialogues themselves (``logs.json``) are not read: the title of the gold document stands for the
customer's question and its body for the knowledge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json
from rsft_bench.tasks.recorded_answers import read_json

SUITE = "dstc9_track1"
RATED = ".human_eval.json"
ASPECTS = ("accuracy", "appropriateness")
LOWEST, HIGHEST = 1, 5
NOT_ASKED = "turn without a question to the knowledge"
NOT_RATED = "turn that not every system has rated answers to"
NO_DOCUMENT = "turn whose gold document is not in knowledge.json"
FEW_SYSTEMS = 2


@dataclass(frozen=True, slots=True)
class Turn:
    """One rated turn. ``answers`` and each aspect of ``ratings`` are in the order of systems."""

    number: int
    domain: str
    entity: str
    document: str
    name: str
    city: str
    question: str
    knowledge: str
    human: str
    answers: tuple[str, ...]
    ratings: Mapping[str, tuple[tuple[int, ...], ...]]


class Corpus(NamedTuple):
    """Rated turns, the systems in order, and what was left out by reason."""

    turns: tuple[Turn, ...]
    systems: tuple[str, ...]
    records: int
    n_files: int
    skipped: Mapping[str, int]


class Files(NamedTuple):
    """Where the parts of the data lie; ``systems`` by name: answers and their ratings."""

    knowledge: Path
    labels: Path
    systems: Mapping[str, tuple[Path, Path]]

    @property
    def all(self) -> list[Path]:
        """Every file."""
        return [self.knowledge, self.labels, *(f for pair in self.systems.values() for f in pair)]


def find_files(path: Path) -> Files:
    """Files by pattern. Raises DataError where a part is absent or fewer than two systems are."""
    if not path.is_dir():
        raise DataError(
            f"suite {SUITE}: no folder {str(path)!r}; set `path` to a copy of "
            "alexa/alexa-with-dstc9-track1-dataset"
        )
    pairs: dict[str, tuple[Path, Path]] = {}
    for ratings in sorted(path.rglob(f"*{RATED}")):
        answers = ratings.with_name(ratings.name.removesuffix(RATED) + ".json")
        if answers.is_file():
            pairs[f"{ratings.parent.name}/{answers.stem}"] = (answers, ratings)
    if len(pairs) < FEW_SYSTEMS:
        raise DataError(
            f"suite {SUITE}: {len(pairs)} systems with answers and *{RATED} below {str(path)!r}; "
            f"at least {FEW_SYSTEMS} are needed to choose among; set `path` to the folder that "
            "holds results/"
        )
    return Files(_one(path, "knowledge.json"), _one(path, "labels.json"), pairs)


def read_folder(path: Path) -> Corpus:
    """Turns that every system answered and people rated.

    Raises:
        DataError: as ``find_files``, or a file that is not what it claims.
    """
    files = find_files(path)
    labels = _list(files.labels, None)
    knowledge = read_json(files.knowledge, SUITE)
    if not isinstance(knowledge, dict):
        raise DataError(f"{files.knowledge}: expected an object of domains")
    answers = {n: _list(pair[0], len(labels)) for n, pair in files.systems.items()}
    ratings = {n: _list(pair[1], len(labels)) for n, pair in files.systems.items()}
    turns: list[Turn] = []
    skipped: Counter[str] = Counter()
    for i, label in enumerate(labels):
        where = f"{files.labels}: record {i}"
        if not isinstance(label, dict) or not isinstance(label.get("target"), bool):
            raise DataError(f"{where}: expected an object with 'target' true or false")
        if not label["target"]:
            skipped[NOT_ASKED] += 1
            continue
        rated = {n: _rated(ratings[n][i], f"{files.systems[n][1]}: record {i}") for n in ratings}
        if any(r is None for r in rated.values()):
            skipped[NOT_RATED] += 1
            continue
        texts = [_answer(answers[n][i], f"{files.systems[n][0]}: record {i}") for n in answers]
        turn = _turn(i, label, where, knowledge, texts, [r for r in rated.values() if r])
        if turn is None:
            skipped[NO_DOCUMENT] += 1
        else:
            turns.append(turn)
    counts = {reason: n for reason, n in skipped.items() if n}
    return Corpus(tuple(turns), tuple(files.systems), len(labels), len(files.all), counts)


def _one(path: Path, name: str) -> Path:
    found = sorted(path.rglob(name))
    if len(found) != 1:
        raise DataError(
            f"suite {SUITE}: {len(found)} files {name} below {str(path)!r}, one is needed; set "
            "`path` to upstream's folder"
        )
    return found[0]


def _list(path: Path, size: int | None) -> list[Json]:
    found = read_json(path, SUITE)
    if not isinstance(found, list) or not found:
        raise DataError(f"{path}: expected a list of records, one a turn")
    if size is not None and len(found) != size:
        raise DataError(
            f"{path}: {len(found)} records where labels.json has {size}; both must be of one test "
            "set in one order"
        )
    return found


def _rated(record: Json, where: str) -> dict[str, tuple[int, ...]] | None:
    if record is None:
        return None
    if not isinstance(record, dict) or not all(_numbers(record.get(a)) for a in ASPECTS):
        raise DataError(
            f"{where}: expected null or lists {' and '.join(ASPECTS)} of whole numbers from "
            f"{LOWEST} to {HIGHEST}"
        )
    return {aspect: tuple(record[aspect]) for aspect in ASPECTS}


def _numbers(value: Json) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(type(x) is int and LOWEST <= x <= HIGHEST for x in value)
    )


def _answer(record: Json, where: str) -> str:
    text = record.get("response") if isinstance(record, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{where}: rated, but without a text 'response'")
    return " ".join(text.split())


def _turn(
    number: int,
    label: Mapping[str, Json],
    where: str,
    knowledge: Mapping[str, Json],
    texts: Sequence[str],
    rated: Sequence[Mapping[str, tuple[int, ...]]],
) -> Turn | None:
    """None where the gold document is absent."""
    try:
        gold = label["knowledge"][0]
        domain, entity, document = (str(gold[k]) for k in ("domain", "entity_id", "doc_id"))
        human = str(label["response"])
    except (KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"{where}: expected 'response' and 'knowledge' with domain, entity_id and doc_id"
        ) from error
    try:
        place = knowledge[domain][entity]
        found = place["docs"][document]
        question, body = str(found["title"]), str(found["body"])
    except (KeyError, TypeError):
        return None
    sizes = {len(r[aspect]) for r in rated for aspect in ASPECTS}
    if len(sizes) > 1:
        raise DataError(f"{where}: answers rated by different numbers of people: {sorted(sizes)}")
    return Turn(
        number,
        domain,
        entity,
        document,
        str(place.get("name") or domain),
        str(place.get("city") or ""),
        " ".join(question.split()),
        " ".join(body.split()),
        " ".join(human.split()),
        tuple(texts),
        {aspect: tuple(r[aspect] for r in rated) for aspect in ASPECTS},
    )
