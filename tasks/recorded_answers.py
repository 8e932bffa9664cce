"""What suites of recorded answers share: their facts, their judge, reading their JSON. Kernel only.

``facts`` of an example hold ``texts`` (the answers in order), ``grades`` (the label of each, in
[0, 1]) and ``pass_at`` (the grade from which an answer passes). A pool that several people rated
also has ``ratings`` (one list of raters' numbers an answer), ``scale`` (their lowest and highest
number) and ``systems`` (who answered).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.types import Example, Json, Judgement, Log

MAX_BYTES = 200 * 2**20
"""No file of these data sets is near it; a larger one is not what it claims to be."""


def judge_recorded(example: Example, text: str) -> Judgement:
    """The label of a recorded answer; ``gold`` NaN and no pass for any other text.

    Equal texts of one prompt share the mean of their labels: nothing tells them apart. An answer
    passes if its label is at least ``pass_at``.
    """
    facts = example.facts
    pairs = zip(facts["texts"], facts["grades"], strict=True)
    found = [float(grade) for known, grade in pairs if known == text]
    if not found:
        return Judgement(math.nan, False, {})
    gold = math.fsum(found) / len(found)
    # A mean of raters may miss the bar by rounding alone.
    return Judgement(gold, gold >= float(facts["pass_at"]) - 1e-9, {})


def answers_of(examples: Sequence[Example], givers: Mapping[str, Sequence[str]]) -> tuple[Log, ...]:
    """The recorded answers of all examples in order; ``givers`` names who gave each."""
    return tuple(
        Log(e.example_id, text, who)
        for e in examples
        for text, who in zip(e.facts["texts"], givers[e.example_id], strict=True)
    )


def data_path(options: Mapping[str, Json], suite: str, what: str) -> Path:
    """The option ``path``. Raises ConfigError where none is given."""
    if not options.get("path"):
        raise ConfigError(
            f"suite {suite} needs `path`, {what}: suites: [{{name: {suite}, path: ...}}], or "
            f"`rsft-bench validate {suite} --path ...`"
        )
    return Path(str(options["path"]))


def limit_of(options: Mapping[str, Json], suite: str) -> int | None:
    """The option ``limit``. Raises ConfigError unless it is None or an integer of at least 1."""
    limit = options.get("limit")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise ConfigError(f"suite {suite}: limit is {limit!r}, must be an integer >= 1 or left out")
    return limit


def read_text(path: Path, suite: str) -> str:
    """A file as UTF-8. Raises DataError: unreadable, too large, another encoding, a BOM."""
    return decode(read_bytes(path, suite), str(path))


def read_bytes(path: Path, suite: str) -> bytes:
    """A file of at most ``MAX_BYTES``. Raises DataError where it is unreadable or larger."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DataError(f"{path}: {size} bytes, at most {MAX_BYTES} expected; check `path`")
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"suite {suite}: cannot read {str(path)!r}: {error.strerror}; check `path`"
        ) from error


def decode(raw: bytes, where: str) -> str:
    """UTF-8 without byte order mark. Raises DataError naming the line of the first wrong byte."""
    if raw.startswith(b"\xef\xbb\xbf"):
        raise DataError(
            f"{where}:1: begins with a byte order mark; save it as upstream's plain UTF-8"
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{where}:{line}: not UTF-8 text ({error.reason}); use upstream's file"
        ) from error


def parse_json(text: str, where: str, line: int | None = None) -> Json:
    """A JSON value. ``line`` is that of the text, else the parser's. Raises DataError."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = error.lineno if line is None else line
        raise DataError(f"{where}:{at}: not JSON: {error.msg}; is the file whole?") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}:{line or 1}: not JSON: {error}") from error


def read_json(path: Path, suite: str) -> Json:
    """The JSON value of a file. Raises DataError as ``read_text`` and ``parse_json``."""
    return parse_json(read_text(path, suite), str(path))
