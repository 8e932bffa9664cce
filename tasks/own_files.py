"""Rows of a user's file as plain mappings, by format: JSON Lines, CSV, Parquet.

Kernel imports only; pyarrow is loaded where a Parquet file is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json
from rsft_bench.tasks.reading import MAX_TEXT, read_bytes, read_jsonl, read_table

Rows = Iterator[tuple[str, dict[str, Json]]]


def csv_rows(path: Path, who: str, delimiter: str) -> Rows:
    """Rows of a CSV file. An empty cell is none; a cell that is a JSON list is that list.

    Raises:
        DataError: as ``reading.read_table``.
    """
    for where, row in read_table(path, who, (), delimiter):
        yield where, {name: _cell(text) for name, text in row.items()}


def _cell(text: str) -> Json:
    if not text.strip():
        return None
    if text.lstrip().startswith("["):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return value if isinstance(value, list) else text
    return text


def parquet_rows(path: Path, who: str, delimiter: str) -> Rows:
    """Rows of a Parquet file, named ``file:row N`` from 0.

    Raises:
        DataError: no Parquet file, damaged, or a text longer than ``MAX_TEXT``.
    """
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    content = read_bytes(path, who)
    if not content.startswith(b"PAR1"):
        raise DataError(f"{path}: not a Parquet file; a binary or text file of another kind")
    try:
        table = pq.ParquetFile(io.BytesIO(content))
        batches = list(table.iter_batches())
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: damaged Parquet file ({reason}); export it again") from error
    number = 0
    for batch in batches:
        for row in batch.to_pylist():
            where = f"{path}:row {number}"
            for column, value in row.items():
                if isinstance(value, str) and len(value) > MAX_TEXT:
                    raise DataError(
                        f"{where}: text of {len(value)} characters in column {column!r}; at most "
                        f"{MAX_TEXT} are read"
                    )
            yield where, row
            number += 1


def jsonl_rows(path: Path, who: str, delimiter: str) -> Rows:
    """Rows of a JSON Lines file. Raises DataError as ``reading.read_jsonl``."""
    return read_jsonl(path, who)


FORMATS: Mapping[str, Callable[[Path, str, str], Rows]] = {
    "jsonl": jsonl_rows,
    "csv": csv_rows,
    "parquet": parquet_rows,
}
