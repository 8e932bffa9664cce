"""Which files of upstream a folder holds, and values of their records checked by hand.

Every fault is a DataError of one line with file, record and reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json, Split
from rsft_bench.tasks.reading import need, read_json

ENDINGS = (".json", ".json.zip")

T = TypeVar("T")


def side_files(
    folder: Path, stems: Sequence[tuple[str, Split]], wanted: str
) -> list[tuple[Path, Split]]:
    """The file of each stem that the folder holds, ``.json`` before ``.json.zip``.

    ``wanted`` says in the error what the folder should be.

    Raises:
        DataError: no such folder, or no matching file.
    """
    if not folder.is_dir():
        raise DataError(f"no folder {str(folder)!r}; set `path` to {wanted}")
    found = []
    for stem, side in stems:
        files = [folder / f"{stem}{ending}" for ending in ENDINGS]
        found += [(f, side) for f in files if f.is_file()][:1]
    if not found:
        names = ", ".join(stem for stem, _ in stems)
        raise DataError(
            f"no {names} with {' or '.join(ENDINGS)} in {str(folder)!r}; set `path` to {wanted}"
        )
    return found


def dialogues(
    files: Sequence[tuple[Path, Split]], who: str, build: Callable[[str, Json, Split, str], T]
) -> tuple[T, ...]:
    """``build(id, record, side, where)`` of every dialogue of files that hold ``{id: record}``.

    Raises:
        DataError: a file is no object, an id occurs twice, or ``build`` says so.
    """
    found: dict[str, T] = {}
    for file, side in files:
        records = read_json(file, who)
        if not isinstance(records, dict):
            raise DataError(
                f"{file}: expected an object of dialogues, found {type(records).__name__}"
            )
        for name, record in records.items():
            if name in found:
                raise DataError(f"{file}: dialogue {name!r} occurs twice")
            found[name] = build(name, record, side, f"{file}: dialogue {name}")
    return tuple(found.values())


def strings(record: Json, key: str, where: str) -> tuple[str, ...]:
    """``record[key]``, a list of strings, or a DataError."""
    values = need(record, key, list, where)
    if not all(isinstance(v, str) for v in values):
        raise DataError(f"{where}: {key!r} must be a list of strings")
    return tuple(values)


def texts(record: Mapping[str, Json], where: str) -> Mapping[str, str]:
    """Values of a flat object as strings, or a DataError for a nested one."""
    if any(isinstance(v, list | dict) for v in record.values()):
        raise DataError(f"{where}: values of a service call must be strings")
    return {slot: str(value) for slot, value in record.items()}
