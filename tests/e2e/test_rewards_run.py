"""Runs whose answers are accepted by another reward than the proxy, on a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.cli import main
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.rewards.keyed import RandomReward
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.runner import run
from rsft_bench.harness.store import Store
from rsft_bench.reports.analysis import analyse
from rsft_bench.reports.build import build
from rsft_bench.reports.figures import draw
from rsft_bench.reports.markdown import markdown

TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
ARGMAX = "rsft[accept=argmax,k=4,lambda=1]"


def go(lm: Path, out: Path, cache: Path, reward: dict[str, Any]) -> RunFolder:
    raw = {
        "policies": [{"name": "causal_lm", "path": str(lm)}],
        "suites": [{"name": "toy", "n": 12}],
        "seeds": [0],
        "variants": ["sft", "best_of_n[n=2]", ARGMAX],
        "primary": ARGMAX,
        "pool": {"max_new_tokens": 16},
        # Enough for answers that end and that pass or fail.
        "training": {"lr": 1e-2, "batch": 8, "sft_steps": 80, "steps": 2},
        "reward": {"n_label": 48, **reward},
        "evaluation": {"draws": 2, "best_of_draws": 4, "primary_draws": 2, "serve_prompts": 6},
    }
    run(parse_config(raw), TOY, out, workers=0, cache=cache)
    return RunFolder(out)


@pytest.fixture(scope="module")
def folders(tiny_lm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """One store, so that what the rewards share is made once."""
    root = tmp_path_factory.mktemp("rewards")
    rewards: dict[str, dict[str, Any]] = {
        "random": {"name": "random"},
        "bradley_terry": {"name": "bradley_terry"},
        "body_head": {"name": "body_head", "pooling": "last"},
        "noisy": {"name": "noisy", "inner": "body_head", "scale": 2, "key": "draw"},
    }
    found = {n: go(tiny_lm_folder, root / n, root / "cache", r) for n, r in rewards.items()}
    go(tiny_lm_folder, root / "again", root / "cache", rewards["noisy"])
    return found


def pool(folder: RunFolder) -> pd.DataFrame:
    prompts = folder.examples().set_index("example_id")["prompt"]
    frame = folder.pool()
    return frame.assign(prompt=[prompts[i] for i in frame["example_id"]])


def test_the_start_is_shared_and_a_second_run_makes_nothing(folders: dict[str, RunFolder]) -> None:
    store = Store(folders["noisy"].path.parent / "cache")
    stages = [stage for _, stage, _, _ in store.entries()]
    assert stages.count("proxy") == 4
    # The common start, and one arm a reward.
    assert 2 <= stages.count("fit") <= 5


def test_random_scores_are_the_keyed_numbers(folders: dict[str, RunFolder]) -> None:
    frame = pool(folders["random"])
    expected = RandomReward(0, "draw").score_draws(
        list(frame["prompt"]), list(frame["text"]), list(frame["draw"])
    )
    assert (frame["proxy"].to_numpy() == expected).all()


def test_the_timed_answer_is_chosen_draw_by_draw(folders: dict[str, RunFolder]) -> None:
    rows = folders["random"].rows()
    served = rows[rows["variant"] == "best_of_n[n=2]"]
    timed = served[served["latency_s"].notna()].set_index("example_id")
    first = served[(served["draw"] < 2) & served["example_id"].isin(timed.index)]
    first = first[first["split"] == "confirm"]
    assert len(first) == 12
    best = first.loc[first.groupby("example_id")["proxy"].idxmax()].set_index("example_id")
    assert (timed["draw"] == best["draw"][timed.index]).all()
    assert set(best["draw"]) == {0, 1}


@pytest.mark.parametrize("name", ["bradley_terry", "body_head"])
def test_equal_answers_to_a_prompt_have_one_score(folders: dict[str, RunFolder], name: str) -> None:
    frame = pool(folders[name])
    spread = frame.groupby(["prompt", "text"])["proxy"].nunique()
    assert (spread == 1).all()
    assert ((frame["proxy"] > 0) & (frame["proxy"] < 1)).all()
    assert frame["proxy"].nunique() > 3


def test_argmax_takes_the_best_by_the_reward(folders: dict[str, RunFolder]) -> None:
    for folder in folders.values():
        first = folder.pool()
        first = first[first["draw"] < 4]
        best = first.groupby("example_id")["proxy"].max()
        picked = folder.selected().merge(first, on=["example_id", "draw"])
        assert len(picked) == 12
        assert (picked["proxy"].to_numpy() == best[picked["example_id"]].to_numpy()).all()


def test_the_manifest_and_the_report_name_the_reward(folders: dict[str, RunFolder]) -> None:
    for name, folder in folders.items():
        (told,) = folder.manifest()["proxies"]
        assert told["reward"] == name
        assert told["n_label"] == 48
        assert np.isfinite(told["brier"])
        assert sum(b["n"] for b in told["reliability"]) == told["n_held_out"]
        text = markdown(build(folder, analyse(folder)))
        assert "The reward on its own held-out labels" in text
        assert f"The proxy reward: {name}" in text.replace("\\", "")
        assert "toy-causal_lm-reliability" in draw(analyse(folder))
    assert folders["bradley_terry"].manifest()["proxies"][0]["n_pairs"] > 0
    assert "knows nothing" in markdown(build(folders["random"], analyse(folders["random"])))


def test_the_body_is_charged_for_what_it_reads(folders: dict[str, RunFolder]) -> None:
    def scoring(name: str) -> float:
        cells = folders[name].cells().set_index("variant")
        return float(cells.loc[ARGMAX, "score_flops"])

    assert scoring("body_head") == scoring("noisy") > 100 * scoring("bradley_terry") > 0
    assert scoring("random") == 0


def test_list_shows_them_with_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "rewards", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {"proxy", "bradley_terry", "body_head", "noisy", "random", "gold"} <= set(found)
    assert [p["name"] for p in found["noisy"]["params"]] == ["inner", "scale", "law", "key"]
    assert found["noisy"]["params"][1]["range"] == "[0, 1000]"


def test_an_option_that_does_not_fit_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["--set", "reward.name=noisy", "--set", "reward.law=cauchy"]
    assert main(["plan", "--preset", "smoke", *sets]) == 2
    assert "'cauchy' is not allowed" in capsys.readouterr().err
