"""The files of a run: pinned column schemas, atomic writers and typed readers. No torch.

Everything that reads a run (reports, gate, ``rsft_bench.api``) reads it through ``RunFolder``;
everything that writes one uses ``write_table`` and ``write_json``, so a half-written file never
appears under its final name.

Encodings: ``examples.references`` is a list of strings; ``examples.facts`` and ``cells.parameters``
are JSON strings; an unknown or undefined number is NaN in a float column; strings, integers and
booleans are never missing. ``rows`` may carry further float columns, one a metric, sorted by name
after the pinned ones.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsft_bench.harness.columns import CELL as CELL
from rsft_bench.harness.columns import SCHEMA_VERSION as SCHEMA_VERSION
from rsft_bench.harness.columns import SCHEMAS as SCHEMAS
from rsft_bench.harness.columns import STAGES as STAGES
from rsft_bench.harness.columns import WINNER as WINNER
from rsft_bench.harness.columns import WINNER_CONTROL as WINNER_CONTROL
from rsft_bench.harness.errors import DataError, UserError
from rsft_bench.harness.proposals import proposal_of as proposal_of
from rsft_bench.harness.types import Json


@dataclass(frozen=True)
class RunFolder:
    """Reader of one run folder. Files are read once, on first use.

    Frames come back as lazy copies (pandas copy-on-write), so a caller may edit its own.

    Raises:
        UserError: the folder or a file of it is absent.
        DataError: a file is damaged, lacks a pinned column or has another schema version.
    """

    path: Path
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Accept a string path and refuse a folder that is not there."""
        object.__setattr__(self, "path", Path(self.path))
        if not self.path.is_dir():
            raise UserError(f"no run folder at {self.path}; make one with `rsft-bench run`")

    def manifest(self) -> dict[str, Json]:
        """``manifest.json``; its schema_version must be the one this program writes."""
        manifest = self._json("manifest.json")
        found = manifest.get("schema_version")
        if found != SCHEMA_VERSION:
            raise DataError(
                f"{self.path / 'manifest.json'}: schema_version {found!r}, this program reads "
                f"{SCHEMA_VERSION}; rerun with this version"
            )
        return manifest

    def results(self) -> dict[str, Json]:
        """``results.json``: the comparisons of the run."""
        return self._json("results.json")

    def examples(self) -> pd.DataFrame:
        """One row an example."""
        return self._table("examples")

    def pool(self) -> pd.DataFrame:
        """One row a pool draw."""
        return self._table("pool")

    def selected(self) -> pd.DataFrame:
        """One row an accepted pool draw of a variant, with its multiplicity ``count``."""
        return self._table("selected")

    def rows(self) -> pd.DataFrame:
        """One row a test draw; ``weight`` sums to 1 per (cell, example)."""
        return self._table("rows")

    def cells(self) -> pd.DataFrame:
        """One row a cell: costs by stage and the training audit."""
        return self._table("cells")

    def metrics(self) -> list[str]:
        """Names of the metric columns that rows carry beside the pinned ones, sorted."""
        pinned = set(SCHEMAS["rows"].names)
        return sorted(str(name) for name in self.rows().columns if name not in pinned)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What ``make`` returned the first time; for what is computed from the files alone."""
        if name not in self._cache:
            self._cache[name] = make()
        return self._cache[name]

    def _json(self, name: str) -> dict[str, Json]:
        if name not in self._cache:
            self._cache[name] = read_json(self.path / name)
        return dict(self._cache[name])

    def _table(self, name: str) -> pd.DataFrame:
        if name not in self._cache:
            self._cache[name] = read_table(self.path, name)
        frame: pd.DataFrame = self._cache[name].copy(deep=False)
        return frame


def read_json(path: Path) -> dict[str, Json]:
    """Read one JSON object. Raises UserError if absent, DataError if it is not an object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; is {path.parent} a finished run folder?") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON ({_line(error)})") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Read one table and check its pinned columns and types. Raises UserError or DataError."""
    path = Path(folder) / f"{name}.parquet"
    try:
        with path.open("rb") as source:
            table = pq.read_table(source)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; is {folder} a finished run folder?") from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: not readable as parquet ({_line(error)})") from None
    for pinned in SCHEMAS[name]:
        if pinned.name not in table.schema.names:
            raise DataError(f"{path}: column {pinned.name!r} is missing")
        found = table.schema.field(pinned.name).type
        if found != pinned.type:
            raise DataError(f"{path}: column {pinned.name!r} is {found}, expected {pinned.type}")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def write_table(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    """Check ``frame`` against its schema and write ``<folder>/<name>.parquet`` atomically.

    Columns may come in any order; they are written in schema order. Only ``rows`` may have others,
    and those are written as float64.

    Raises:
        DataError: a column is absent, unknown, of another type, or missing values it may not miss.
    """
    path = Path(folder) / f"{name}.parquet"
    table = _cast(path, frame, _full_schema(path, name, frame))
    meta = {"rsft_bench.schema_version": str(SCHEMA_VERSION), "rsft_bench.table": name}
    with _replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(meta), temporary, compression="zstd")
    return path


def write_json(path: Path, value: Mapping[str, Json]) -> Path:
    """Write one JSON object atomically; NaN and infinity raise DataError (write None or a word)."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: cannot be written as JSON ({_line(error)})") from None
    return write_text(path, text + "\n")


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text atomically."""
    with _replacing(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return Path(path)


def schema_text() -> str:
    """Columns and types of every table, for ``rsft-bench schema --rows``."""
    lines = [f"schema_version {SCHEMA_VERSION}"]
    for name, schema in SCHEMAS.items():
        lines += ["", f"{name}.parquet"]
        lines += [f"  {column.name:<24}{column.type}" for column in schema]
        if name == "rows":
            lines.append("  <one column a metric>   double")
    return "\n".join(lines)


def _full_schema(path: Path, name: str, frame: pd.DataFrame) -> pa.Schema:
    schema = SCHEMAS[name]
    columns = [str(c) for c in frame.columns]
    absent, extra = sorted({*schema.names} - {*columns}), sorted({*columns} - {*schema.names})
    if absent or len(set(columns)) < len(columns):
        what = f"lacks {', '.join(absent)}" if absent else "repeats a column"
        raise DataError(f"{path}: the frame {what}; see `rsft-bench schema --rows`")
    if extra and name != "rows":
        raise DataError(f"{path}: unknown column {extra[0]!r}; see `rsft-bench schema --rows`")
    return pa.schema([*schema, *(pa.field(c, pa.float64()) for c in extra)])


def _cast(path: Path, frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    arrays = []
    for column in schema:
        values = frame[column.name]
        if column.type == pa.float64():
            values = pd.Series(_floats(path, column.name, values))
        try:
            # an object column of 1 and 0.5 would be truncated to integers without this
            array = pa.Array.from_pandas(values.infer_objects(), type=column.type)
        except (pa.ArrowException, TypeError, ValueError) as error:
            reason = f"is not {column.type} ({_line(error)})"
            raise DataError(f"{path}: column {column.name!r} {reason}") from None
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if column.type == pa.float64():  # from_pandas reads NaN as null
            array = array.fill_null(float("nan"))
        if array.null_count:
            raise DataError(f"{path}: column {column.name!r} has {array.null_count} missing values")
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=schema)


def _floats(path: Path, name: str, values: pd.Series) -> np.ndarray[Any, Any]:
    try:
        if isinstance(values.dtype, pd.StringDtype):
            raise TypeError("it holds text")
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: column {name!r} is not double ({_line(error)})") from None


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there on success, remove it on failure."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _plain(value: object) -> Json:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")


def _line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
