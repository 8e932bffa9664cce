"""A model too large to load twice: one process with a thread a core, the rows of two processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rsft_bench.harness import runner, worker
from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.executors import placement
from rsft_bench.harness.manifest import read_manifest
from rsft_bench.harness.runfolder import RunFolder

TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
ARGMAX = "rsft[accept=argmax,k=4,lambda=1]"
#: Measured, not made: these differ between any two runs.
MEASURED = ("_s", "_paid", "_gib")


def config(folder: Path) -> Any:
    return parse_config(
        {
            "policies": [{"name": "causal_lm", "path": str(folder)}],
            "suites": [{"name": "toy", "n": 12}],
            "seeds": [0],
            "variants": ["sft", "sft_more", ARGMAX],
            "primary": ARGMAX,
            "pool": {"max_new_tokens": 6},
            "training": {"lr": 1e-2, "batch": 4, "sft_steps": 4, "steps": 2},
            "reward": {"n_label": 24},
            "evaluation": {
                **{"draws": 1, "best_of_draws": 1, "primary_draws": 1, "temperatures": []},
                "serve_prompts": 0,
            },
        }
    )


def made(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[name for name in frame if not name.endswith(MEASURED)]]


def test_threads_of_one_process_make_the_rows_of_two_processes(
    tiny_lm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = []
    threads_of = worker.thread_variables

    def seen(threads: int) -> dict[str, str]:
        pinned.append(threads)
        return threads_of(threads)

    monkeypatch.setattr(runner, "default_workers", lambda: 2)
    monkeypatch.setattr("rsft_bench.harness.executors.local.thread_variables", seen)
    folders = {}
    # 0.9 GiB hold one worker of half a GiB and a model of next to none, but not two.
    for name, gib, workers, threads in (("many", 64.0, 2, 1), ("one", 1.0, 1, 2)):
        monkeypatch.setattr(placement, "machine_gib", lambda gib=gib: gib)
        pinned.clear()
        out = tmp_path / name
        runner.run(config(tiny_lm_folder), TOY, out, memory_gib=4.0, cache=tmp_path / "cache")
        manifest = read_manifest(out)
        assert manifest is not None
        assert manifest["workers"] == workers
        assert set(pinned) == {threads}
        folders[name] = RunFolder(out)
    for table in ("examples", "pool", "selected", "rows"):
        many, one = (made(getattr(folders[name], table)()) for name in ("many", "one"))
        # Sums of two threads may differ in the last bits, words and choices may not.
        pd.testing.assert_frame_equal(many, one, rtol=1e-4, atol=1e-4)
