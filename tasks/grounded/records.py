"""JSON files of upstream, plain or as the one member of a zip, read whole and checked by hand.

Every fault is a DataError of one line with file, record and reason. A zip member is read in memory
under a size limit; nothing is ever extracted to a path.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json, Split

MAX_BYTES = 1 << 30
"""Largest JSON file, or unpacked member of a zip, that is read."""
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


def read_json(file: Path) -> Json:
    """The JSON value of a file, or of the only JSON member of a ``.zip``. Raises DataError."""
    try:
        raw = _unzipped(file) if file.suffix == ".zip" else _plain(file)
        return json.loads(raw.decode("utf-8"))
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not JSON: {error}") from error


def _plain(file: Path) -> bytes:
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise DataError(f"{file}: {size} bytes, more than {MAX_BYTES} are not read")
    return file.read_bytes()


def _unzipped(file: Path) -> bytes:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".json")]
            if len(members) != 1:
                raise DataError(f"{file}: expected one .json member, found {len(members)}")
            if members[0].file_size > MAX_BYTES:
                raise DataError(
                    f"{file}: its member has {members[0].file_size} bytes, more than {MAX_BYTES} "
                    "are not read"
                )
            with archive.open(members[0]) as stream:
                raw = stream.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{file}: not a readable zip: {error}") from error
    if len(raw) > MAX_BYTES:
        raise DataError(f"{file}: its member unpacks to more than {MAX_BYTES} bytes")
    return raw


def get(record: Json, key: str, kind: type[T], where: str) -> T:
    """``record[key]`` of the type asked for, or a DataError that says where and why not."""
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected an object, found {type(record).__name__}")
    if key not in record:
        raise DataError(f"{where}: missing key {key!r}")
    value = record[key]
    if not isinstance(value, kind):
        raise DataError(f"{where}: {key!r} must be {kind.__name__}, found {type(value).__name__}")
    return value


def strings(record: Json, key: str, where: str) -> tuple[str, ...]:
    """``record[key]``, a list of strings, or a DataError."""
    values = get(record, key, list, where)
    if not all(isinstance(v, str) for v in values):
        raise DataError(f"{where}: {key!r} must be a list of strings")
    return tuple(values)


def texts(record: Mapping[str, Json], where: str) -> Mapping[str, str]:
    """Values of a flat object as strings, or a DataError for a nested one."""
    if any(isinstance(v, list | dict) for v in record.values()):
        raise DataError(f"{where}: values of a service call must be strings")
    return {slot: str(value) for slot, value in record.items()}
