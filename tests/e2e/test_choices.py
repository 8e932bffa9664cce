"""Choices on select: learning rates, tuned shares, matched FLOPs, checkpoints, labels, winners."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.runfolder import WINNER, WINNER_CONTROL, RunFolder
from rsft_bench.harness.runner import run
from rsft_bench.harness.spaces import make_plan
from rsft_bench.harness.statistics import leave_one_seed_out_winner
from rsft_bench.reports.analysis import compare

TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
ARGMAX = "rsft[accept=argmax,k=4,lambda=1]"
ALONE = "rsft[accept=argmax,k=4,lambda=inf]"
RATES = [1, 0.5]
SETTINGS = [ARGMAX, ALONE, "rsft[accept=threshold,k=4,lambda=1,target_rate=0.5]"]


def config(folder: Path, **changes: Any) -> Any:
    raw: dict[str, Any] = {
        "policies": [{"name": "causal_lm", "path": str(folder)}],
        "suites": [
            {"name": "toy", "n": 12},
            {"name": "toy", "n": 12, "label": "toy@2", "variants": ["sft", "sft_more", ARGMAX]},
        ],
        "seeds": [0, 1],
        "variants": [
            *("sft", "sft_more", "sft_flops", "sft_filtered"),
            *("best_of_n[n=2]", f"best_of_n[n=2,source={ARGMAX}]"),
            *SETTINGS,
        ],
        "primary": ARGMAX,
        "pool": {"max_new_tokens": 6},
        "training": {
            **{"lr": 1e-2, "batch": 4, "sft_steps": 4, "steps": 4},
            **{"lr_factors": RATES, "checkpoints": [0.5]},
        },
        "reward": {"n_label": 24},
        "evaluation": {
            **{"draws": 2, "best_of_draws": 4, "primary_draws": 2, "temperatures": [0]},
            **{"serve_prompts": 0, "winner": "confirmatory"},
        },
    }
    return parse_config({**raw, **changes})


@pytest.fixture(scope="module")
def done(tiny_lm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("choices") / "out"
    run(config(tiny_lm_folder), TOY, out, workers=0, cache=out.parent / "cache")
    return RunFolder(out)


def test_each_arm_keeps_the_rate_that_select_chose(done: RunFolder) -> None:
    cells, chosen = done.cells(), done.manifest()["chosen"]
    for name in ("sft_more", *SETTINGS):
        entry = next(v for k, v in chosen.items() if k.startswith("toy/") and k.endswith(name))
        means = {k: v for k, v in entry.items() if k != "choice"}
        assert set(means) == {f"lr={r:g}" for r in RATES}
        assert means[entry["choice"]] == max(means.values())
        rate = float(entry["choice"].removeprefix("lr=")) * 1e-2
        mine = cells[(cells["variant"] == name) & (cells["suite"] == "toy")]
        assert mine["lr"].tolist() == pytest.approx([rate, rate])
    assert not any("/sft/" in key or key.endswith("/sft") for key in chosen)
    start = cells[cells["variant"] == "sft"]["lr"]
    assert start.tolist() == pytest.approx([1e-2] * len(start))


def test_trials_are_charged(done: RunFolder) -> None:
    cells = done.cells()
    cells = cells[cells["suite"] == "toy"].set_index(["variant", "seed"])
    # Two rates, equal steps and rows: twice the tokens of the one fit that is kept.
    fit = cells.loc[("sft_more", 0)]
    assert fit["train_tokens"] % 2 == 0
    half = fit["train_tokens"] / 2
    d_and_a = cells.loc[(ARGMAX, 0)]["train_tokens"] / 2
    assert half < d_and_a < 3 * half


def test_temperatures_share_the_checkpoint_of_their_variant(done: RunFolder) -> None:
    cells = done.cells().set_index(["suite", "variant", "seed"])["policy_fingerprint"]
    cold = f"{ARGMAX[:-1]},temperature=0]"
    assert cells["toy", ARGMAX, 0] == cells["toy", cold, 0]


def test_a_tuned_share_and_rate_are_chosen_together(done: RunFolder) -> None:
    chosen = done.manifest()["chosen"]
    entry = next(v for k, v in chosen.items() if k.endswith("/sft_filtered"))
    assert {k for k in entry if k != "choice"} == {
        f"keep={keep:g},lr={rate:g}" for keep in (0.25, 0.5, 0.75) for rate in RATES
    }
    keep = float(entry["choice"].split(",")[0].removeprefix("keep="))
    cells = done.cells()
    assert set(cells[cells["variant"] == "sft_filtered"]["keep"]) == {keep}


def test_sft_flops_costs_what_the_primary_costs(done: RunFolder) -> None:
    cells = done.cells()
    cells = cells[cells["suite"] == "toy"].set_index(["variant", "seed"])
    for seed in (0, 1):
        mine, rsft = cells.loc[("sft_flops", seed)], cells.loc[(ARGMAX, seed)]
        # Both tried two rates, and charge both: halve the training of each.
        wanted = rsft["sample_flops"] + rsft["score_flops"] + rsft["train_flops"] / 2
        one_step = mine["train_flops"] / 2 / mine["steps"]
        assert mine["steps"] > 4
        assert mine["train_flops"] / 2 == pytest.approx(wanted, abs=1.5 * one_step)


def test_checkpoints_are_scored_beside_the_last_weights(done: RunFolder) -> None:
    cells, rows = done.cells(), done.rows()
    mine = cells[(cells["variant"] == ARGMAX) & (cells["suite"] == "toy")]
    assert set(mine["best_step"]) <= {2.0, 4.0}
    assert (mine["best_select"] >= mine["last_select"]).all()
    for _, cell in mine.iterrows():
        here = rows[
            (rows["suite"] == "toy")
            & (rows["variant"] == ARGMAX)
            & (rows["split"] == "select")
            & (rows["seed"] == cell["seed"])
        ]
        assert cell["last_select"] == pytest.approx(here["gold_pass"].mean())
    assert cells[cells["variant"] == "sft"]["best_step"].isna().all()


def test_a_label_names_a_suite_that_runs_only_its_variants(done: RunFolder) -> None:
    rows = done.rows()
    assert set(rows["suite"]) == {"toy", "toy@2"}
    assert set(rows[rows["suite"] == "toy@2"]["variant"]) == {"sft", "sft_more", ARGMAX}
    assert {c["suite"] for c in done.manifest()["confirmatory"]} == {"toy"}


def test_the_winner_is_confirmatory_with_its_own_control(done: RunFolder) -> None:
    manifest, rows = done.manifest(), done.rows()
    (winner,) = manifest["winners"]
    rows = rows[rows["suite"] == "toy"]
    select = rows[rows["split"] == "select"].groupby(["variant", "seed"])["gold_pass"].mean()
    table = np.array([[select[v, s] for s in (0, 1)] for v in SETTINGS])
    expected = leave_one_seed_out_winner(table, table).winners
    assert [winner["chosen"][s] for s in ("0", "1")] == [SETTINGS[i] for i in expected]
    for control in winner["control"].values():
        assert "accept=random" in control
        assert control in set(rows["variant"])
    records = {(r["a"], r["b"]): r for r in compare(done)["comparisons"] if r["a"] == WINNER}
    assert set(records) == {(WINNER, b) for b in ("sft_more", "sft_filtered", WINNER_CONTROL)}
    confirm = rows[rows["split"] == "confirm"].groupby(["variant", "seed"])["gold_pass"].mean()
    gain = [confirm[winner["chosen"][str(s)], s] - confirm["sft_more", s] for s in (0, 1)]
    assert records[WINNER, "sft_more"]["estimate"] == pytest.approx(np.mean(gain))
    assert json.dumps(compare(done), allow_nan=False)


def test_best_of_n_on_a_tuned_policy_waits_for_the_choice(done: RunFolder) -> None:
    cells = done.cells().set_index(["suite", "variant", "seed"])["policy_fingerprint"]
    stacked = f"best_of_n[n=2,source={ARGMAX}]"
    assert cells["toy", stacked, 0] == cells["toy", ARGMAX, 0]
    assert isinstance(done.rows(), pd.DataFrame)


def test_a_listed_variant_must_be_part_of_the_run(tiny_lm_folder: Path) -> None:
    wrong = config(tiny_lm_folder, suites=[{"name": "toy", "n": 12, "variants": ["sft_clean"]}])
    with pytest.raises(ConfigError, match="'sft_clean'"):
        make_plan(wrong, TOY)
