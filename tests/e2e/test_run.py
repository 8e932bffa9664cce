"""The engine end to end on a tiny random model: same rows whatever the workers, kills, growth."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.config import RunConfig, parse_config
from rsft_bench.harness.errors import CapabilityError, UserError
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.runner import RunOutcome, run
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.store import Store

TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
ARGMAX = "rsft[accept=argmax,k=4,lambda=1]"
VARIANTS = [
    "base",
    "sft",
    "sft_more",
    "sft_filtered",
    "best_of_n[n=2]",
    ARGMAX,
    "rsft[accept=argmax,k=4,lambda=0]",
    "rsft[accept=argmax,k=4,lambda=inf]",
    "rsft[accept=random,k=4,lambda=1,match=argmax]",
    "rsft[accept=all,k=4,lambda=1]",
    "rsft[accept=threshold,k=4,lambda=1,tau=-inf]",
]


def config(folder: Path, **changes: Any) -> RunConfig:
    raw: dict[str, Any] = {
        "policies": [{"name": "causal_lm", "path": str(folder)}],
        "suites": [{"name": "toy", "n": 12}],
        "seeds": [0, 1],
        "variants": VARIANTS,
        "primary": ARGMAX,
        "pool": {"max_new_tokens": 6},
        "training": {"lr": 1e-2, "batch": 4, "sft_steps": 4, "steps": 3},
        "reward": {"n_label": 24},
        "evaluation": {
            "draws": 2,
            "best_of_draws": 4,
            "primary_draws": 2,
            "temperatures": [0],
            "serve_prompts": 2,
        },
    }
    return parse_config({**raw, **changes})


def go(cfg: RunConfig, out: Path, cache: Path, workers: int = 0) -> RunOutcome:
    return run(cfg, TOY, out, workers=workers, cache=cache)


def comparable(out: Path) -> dict[str, pd.DataFrame]:
    """All tables without columns that time or the machine decide."""
    folder = RunFolder(out)
    frames = {n: getattr(folder, n)() for n in ("examples", "pool", "selected", "rows", "cells")}
    return {
        name: frame[
            [
                c
                for c in frame.columns
                if not c.endswith(("_s", "_paid")) and c not in ("peak_rss_gib",)
            ]
        ]
        for name, frame in frames.items()
    }


def assert_same(a: Path, b: Path) -> None:
    left, right = comparable(a), comparable(b)
    for name in left:
        pd.testing.assert_frame_equal(left[name], right[name], check_exact=True)


@pytest.fixture(scope="module")
def done(tiny_lm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One finished run that several tests read; its cache lies beside it."""
    out = tmp_path_factory.mktemp("run") / "out"
    go(config(tiny_lm_folder), out, out.parent / "cache")
    return out


def test_rows_weights_and_variants(done: Path) -> None:
    rows = RunFolder(done).rows()
    assert set(rows["variant"]) >= {*VARIANTS, "sft[temperature=0]"}
    sums = rows.groupby(["variant", "seed", "example_id"])["weight"].sum()
    assert sums.sub(1).abs().max() < 1e-12
    assert set(rows["split"]) == {"select", "confirm"}
    greedy = rows[rows["variant"] == "sft[temperature=0]"]
    assert set(greedy["draw"]) == {0}


def test_lambda_zero_is_sft_more_bit_for_bit_and_trained_once(done: Path) -> None:
    rows, cells = RunFolder(done).rows(), RunFolder(done).cells()
    zero, more = "rsft[accept=argmax,k=4,lambda=0]", "sft_more"
    a = rows[rows["variant"] == zero].drop(columns=["variant", "latency_s"])
    b = rows[rows["variant"] == more].drop(columns=["variant", "latency_s"])
    pd.testing.assert_frame_equal(a.reset_index(drop=True), b.reset_index(drop=True))
    spent = cells.set_index(["variant", "seed"])["train_spent_flops"]
    assert sorted([spent[zero, 0] > 0, spent[more, 0] > 0]) == [False, True]


def test_threshold_minus_infinity_is_all(done: Path) -> None:
    cells = RunFolder(done).cells().set_index(["variant", "seed"])["policy_fingerprint"]
    for seed in (0, 1):
        every = cells["rsft[accept=all,k=4,lambda=1]", seed]
        assert cells["rsft[accept=threshold,k=4,lambda=1,tau=-inf]", seed] == every


