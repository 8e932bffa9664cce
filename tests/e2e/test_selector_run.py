"""The classifier through the runner: every kind of arm, its costs and its report."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rsft_bench.harness.cli import main
from rsft_bench.harness.runfolder import RunFolder

ARGMAX = "rsft[accept=argmax,k=8,lambda=1]"
RANDOM = "rsft[accept=random,k=8,lambda=1,match=argmax]"
CONFIG: dict[str, Any] = {
    "policies": ["selector"],
    "suites": [{"name": "intent_routing", "n_select": 60, "n_confirm": 60, "n_calibrate": 12}],
    "seeds": [0, 1],
    "variants": [
        "base",
        "sft",
        "sft_more",
        "sft_flops",
        "best_of_n[n=4]",
        ARGMAX,
        "rsft[accept=argmax,k=8,lambda=0]",
        RANDOM,
    ],
    "primary": ARGMAX,
    "training": {"lr": 0.01, "sft_steps": 150, "steps": 60, "checkpoints": [0.5]},
    "evaluation": {
        "draws": 2,
        "best_of_draws": 8,
        "primary_draws": 2,
        "temperatures": [0],
        "serve_prompts": 3,
    },
}


def run(folder: Path, **changes: Any) -> RunFolder:
    (folder / "mine.yaml").write_text(json.dumps({**CONFIG, **changes}))
    argv = ["run", str(folder / "mine.yaml"), "--out", str(folder / "out"), "--workers", "0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RSFT_BENCH_CACHE_DIR", str(folder / "cache"))
        assert main([*argv, "--quiet"]) == 0
    return RunFolder(folder / "out")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run(tmp_path_factory.mktemp("selector"))


def passed(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby("variant").apply(
        lambda g: np.average(g["gold_pass"], weights=g["weight"]), include_groups=False
    )


def test_every_arm_is_measured(ran: RunFolder) -> None:
    rates = passed(ran.rows())
    assert rates["base"] < 0.2
    # Headroom: D is of mixed quality, and test families use words that training lacks.
    assert 0.4 < rates["sft"] < 0.75
    assert rates["best_of_n[n=4]"] > rates["sft"] + 0.02
    assert rates[ARGMAX] > rates["sft_more"] + 0.05
    assert abs(rates[RANDOM] - rates["sft_more"]) < 0.12
    assert rates["sft[temperature=0]"] > rates["sft"]


def test_lambda_zero_is_sft_more(ran: RunFolder) -> None:
    cells = ran.cells().set_index(["variant", "seed"])["policy_fingerprint"]
    for seed in (0, 1):
        same = cells["rsft[accept=argmax,k=8,lambda=0]", seed]
        assert same == cells["sft_more", seed] != cells[ARGMAX, seed]


def test_costs_and_report(ran: RunFolder) -> None:
    cells = ran.cells().set_index(["variant", "seed"])
    # 60 steps of 32 rows at 23,000 each, from sft, and the projection of each prompt once.
    more = cells.loc[("sft_more", 0)]["train_flops"] - 60 * 32 * 23_000
    sft = cells.loc[("sft", 0)]["train_flops"] - 150 * 32 * 23_000
    assert more > 0
    assert more % 200 == 0
    assert sft > 0
    assert (cells["serve_wall_s"] > 0).all()
    assert (cells.loc[(ARGMAX, 0)]["sample_flops"]) > 0
    report = (ran.path / "report.md").read_text()
    assert "intent_routing" in report
    assert "selector" in report


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="extra keras not installed")
def test_keras_gives_the_same_run(ran: RunFolder, tmp_path: Path) -> None:
    variants = ["sft", "sft_more", ARGMAX]
    other = run(tmp_path, policies=["selector_keras"], variants=variants, seeds=[0])
    own = ran.rows()
    own = own[(own["seed"] == 0) & own["variant"].isin(variants)]
    found = passed(other.rows())
    for variant in variants:
        assert found[variant] == pytest.approx(passed(own)[variant], abs=0.03)
