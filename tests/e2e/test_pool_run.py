"""Rated pools through the ordinary runner: rewards choose, people are the ceiling, labels fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.test_recorded_suites import dstc9, hh, uss

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.cli import main
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.runner import run
from rsft_bench.reports.analysis import analyse, compare
from rsft_bench.reports.build import build
from rsft_bench.reports.markdown import markdown


def config(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "policies": ["pool"],
        "suites": [{"name": "dstc9_track1", "path": str(folder / "d")}],
        "seeds": [0, 1],
        "reward": {"name": "bradley_terry", "n_label": 90},
        "variants": ["base", "best_of_n[n=2]", "best_of_n[n=2,reward=longest]"],
        "primary": None,
        "evaluation": {"draws": 2, "best_of_draws": 2, "splits": ["confirm"]},
        **more,
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    root = tmp_path_factory.mktemp("pool")
    dstc9(root / "d", turns=120)
    uss(root / "u")
    raw = config(root)
    raw["evaluation"]["satisfaction"] = str(root / "u")
    run(parse_config(raw), Catalog(), root / "out", workers=0, cache=root / "cache")
    return RunFolder(root / "out")


def test_a_reward_chooses_and_people_are_the_ceiling(done: RunFolder) -> None:
    (study,) = compare(done)["pools"]
    means = {c["name"]: c["mean"]["estimate"] for c in study["choices"]}
    # System a is rated 4 on average and b 2, everywhere; the reward finds a by its words.
    assert means["random pick"] == pytest.approx(3.0)
    assert means["bradley_terry, best of 2"] == pytest.approx(4.0)
    assert means["always a/entry0"] == pytest.approx(4.0)
    assert means["people, split raters"] == pytest.approx((5 + 4 + 3) / 3 - (3 - 3) / 3)
    # Both answers of a turn are equally long.
    assert means["longest, best of 2"] == pytest.approx(3.0)
    rows = done.rows()
    assert set(rows["draw"]) == {0, 1}
    sums = rows.groupby(["variant", "seed", "example_id"])["weight"].sum()
    assert np.allclose(sums, 1)


def test_the_report_says_who_chooses_and_what_is_predicted(done: RunFolder) -> None:
    text = markdown(build(done, analyse(done)))
    assert "## Which reward chooses best?" in text
    assert "people, split raters" in text
    assert "Nobody rated these answers." in text
    assert "published: HiGRU" in text
    assert {p["reward"] for p in done.manifest()["proxies"]} == {"bradley_terry", "longest"}
    assert done.rows()["satisfaction_predicted"].between(0, 1).all()


def test_a_reward_fitted_on_other_labels_spends_no_gold(tmp_path: Path) -> None:
    dstc9(tmp_path / "d", turns=60)
    hh(tmp_path / "h")
    labels = {"suite": "hh_rlhf", "path": str(tmp_path / "h")}
    raw = config(tmp_path, reward={"name": "bradley_terry", "n_label": 60, "labels": labels})
    raw["seeds"] = [0]
    run(parse_config(raw), Catalog(), tmp_path / "out", workers=0, cache=tmp_path / "cache")
    folder = RunFolder(tmp_path / "out")
    told = {p["reward"]: p for p in folder.manifest()["proxies"]}["bradley_terry"]
    assert told["n_label"] == 60
    assert told["labels"]["licence"] == "MIT"
    assert told["within_auc"] == 1.0
    assert (folder.cells()["gold_labels"] == 0).all()


def test_what_cannot_be_run_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    dstc9(tmp_path / "d")
    hh(tmp_path / "h")
    hhs = {"name": "hh_rlhf", "path": str(tmp_path / "h")}
    wrong = {
        "cannot stand in `suites`": {"suites": [hhs]},
        "replays the recorded answers": {"suites": ["order_status"]},
        "use policies: \\[pool\\]": {"policies": ["nano-1"]},
        "must be 'labels'": {
            "reward": {"name": "proxy", "labels": {"suite": "order_status"}},
        },
        "needs 3 test draws": {"variants": ["best_of_n[n=3]"]},
        "reads no reward": {"variants": ["majority_vote[n=2,reward=proxy]"]},
    }
    for words, change in wrong.items():
        made, out = parse_config({**config(tmp_path), **change}), tmp_path / f"o{len(words)}"
        with pytest.raises(ConfigError, match=words):
            run(made, Catalog(), out, workers=0, cache=tmp_path / "cache")
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps({**config(tmp_path), "suites": [hhs]}))
    assert main(["run", str(file), "--out", str(tmp_path / "out"), "--quiet"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.shared("dstc9_track1")
def test_the_example_runs_on_real_ratings(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    example = Path(__file__).parents[2] / "examples" / "dstc9_best_of_3.yaml"
    changes = {
        "suites.0.path": shared_data / "dstc9_track1",
        "suites.0.limit": 60,
        "reward.n_label": 180,
        "seeds": "[0]",
    }
    sets = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    argv = ["run", str(example), "--out", str(tmp_path / "out"), "--workers", "0", "--quiet"]
    assert main([*argv, *sets]) == 0
    (study,) = json.loads((tmp_path / "out" / "results.json").read_text())["pools"]
    means = {c["name"]: c["mean"]["estimate"] for c in study["choices"]}
    assert study["examples"] == 60
    assert len(means) == 9
    assert means["people, naive"] > means["people, split raters"]
    assert all(1 <= value <= 5 for value in means.values())