def test_one_pool_paid_once_and_shared(done: Path) -> None:
    folder = RunFolder(done)
    pool, cells = folder.pool(), folder.cells()
    assert len(pool.groupby(["suite", "policy", "seed", "proposal"])) == 2
    paid = cells[cells["seed"] == 0].set_index("variant")
    sampled = paid.loc[[ARGMAX, "rsft[accept=all,k=4,lambda=1]"], "sample_flops"]
    assert (sampled > 0).all()
    import json

    manifest = json.loads((done / "manifest.json").read_text())
    cut = [entry["report"]["prompts_cut_to_context"] for entry in manifest["suites"]]
    assert cut == [{"causal_lm": 0}]
    for stage, total in manifest["totals"].items():
        assert cells[f"{stage}_spent_flops"].sum() == pytest.approx(total["flops"])
        assert cells[f"{stage}_spent_wall_s"].sum() == pytest.approx(total["wall_s"])


def test_worker_count_changes_nothing(done: Path, tiny_lm_folder: Path, tmp_path: Path) -> None:
    go(config(tiny_lm_folder), tmp_path / "out", tmp_path / "cache", workers=2)
    assert_same(done, tmp_path / "out")


def test_second_call_reuses_everything(done: Path, tiny_lm_folder: Path) -> None:
    again = go(config(tiny_lm_folder), done, done.parent / "cache")
    assert again.reused


def test_growing_k_draws_only_the_new_range(
    done: Path, tiny_lm_folder: Path, tmp_path: Path
) -> None:
    cache = done.parent / "cache"
    before = {k for k, stage, _, _ in Store(cache).entries() if stage == "sample"}
    grown = config(tiny_lm_folder, variants=["sft", "rsft[accept=argmax,k=16,lambda=1]"])
    grown = grown.model_copy(update={"primary": None})
    run(grown, TOY, tmp_path / "out", workers=0, cache=cache)
    pool = RunFolder(tmp_path / "out").pool()
    old = RunFolder(done).pool()
    first = pool[pool["draw"] < 8].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        first.sort_values(["seed", "example_id", "draw"]).reset_index(drop=True),
        old.sort_values(["seed", "example_id", "draw"]).reset_index(drop=True),
    )
    new = [k for k, stage, _, _ in Store(cache).entries() if stage == "sample" and k not in before]
    pooled = [k for k in new if '"draw":8' in (Store(cache).folder(k) / "rows.jsonl").read_text()]
    assert len(pooled) == 2


def test_another_config_in_the_same_folder_is_refused(done: Path, tiny_lm_folder: Path) -> None:
    with pytest.raises(UserError, match="seeds"):
        go(config(tiny_lm_folder, seeds=[0, 2]), done, done.parent / "cache")


def test_a_foreign_folder_is_refused(tiny_lm_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="no run folder"):
        go(config(tiny_lm_folder), tmp_path, tmp_path / "cache")


def test_recorded_policy_cannot_train(tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"example_id": "confirm/0", "answers": ["a"]}\n')
    cfg = config(tmp_path, policies=[{"name": "recorded", "path": str(answers)}])
    with pytest.raises(CapabilityError, match="trainable"):
        go(cfg, tmp_path / "out", tmp_path / "cache")


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from e2e.test_run import TOY, config
from rsft_bench.harness.runner import run
if __name__ == "__main__":
    run(config(Path({folder!r})), TOY, Path({out!r}), workers=2, cache=Path({cache!r}))
"""


def artifacts(cache: Path) -> int:
    """Finished artifacts of a store."""
    return sum(1 for _ in cache.glob("objects/*/*/meta.json"))


def kill_after(script: Path, cache: Path, wanted: int, *, everyone: bool) -> None:
    """Start the run, SIGKILL it (or it and its workers) once ``wanted`` artifacts are finished."""
    process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    try:
        while artifacts(cache) < wanted and process.poll() is None:
            time.sleep(0.005)
        if not everyone:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    finally:
        # Workers whose parent is gone must not work on beside the next run.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"


@pytest.mark.slow
def test_kill_at_random_moments_and_rerun(done: Path, tiny_lm_folder: Path, tmp_path: Path) -> None:
    """SIGKILL five times in the midst of work, rerun to the end: the rows of a quiet run."""
    tests = str(Path(__file__).parents[1])
    script = tmp_path / "job.py"
    out, cache = tmp_path / "out", tmp_path / "cache"
    script.write_text(
        KILLED.format(tests=tests, folder=str(tiny_lm_folder), out=str(out), cache=str(cache))
    )
    # Within the first two thirds, so that no run can end between the last look and the kill.
    work = 2 * artifacts(done.parent / "cache") // 3
    share = work // 5
    counts = [0]
    for i in range(5):
        step = int(stream(11, "kill", i).integers(1, share))
        kill_after(script, cache, min(counts[-1] + step, work), everyone=i % 2 == 0)
        counts.append(artifacts(cache))
    assert all(later > earlier for earlier, later in itertools.pairwise(counts)), counts
    subprocess.run([sys.executable, str(script)], check=True, timeout=300)
    assert_same(done, out)
