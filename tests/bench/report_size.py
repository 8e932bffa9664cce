"""Seconds and peak memory of a report, stage by stage, on a made-up run of many rows.

    python tests/bench/report_size.py [--rows 1000000]

Rows are simulated by ``tests/synthetic_run.py``: two suites, five seeds, 15 variants. Memory is the
peak resident size of the process within a stage, reset before each; Linux only. The first stage
reads the tables, the second makes all comparisons, the third writes every format with plots.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from peer_worker import resident_kib

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from synthetic_run import write_synthetic_run

from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.reports import FORMATS, write
from rsft_bench.reports.analysis import analyse

CLUSTERS = 30
#: Rows of one more example in each cluster: both test splits, two suites, five seeds, 86 draws.
ROWS_A_STEP = CLUSTERS * 2 * 2 * 5 * 86


def stage(name: str, work: Callable[[], object]) -> None:
    """Run it and print one line."""
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123
        # 5 sets the peak back to the present.
        file.write("5")
    begin = time.perf_counter()
    work()
    seconds = time.perf_counter() - begin
    print(f"{name:12} {seconds:6.1f} s   {resident_kib('VmHWM') / 2**20:5.2f} GiB")  # noqa: T201


def main() -> None:
    """Print what each stage took."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        each = max(1, -(-chosen.rows // ROWS_A_STEP))
        path = write_synthetic_run(
            Path(name) / "run", clusters=CLUSTERS, per_cluster=each, results=False
        )
        run = RunFolder(path)
        stage("tables", lambda: [run.rows(), run.pool(), run.examples(), run.cells()])
        print(f"{len(run.rows()):,} rows")  # noqa: T201
        stage("comparisons", lambda: analyse(run))
        stage("formats", lambda: write(run, FORMATS))


if __name__ == "__main__":
    main()
