"""Reader of satisfaction ratings: User Satisfaction Simulation (USS) text files, SGD part.

One line a turn, tab-separated: role, text, action, ratings; blank lines part sessions. Ratings of 1
to 5 by several annotators stand on the customer's lines and were given for the dialogue *before*
that line (Sun et al. 2021, arXiv 2105.03748, section 3.2): they rate the answer before it. The line
``USER OVERALL`` rates the whole dialogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rsft_bench.harness.errors import DataError

MOST = 5
"""Highest rating; the lowest is 1."""
HISTORY = 4
"""Turns before an answer that its prompt shows; a customer's line and what came before it."""
OVERALL = "OVERALL"
FIRST = "customer's line without an answer before it"
WHOLE = "rating of a whole dialogue"
NAMES = ("SGD.txt", "MWOZ.txt", "ReDial.txt", "CCPE.txt")
MAX_BYTES = 200 * 2**20
ROLES = {"USER": "Customer", "SYSTEM": "Agent"}


@dataclass(frozen=True, slots=True)
class Rated:
    """One rated answer. ``session`` counts sessions, ``line`` is that of the answer in the file."""

    session: int
    line: int
    prompt: str
    text: str
    ratings: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Mean rating, 1 to 5."""
        return sum(self.ratings) / len(self.ratings)

    @property
    def vote(self) -> int:
        """The rating most annotators gave; the lowest of a tie, as upstream's code has it."""
        counts = [self.ratings.count(value) for value in range(1, MOST + 1)]
        return counts.index(max(counts)) + 1


class Ratings(NamedTuple):
    """Rated answers in file order, the number of rated lines, and what was left out by reason."""

    answers: tuple[Rated, ...]
    records: int
    skipped: Mapping[str, int]


class _Line(NamedTuple):
    number: int
    role: str
    text: str
    ratings: tuple[int, ...]


def find_ratings(path: Path) -> Path:
    """The file of ratings; a folder holds one by upstream's name. Raises DataError: none."""
    if path.is_file():
        return path
    found = [path / name for name in NAMES if (path / name).is_file()]
    if not found:
        raise DataError(
            f"satisfaction ratings: no file {str(path)!r} and no {', '.join(NAMES)} in it; set the "
            "path to dataset/SGD.txt of sunnweiwei/user-satisfaction-simulation"
        )
    return found[0]


def read_ratings(path: Path) -> Ratings:
    """Every answer that a rated line of the customer follows.

    Raises:
        DataError: the first line that is not what upstream's format says, or no rated answer.
    """
    file = find_ratings(path)
    answers: list[Rated] = []
    skipped: Counter[str] = Counter()
    records = 0
    for session, lines in enumerate(_sessions(file)):
        for i, line in enumerate(lines):
            if not line.ratings:
                continue
            records += 1
            if line.text == OVERALL:
                skipped[WHOLE] += 1
            elif i == 0 or lines[i - 1].role != "SYSTEM":
                skipped[FIRST] += 1
            else:
                before = lines[max(0, i - 1 - HISTORY) : i - 1]
                answer = lines[i - 1]
                answers.append(
                    Rated(session, answer.number, _prompt(before), answer.text, line.ratings)
                )
    if not answers:
        raise DataError(
            f"{file}: no rated answer; expected lines 'USER<tab>text<tab>act<tab>3,3,4'"
        )
    return Ratings(tuple(answers), records, dict(skipped))


def _prompt(before: Sequence[_Line]) -> str:
    return "\n".join([*(f"{ROLES[b.role]}: {b.text}" for b in before), "Agent:"])


def _sessions(file: Path) -> Iterator[list[_Line]]:
    session: list[_Line] = []
    for number, raw in enumerate(_text(file).split("\n"), 1):
        if raw.strip():
            session.append(_line(raw.rstrip("\r"), f"{file}:{number}", number))
        elif session:
            yield session
            session = []
    if session:
        yield session


def _text(file: Path) -> str:
    try:
        size = file.stat().st_size
        raw = file.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise DataError(
            f"satisfaction ratings: cannot read {str(file)!r}: {error.strerror}"
        ) from error
    if size > MAX_BYTES:
        raise DataError(f"{file}: {size} bytes, at most {MAX_BYTES} expected; check the path")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise DataError(f"{file}:1: begins with a byte order mark; save it as plain UTF-8")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{file}:{line}: not UTF-8 text; use upstream's file") from error


def _line(raw: str, where: str, number: int) -> _Line:
    fields = raw.split("\t")
    if len(fields) < 4 or fields[0] not in ROLES:
        raise DataError(
            f"{where}: expected USER or SYSTEM, text, act and ratings parted by tabs, found "
            f"{len(fields)} fields"
        )
    role, text, stated = fields[0], " ".join(fields[1].split()), fields[3].strip()
    if role == "SYSTEM":
        return _Line(number, role, text, ())
    try:
        ratings = tuple(int(part) for part in stated.split(","))
    except ValueError:
        ratings = ()
    if not ratings or not all(1 <= r <= MOST for r in ratings):
        raise DataError(f"{where}: ratings are {stated[:40]!r}, must be numbers 1 to 5 with commas")
    return _Line(number, role, text, ratings)
