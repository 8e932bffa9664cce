"""Columns of a run folder are pinned; writers are atomic and strict; readers fail in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rsft_bench.harness.errors import DataError, UserError
from rsft_bench.harness.runfolder import (
    SCHEMA_VERSION,
    SCHEMAS,
    RunFolder,
    read_table,
    schema_text,
    write_json,
    write_table,
)

COLUMNS = {
    "examples": "suite example_id split prompt references facts cluster stratum language",
    "pool": "suite policy seed proposal round example_id draw text text_id tokens_in tokens_out "
    "finish_reason proxy gold gold_pass logprob logprob_ref",
    "selected": "suite policy variant seed round example_id draw count row_weight",
    "rows": "suite policy variant seed example_id draw split text tokens_in tokens_out "
    "served_tokens_out finish_reason proxy gold gold_pass logprob latency_s weight cluster stratum",
    "cells": "suite policy variant seed method parameters accept_rate policy_fingerprint "
    "gold_labels epochs_d epochs_a peak_rss_gib steps rows_d rows_a keep tau "
    "lr last_select best_select best_step "
    + " ".join(
        f"{stage}_{word}"
        for stage in ("sample", "score", "train", "serve", "evaluate")
        for word in "tokens flops wall_s cpu_s spent_flops spent_wall_s paid".split()
    ),
}

#: What no cast to a narrower type may change: every column of every file with its type.
WHOLE = {
    "examples": "suite string, example_id string, split string, prompt string, "
    "references list<item: string>, facts string, cluster string, stratum string, language string",
    "pool": "suite string, policy string, seed int64, proposal string, round int64, "
    "example_id string, draw int64, text string, text_id int64, tokens_in int64, "
    "tokens_out int64, finish_reason string, proxy double, gold double, gold_pass bool, "
    "logprob double, logprob_ref double",
    "selected": "suite string, policy string, variant string, seed int64, round int64, "
    "example_id string, draw int64, count int64, row_weight double",
    "rows": "suite string, policy string, variant string, seed int64, example_id string, "
    "draw int64, split string, text string, tokens_in int64, tokens_out int64, "
    "served_tokens_out int64, finish_reason string, proxy double, gold double, gold_pass bool, "
    "logprob double, latency_s double, weight double, cluster string, stratum string, "
    "<one column a metric> double",
    "cells": "suite string, policy string, variant string, seed int64, method string, "
    "parameters string, accept_rate double, policy_fingerprint string, gold_labels int64, "
    "epochs_d double, epochs_a double, peak_rss_gib double, steps int64, rows_d int64, "
    "rows_a int64, keep double, tau double, lr double, last_select double, "
    "best_select double, best_step double, "
    + ", ".join(
        f"{stage}_tokens int64, {stage}_flops double, {stage}_wall_s double, {stage}_cpu_s double, "
        f"{stage}_spent_flops double, {stage}_spent_wall_s double, {stage}_paid bool"
        for stage in ("sample", "score", "train", "serve", "evaluate")
    ),
}


def test_the_printed_schema_is_pinned_whole() -> None:
    lines = ["schema_version 2"]
    for name, columns in WHOLE.items():
        lines += ["", f"{name}.parquet"]
        for column in columns.split(", "):
            split = column.index(">") + 1 if column.startswith("<") else column.index(" ")
            lines.append(f"  {column[:split]:<24}{column[split:].strip()}")
    assert schema_text() == "\n".join(lines)


def one_row(name: str) -> pd.DataFrame:
    """A frame with one valid row of ``name``."""
    sample = {"string": "x", "int64": 1, "double": 0.5, "bool": True, "list<item: string>": ["r"]}
    return pd.DataFrame([{f.name: sample[str(f.type)] for f in SCHEMAS[name]}])


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_columns_and_types_are_pinned(name: str) -> None:
    assert SCHEMA_VERSION == 2
    assert SCHEMAS[name].names == COLUMNS[name].split()
    kinds = {f.name: str(f.type) for f in SCHEMAS[name]}
    for column, kind in kinds.items():
        if column in {"seed", "round", "draw", "count", "text_id"} or column.endswith("_tokens"):
            assert kind == "int64"
        if column.endswith(("_s", "_flops")) or column in {"gold", "proxy", "weight"}:
            assert kind == "double"
        if column in {"gold_pass"} or column.endswith("_paid"):
            assert kind == "bool"
        assert f"  {column:<24}{kind}" in schema_text()


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_round_trip_in_any_column_order(name: str, tmp_path: Path) -> None:
    frame = one_row(name)
    write_table(tmp_path, name, frame[frame.columns[::-1]])
    back = read_table(tmp_path, name)
    assert list(back.columns) == COLUMNS[name].split()
    first, again = frame.iloc[0].to_dict(), back.iloc[0].to_dict()
    assert {k: list(v) if k == "references" else v for k, v in again.items()} == first
    assert [p.name for p in tmp_path.iterdir()] == [f"{name}.parquet"]
    assert (tmp_path / f"{name}.parquet").read_bytes()[:4] == b"PAR1"


def test_rows_carry_metrics_as_float_and_none_becomes_nan(tmp_path: Path) -> None:
    frame = pd.concat([one_row("rows"), one_row("rows")], ignore_index=True)
    frame["tone"] = [None, 1]
    frame["facts"] = [0.25, 0.75]
    frame["gold"] = [None, 1.0]
    path = write_table(tmp_path, "rows", frame)
    back = read_table(tmp_path, "rows")
    assert list(back.columns)[-2:] == ["facts", "tone"]
    assert np.isnan(back["tone"][0])
    assert back["tone"][1] == 1.0
    assert np.isnan(back["gold"][0])
    assert pq.read_table(path)["gold"].null_count == 0
    assert pq.read_schema(path).metadata[b"rsft_bench.schema_version"] == b"2"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("gold_pass", None, "missing"),
        ("seed", "one", "int64"),
        ("seed", 0.5, "int64"),
        ("text", None, "missing"),
        ("gold", "good", "double"),
    ],
)
def test_wrong_values_name_file_and_column(
    column: str, value: object, message: str, tmp_path: Path
) -> None:
    frame = pd.concat([one_row("rows"), one_row("rows")], ignore_index=True)
    frame[column] = pd.Series([frame[column][0], value], dtype=object)
    with pytest.raises(DataError, match=f"rows.parquet: column '{column}'.*{message}") as caught:
        write_table(tmp_path, "rows", frame)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_absent_and_unknown_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks weight"):
        write_table(tmp_path, "rows", one_row("rows").drop(columns="weight"))
    with pytest.raises(DataError, match="unknown column 'extra'"):
        write_table(tmp_path, "pool", one_row("pool").assign(extra=1.0))


def test_reader_errors_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run folder"):
        RunFolder(tmp_path / "absent")
    run = RunFolder(tmp_path)
    with pytest.raises(UserError, match=r"manifest\.json is missing"):
        run.manifest()
    with pytest.raises(UserError, match=r"rows\.parquet is missing"):
        run.rows()
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match="not readable as parquet") as caught:
        run.rows()
    assert "\n" not in str(caught.value)
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="not readable as JSON"):
        run.manifest()
    (tmp_path / "manifest.json").write_text('{"schema_version": 99}', encoding="utf-8")
    with pytest.raises(DataError, match="schema_version 99"):
        run.manifest()
    (tmp_path / "results.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="expected a JSON object"):
        run.results()


def test_column_of_another_type_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path, "pool", one_row("pool"))
    (tmp_path / "pool.parquet").rename(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="column 'variant' is missing"):
        read_table(tmp_path, "rows")


def test_frames_are_cached_and_isolated(tmp_path: Path) -> None:
    write_table(tmp_path, "cells", one_row("cells"))
    run = RunFolder(tmp_path)
    frame = run.cells()
    frame["seed"] = 7
    assert run.cells()["seed"].tolist() == [1]
    (tmp_path / "cells.parquet").unlink()
    assert len(run.cells()) == 1


def test_json_is_atomic_and_refuses_nan(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_json(path, {"a": np.float64(0.5), "b": np.arange(2)})
    assert RunFolder(tmp_path).results() == {"a": 0.5, "b": [0, 1]}
    with pytest.raises(DataError, match="cannot be written as JSON"):
        write_json(path, {"a": float("nan")})
    assert RunFolder(tmp_path).results() == {"a": 0.5, "b": [0, 1]}
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]
