"""One small run through the command line, and every command that reads a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic_run import write_synthetic_run

from rsft_bench import api
from rsft_bench.harness.cli import main
from rsft_bench.harness.errors import UserError
from rsft_bench.harness.runfolder import RunFolder

ARGMAX = "rsft[accept=argmax,k=2,lambda=1]"


@pytest.fixture(scope="module")
def world(tiny_lm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a finished run of a tiny model in ``out``; the store beside it."""
    root = tmp_path_factory.mktemp("cli")
    config = {
        "policies": [{"name": "causal_lm", "path": str(tiny_lm_folder)}],
        "suites": [{"name": "order_status", "n_train": 12, "logs_per_prompt": 2, "limit": 24}],
        "seeds": [0, 1],
        "variants": ["base", "sft", "sft_more", "best_of_n[n=2]", ARGMAX],
        "primary": ARGMAX,
        "pool": {"max_new_tokens": 4},
        "training": {"lr": 0.01, "batch": 4, "sft_steps": 2, "steps": 2},
        "reward": {"n_label": 24},
        "evaluation": {
            "draws": 1,
            "best_of_draws": 4,
            "primary_draws": 1,
            "temperatures": [0],
            "serve_prompts": 1,
        },
    }
    (root / "mine.yaml").write_text(json.dumps(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RSFT_BENCH_CACHE_DIR", str(root / "cache"))
        patch.chdir(root)
        argv = ["run", "mine.yaml", "--out", "out", "--workers", "0", "--no-progress"]
        assert main(argv) == 0
        yield root


@pytest.mark.slow
def test_run_leaves_the_files_of_the_contract(world: Path) -> None:
    names = {p.name for p in (world / "out").iterdir()}
    tables = {f"{t}.parquet" for t in ("examples", "pool", "selected", "rows", "cells")}
    files = {"manifest.json", "results.json", "report.html", "report.md", "plots", "run.log"}
    assert names >= tables | files


@pytest.mark.slow
def test_a_second_call_prints_the_table_without_torch(world: Path) -> None:
    code = (
        "import sys; from rsft_bench.harness.cli import main;"
        "code = main(['run', 'mine.yaml', '--out', 'out']);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    before = (world / "out" / "manifest.json").read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=world,
        env={**os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "already complete" in done.stdout
    assert "pass rate" in done.stdout
    assert (world / "out" / "manifest.json").read_bytes() == before


@pytest.mark.slow
def test_another_config_or_a_foreign_folder_is_refused(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "mine.yaml", "--out", "out", "--set", "training.steps=3"]) == 2
    assert "training.steps" in capsys.readouterr().err
    foreign = world / "foreign"
    foreign.mkdir(exist_ok=True)
    (foreign / "notes.txt").write_text("mine")
    assert main(["run", "mine.yaml", "--out", "foreign"]) == 2
    assert (foreign / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_commands_read_the_run(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "out", "--format", "md,json"]) == 0
    assert "report.md" in capsys.readouterr().out
    assert main(["compare", "out", "primary", "sft_more", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["suite"] == "order_status"
    assert main(["compare", "out", "rsft[k=2]", "sft"]) == 0
    assert ARGMAX in capsys.readouterr().out
    assert main(["show", "out"]) == 0
    example = capsys.readouterr().out.split()[1]
    assert main(["show", "out", "--example", example, "--variant", "sft"]) == 0
    assert "Customer:" in capsys.readouterr().out
    assert main(["show", "out", "--example", example + "x"]) == 2
    assert "Did you mean" in capsys.readouterr().err
    assert main(["show", "out", "--example", example, "--variant", "sftt"]) == 2


@pytest.mark.slow
def test_export_writes_a_loadable_model(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rsft_bench.harness.policies.language_model import load

    assert main(["export", "out", "--variant", "primary", "--to", "model"]) == 0
    assert load(world / "model").context > 0
    assert main(["export", "out", "--variant", "primary", "--to", "model"]) == 2
    assert main(["export", "out", "--variant", "sft", "--seed", "9", "--to", "other"]) == 2
    assert "the run has: 0, 1" in capsys.readouterr().err


@pytest.mark.slow
def test_a_fresh_run_can_be_exported_listed_and_pruned(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a store of its own, so that pruning leaves the other tests' run alone."""
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(world / "second"))
    argv = ["run", "mine.yaml", "--out", "again", "--fresh", "--workers", "0", "--quiet"]
    assert main(argv) == 0
    assert main(["cache", "list", "--json"]) == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    # Two seeds: sft, sft_more and one rsft arm each; one model they start from.
    assert (stages["fit"]["artifacts"], stages["base"]["artifacts"]) == (6, 1)
    assert main(["export", "again", "--variant", "primary", "--to", "fresh-model"]) == 0
    assert (world / "fresh-model" / "model.safetensors").exists()
    capsys.readouterr()
    assert main(["cache", "prune", "--older-than", "0"]) == 0
    made = sum(s["artifacts"] for s in stages.values())
    assert f"deleted {made} artifacts" in capsys.readouterr().out
    assert main(["cache", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stages"] == {}
    assert main(["export", "again", "--variant", "primary", "--to", "gone"]) == 2
    assert "no longer holds" in capsys.readouterr().err


@pytest.mark.slow
def test_the_python_interface_runs_and_loads(world: Path) -> None:
    """The same config as a mapping: a run folder of its own, equal rows, complete on a rerun."""
    config = json.loads((world / "mine.yaml").read_text())
    made = api.run(config, out=world / "by-api", workers=0)
    assert made.path == world / "by-api"
    assert (made.path / "report.html").exists()
    manifest = api.load(made.path).manifest()
    assert (manifest["status"], manifest["preset"]) == ("complete", None)
    both = [r.drop(columns="latency_s") for r in (made.rows(), api.load(world / "out").rows())]
    pd.testing.assert_frame_equal(*both)
    before = (made.path / "manifest.json").read_bytes()
    assert api.run(config, out=made.path, workers=0).path == made.path
    assert (made.path / "manifest.json").read_bytes() == before
    with pytest.raises(UserError, match="first difference: training"):
        api.run({**config, "training": {"steps": 9}}, out=made.path)


@pytest.mark.slow
@pytest.mark.parametrize("begin", ["preset: smoke", "flag"])
def test_smoke_says_that_it_proves_nothing(
    world: Path, begin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the folder and the file are called, and again on a rerun and in the report."""
    config = json.loads((world / "mine.yaml").read_text())
    config |= {"variants": ["base"], "primary": None, "seeds": [0]}
    if begin != "flag":
        config = {"preset": "smoke", **config}
    (world / "tiny.yaml").write_text(json.dumps(config))
    argv = ["run", "tiny.yaml", "--out", f"tiny-{begin[:4]}", "--workers", "0", "--no-progress"]
    argv += ["--preset", "smoke"] if begin == "flag" else []
    for _ in range(2):
        assert main(argv) == 0
        assert "prove nothing" in capsys.readouterr().out
    assert "prove nothing" in (world / argv[3] / "report.md").read_text()
    manifest = json.loads((world / argv[3] / "manifest.json").read_text())
    assert manifest["preset"] == "smoke"
    assert "preset" not in manifest["config"]


@pytest.mark.slow
def test_a_seed_that_was_not_run_is_refused(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "out"]) == 0
    example = capsys.readouterr().out.split()[1]
    assert main(["show", "out", "--example", example, "--seed", "1"]) == 0
    assert main(["show", "out", "--example", example, "--seed", "99"]) == 2
    assert "the run has: 0, 1" in capsys.readouterr().err


@pytest.mark.slow
def test_json_by_environment(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RSFT_BENCH_JSON", "1")
    assert main(["run", "mine.yaml", "--out", "out"]) == 0
    assert json.loads(capsys.readouterr().out)["reused"] is True


@pytest.mark.slow
def test_quiet_and_plain_progress_by_environment(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rsft_bench.harness.cli import console

    seen: list[tuple[bool, bool]] = []
    watching = console.watching

    def watch(quiet: bool, bars: bool) -> Any:
        seen.append((quiet, bars))
        return watching(quiet, bars)

    monkeypatch.setattr(console, "watching", watch)
    argv = ["run", "mine.yaml", "--out", "out"]
    monkeypatch.setenv("RSFT_BENCH_QUIET", "1")
    assert main(argv) == 0
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("RSFT_BENCH_QUIET", "0")
    monkeypatch.setenv("RSFT_BENCH_NO_PROGRESS", "1")
    assert main(argv) == 0
    assert "report:" in capsys.readouterr().out
    assert seen == [(True, True), (False, False)]
    monkeypatch.setenv("RSFT_BENCH_QUIET", "perhaps")
    assert main(argv) == 2
    assert "RSFT_BENCH_QUIET" in capsys.readouterr().err


@pytest.mark.slow
def test_the_python_interface_reads_the_run(world: Path) -> None:
    loaded = api.load(world / "out")
    assert set(loaded.rows()["variant"]) >= {"sft", ARGMAX}
    assert len(loaded.compare("sft", "base")) == 1


@pytest.mark.slow
def test_gate_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pass against itself, regression after damage of three margins, refusal of a missing suite."""
    one = {"suites": ["order_status"], "seed_sd": 0.005, "per_cluster": 8, "results": False}
    run = write_synthetic_run(tmp_path / "run", **one)  # type: ignore[arg-type]
    worse = write_synthetic_run(tmp_path / "worse", damage={"sft": 0.3}, rng_seed=1, **one)  # type: ignore[arg-type]
    other = write_synthetic_run(
        tmp_path / "other",
        **{**one, "suites": ["returns_refunds"]},  # type: ignore[arg-type]
    )
    baseline = str(tmp_path / "b")
    assert main(["baseline", "save", str(run), "--to", baseline, "--accept-margin", "0.1"]) == 0
    assert main(["baseline", "show", baseline]) == 0
    junit, words = tmp_path / "gate.xml", tmp_path / "gate.md"
    argv = ["gate", str(run), "--baseline", baseline]
    assert main([*argv, "--junit", str(junit), "--markdown", str(words)]) == 0
    assert "<testsuite" in junit.read_text()
    assert "Gate: pass" in words.read_text()
    capsys.readouterr()
    assert main(["gate", str(worse), "--baseline", baseline, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "regression"
    assert main(["gate", str(other), "--baseline", baseline]) == 3
    assert main(["gate", str(run), "--baseline", str(tmp_path / "nothing")]) == 2
    assert "baseline save" in capsys.readouterr().err


@pytest.mark.slow
def test_extra_prompts_are_in_the_pool_and_not_in_d(world: Path) -> None:
    config = json.loads((world / "mine.yaml").read_text())
    config["pool"]["extra_prompts"] = 7
    config |= {"variants": ["sft", "sft_more", ARGMAX], "seeds": [0]}
    config["evaluation"] |= {"temperatures": []}
    (world / "extra.yaml").write_text(json.dumps(config))
    argv = ["run", "extra.yaml", "--out", "extra", "--workers", "0", "--quiet"]
    assert main(argv) == 0
    loaded = api.load(world / "extra")
    folder = RunFolder(loaded.path)
    pool, picked = folder.pool(), folder.selected()
    # 12 prompts of D with two logs each, and 7 more that only the pool has.
    assert pool["example_id"].nunique() == 19
    assert picked[picked["variant"] == ARGMAX]["example_id"].nunique() == 19
    assert set(loaded.cells().set_index("variant").loc[["sft", "sft_more"], "rows_d"]) == {24}
    assert loaded.manifest()["prompt_matched"] is False
    assert api.load(world / "out").manifest()["prompt_matched"] is True
    assert "not prompt-matched" in (loaded.path / "report.md").read_text()
    assert "not prompt-matched" not in (world / "out" / "report.md").read_text()
