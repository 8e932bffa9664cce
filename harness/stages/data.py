"""Stage ``data``: a suite's examples and logs for one seed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rsft_bench.harness.recorded_data import POOL_FILE
from rsft_bench.harness.stages import Outcome, Work
from rsft_bench.harness.store import read_rows, write_rows
from rsft_bench.harness.types import Example, Json, Log


def run(work: Work) -> Outcome:
    """params: suite, options, seed.

    Files: examples.jsonl, logs.jsonl, report.json; pool.jsonl, where the suite brings answers.
    """
    suite = work.catalog.suite(work.params["suite"])
    data = suite.load(work.params["options"], work.params["seed"])
    write_rows(work.out / "examples.jsonl", [asdict(e) for e in data.examples])
    write_rows(work.out / "logs.jsonl", [asdict(log) for log in data.logs])
    if data.pool:
        write_rows(work.out / POOL_FILE, [asdict(answer) for answer in data.pool])
    (work.out / "report.json").write_text(json.dumps(data.report, sort_keys=True))
    return Outcome()


def read_examples(folder: Path) -> list[Example]:
    """Examples of a data artifact, in canonical order."""
    return [
        Example(**{**row, "references": tuple(row["references"])})
        for row in read_rows(folder / "examples.jsonl")
    ]


def read_logs(folder: Path) -> list[Log]:
    """Logs of a data artifact."""
    return [Log(**row) for row in read_rows(folder / "logs.jsonl")]


def read_report(folder: Path) -> dict[str, Json]:
    """The suite's own report of a data artifact."""
    report: dict[str, Json] = json.loads((folder / "report.json").read_text())
    return report
