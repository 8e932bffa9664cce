"""Rows of a user's own file as prompts, answers and what checks need; no scoring.

Each fault is one DataError that names file, line and reason. Imports the kernel and
``harness.rewards`` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.rewards.checks.table import CHECKS, COLUMNS, checked
from rsft_bench.harness.types import SPLITS, Json, Split
from rsft_bench.tasks.chat import read_chat
from rsft_bench.tasks.own_files import FORMATS

FIELDS = (
    "prompt",
    "messages",
    "answers",
    "label",
    "cluster",
    "stratum",
    "split",
    "example_id",
    "language",
    *COLUMNS,
)
_UNIT = {"jsonl": "JSON object", "csv": "row", "parquet": "row"}
# Names of other tools for the splits that they correspond to.
ALIASES: Mapping[str, Split] = {
    **{s: s for s in SPLITS},
    "dev": "select",
    "valid": "select",
    "validation": "select",
    "test": "confirm",
}
UNLABELLED = "unlabelled"


@dataclass(frozen=True, slots=True)
class Row:
    """One line. ``checks`` by name, what the row states for them; ``split`` None if not named."""

    example_id: str
    prompt: str
    answers: tuple[str, ...]
    labels: tuple[str, ...]
    checks: Mapping[str, Json]
    cluster: str
    stratum: str
    split: Split | None
    language: str


def columns(option: Json, who: str) -> dict[str, str]:
    """Field -> column of the file; fields that the option leaves out keep their own name.

    Raises:
        ConfigError: the option is no mapping of known fields to names.
    """
    if not isinstance(option, Mapping) or not all(
        k in FIELDS and isinstance(v, str) for k, v in option.items()
    ):
        raise ConfigError(
            f"{who}: columns {option!r} must map some of {', '.join(FIELDS)} to column names"
        )
    return {f: option.get(f, f) for f in FIELDS}


def read_rows(
    path: Path, names: Mapping[str, str], kind: str = "jsonl", delimiter: str = ","
) -> list[Row]:
    """Read all rows of a file of one of ``own_files.FORMATS``.

    Raises:
        DataError: no such file, no row, or the first line that cannot be used.
        ConfigError: a column that the mapping names and no row has.
    """
    who = f"suite {kind}"
    rows: dict[str, Row] = {}
    seen: dict[str, None] = {}
    for where, record in FORMATS[kind](path, who, delimiter):
        seen |= dict.fromkeys(record)
        row = _row(record, names, where)
        if row.example_id in rows:
            raise DataError(f"{where}: example_id {row.example_id!r} occurs twice")
        rows[row.example_id] = row
    if not rows:
        raise DataError(f"{path}: no rows; expected one {_UNIT[kind]} a line")
    for field, column in names.items():
        if column != field and column not in seen:
            raise ConfigError(
                f"{who}: columns maps {field} to {column!r}, which no row of {path} has; "
                f"its columns: {', '.join(sorted(seen))}; name one of them or leave {field} out"
            )
    return list(rows.values())


def agent_prompt(text: str) -> str:
    """The text as a prompt that ends in ``Agent:``, its question marked as the customer's."""
    text = text.strip()
    if text.endswith("Agent:"):
        return text
    marked = any(line.startswith("Customer: ") for line in text.split("\n"))
    return f"{text if marked else 'Customer: ' + text}\nAgent:"


def _row(record: Mapping[str, Json], names: Mapping[str, str], where: str) -> Row:
    prompt, last = _prompt(record, names, where)
    answers = _texts(record, names["answers"], where) or ((last,) if last else ())
    labels = _texts(record, names["label"], where) or (UNLABELLED,)
    if len(labels) == 1:
        labels *= len(answers)
    if len(labels) != len(answers):
        raise DataError(f"{where}: {len(labels)} labels for {len(answers)} answers")
    name = _text(record, names["example_id"], where) or where.rpartition(":")[2]
    split = _text(record, names["split"], where)
    if split is not None and split not in ALIASES:
        raise DataError(f"{where}: split {split!r} is none of {', '.join(ALIASES)}")
    return Row(
        example_id=name,
        prompt=prompt,
        answers=answers,
        labels=labels,
        checks=_checks(record, names, where),
        cluster=_text(record, names["cluster"], where) or name,
        stratum=_text(record, names["stratum"], where) or "all",
        split=None if split is None else ALIASES[split],
        language=_text(record, names["language"], where) or "en",
    )


def _prompt(
    record: Mapping[str, Json], names: Mapping[str, str], where: str
) -> tuple[str, str | None]:
    """Prompt and, of a conversation, its last answer. A column mapped to ``messages`` goes first.

    Else ``prompt`` does where a row has both.
    """
    chat = record.get(names["messages"])
    prompt = None
    if chat is None or names["messages"] == "messages":
        prompt = _text(record, names["prompt"], where)
    if prompt is not None:
        return agent_prompt(prompt), None
    if chat is not None:
        return read_chat(chat, where)
    found = ", ".join(map(str, record))[:200]
    raise DataError(
        f"{where}: no text in column {names['prompt']!r}; set `columns`; it has: {found}"
    )


def _checks(record: Mapping[str, Json], names: Mapping[str, str], where: str) -> dict[str, Json]:
    """Values of the checks that have a column, cells without a value left out."""
    found: dict[str, Json] = {}
    for name in COLUMNS:
        value = record.get(names[name])
        if CHECKS[name].takes == "texts":
            value = [t for t in _texts(record, names[name], where) or () if t] or None
        elif value is not None and not isinstance(value, bool):
            value = _text(record, names[name], where)
        if value is not None:
            try:
                found[name] = checked(name, value)
            except ValueError as error:
                raise DataError(f"{where}: column {names[name]!r}: {error}") from error
    return found


def _text(record: Mapping[str, Json], column: str, where: str) -> str | None:
    """Text of a column, None where it is absent, null or blank; numbers are read as text."""
    value = record.get(column)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f"{where}: column {column!r} must be text, found {type(value).__name__}")
    return str(value).strip() or None


def _texts(record: Mapping[str, Json], column: str, where: str) -> tuple[str, ...] | None:
    """Texts of a column that holds one string or a list of them; None where absent or null."""
    value = record.get(column)
    if value is None:
        return None
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        raise DataError(f"{where}: column {column!r} must be a string or a list of strings")
    return tuple(t.strip() for t in texts)
