"""Best-of-n, votes and MBR over the draws of SFT and of RSFT: weights, costs, latency, report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.config_sources import load_config
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.runner import run
from rsft_bench.harness.similarity import ngram_f1
from rsft_bench.harness.spaces import make_plan
from rsft_bench.harness.statistics import (
    best_of_n_weights,
    majority_vote_weights,
    mbr_weights,
    weighted_vote_weights,
)
from rsft_bench.reports.analysis import analyse
from rsft_bench.reports.build import build
from rsft_bench.reports.cases import cases
from rsft_bench.reports.document import Case
from rsft_bench.reports.figures import draw
from rsft_bench.reports.markdown import markdown

TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
ARGMAX = "rsft[accept=argmax,k=4,lambda=1]"
RULES = ("best_of_n", "majority_vote", "weighted_vote", "mbr")
ON_SFT = [f"{rule}[n=3]" for rule in RULES] + ["majority_vote[n=4]"]
ON_RSFT = [f"{rule}[n=4,source={ARGMAX}]" for rule in RULES]
N_LABEL = 24
RNG = np.random.default_rng(0)


def config(policy: Any, **changes: Any) -> Any:
    raw: dict[str, Any] = {
        "policies": [policy],
        "suites": [{"name": "toy", "n": 12}],
        "seeds": [0, 1],
        "variants": ["sft", "sft_more", ARGMAX, *ON_SFT, *ON_RSFT],
        "primary": ARGMAX,
        "pool": {"max_new_tokens": 6},
        "training": {"lr": 1e-2, "batch": 4, "sft_steps": 24, "steps": 3},
        "reward": {"n_label": N_LABEL},
        "evaluation": {
            **{"draws": 1, "best_of_draws": 8, "primary_draws": 1, "temperatures": [0]},
            "serve_prompts": 3,
        },
    }
    return parse_config({**raw, **changes})


@dataclass
class Done:
    """A finished run: its folder, rows and cells."""

    folder: RunFolder
    rows: pd.DataFrame
    cells: pd.DataFrame

    def groups(self, variant: str) -> Iterator[pd.DataFrame]:
        """The draws of each example and seed, in order."""
        mine = self.rows[self.rows["variant"] == variant]
        for _, group in mine.groupby(["seed", "split", "example_id"]):
            yield group.sort_values("draw")


@pytest.fixture(scope="module")
def done(tiny_lm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    out = tmp_path_factory.mktemp("picked") / "out"
    policy = {"name": "causal_lm", "path": str(tiny_lm_folder)}
    run(config(policy), TOY, out, workers=0, cache=out.parent / "cache")
    folder = RunFolder(out)
    return Done(folder, folder.rows(), folder.cells())


def expected(rule: str, texts: list[str], proxy: np.ndarray, n: int) -> np.ndarray:
    classes = np.array([("a" in text) + 2 * ("e" in text) for text in texts])
    if rule == "best_of_n":
        return best_of_n_weights(proxy, n)
    if rule == "majority_vote":
        return majority_vote_weights(classes, n)
    if rule == "weighted_vote":
        return weighted_vote_weights(classes, proxy, n, RNG)
    return mbr_weights(ngram_f1(texts), n, RNG)


@pytest.mark.parametrize("variant", [*ON_SFT, *ON_RSFT])
def test_rows_carry_the_source_with_the_weights_of_the_rule(done: Done, variant: str) -> None:
    rule, n = variant.partition("[")[0], 4 if "n=4" in variant else 3
    uneven = 0
    source = ARGMAX if "source" in variant else "sft"
    own = done.rows[done.rows["variant"] == source].set_index(["seed", "example_id", "draw"])
    for group in done.groups(variant):
        assert group["draw"].tolist() == list(range(8))
        at = pd.MultiIndex.from_frame(group[["seed", "example_id", "draw"]])
        assert group["text"].tolist() == own.loc[at, "text"].tolist()
        found = group["weight"].to_numpy()
        assert found.sum() == pytest.approx(1)
        right = expected(rule, group["text"].tolist(), group["proxy"].to_numpy(), n)
        assert found == pytest.approx(right, abs=1e-12)
        assert set(group["served_tokens_out"]) == {round(n * group["tokens_out"].mean())}
        uneven += not np.allclose(found, 1 / 8)
    assert uneven > 0


def test_what_reads_no_proxy_pays_for_none(done: Done) -> None:
    cells = done.cells[done.cells["seed"] == 0].set_index("variant")
    parts = [f"{s}_{w}" for s in ("sample", "score", "train") for w in ("tokens", "flops")]
    for name in ("majority_vote[n=3]", "mbr[n=3]"):
        assert (cells.loc[name, parts] == 0).all()
        assert cells.loc[name, "gold_labels"] == 0
    best, vote = (cells.loc[f"{rule}[n=3]"] for rule in ("best_of_n", "weighted_vote"))
    pd.testing.assert_series_equal(vote[parts], best[parts], check_names=False)
    assert vote["sample_flops"] > 0
    assert vote["gold_labels"] == N_LABEL
    # Over RSFT's draws each pays what RSFT cost; its proxy and labels are in that already.
    for name in ON_RSFT:
        pd.testing.assert_series_equal(
            cells.loc[name, parts], cells.loc[ARGMAX, parts], check_names=False
        )
        assert cells.loc[name, "gold_labels"] == N_LABEL
        assert cells.loc[name, "policy_fingerprint"] == cells.loc[ARGMAX, "policy_fingerprint"]


def test_every_rule_is_timed_and_pays_for_all_its_draws(done: Done) -> None:
    cells = done.cells[done.cells["seed"] == 0].set_index("variant")
    timed = done.rows[done.rows["latency_s"].notna()]
    for name in [*ON_SFT, *ON_RSFT]:
        mine = timed[timed["variant"] == name]
        assert len(mine) == 3
        assert (mine["draw"] < (4 if "n=4" in name else 3)).all()
        # Served by a rule that gives it a chance: its weight over all subsets is positive.
        assert (mine["weight"] > 0).all()
    three = cells.loc[[f"{rule}[n=3]" for rule in RULES]]
    assert three["serve_tokens"].nunique() == 1  # the same three draws
    assert cells.loc["majority_vote[n=4]", "serve_tokens"] > three["serve_tokens"].iloc[0]
    free, scored = three["serve_flops"].iloc[[1, 3]], three["serve_flops"].iloc[[0, 2]]
    assert free.nunique() == 1
    assert scored.nunique() == 1
    assert scored.iloc[0] > free.iloc[0] > cells.loc["sft", "serve_flops"]


def test_the_report_shows_them_apart_from_best_of_n(done: Done) -> None:
    found = analyse(done.folder)
    (suite,) = found.suites
    labels = {v: found.label(v) for v in [*ON_SFT, *ON_RSFT]}
    assert labels["majority_vote[n=4]"] == "majority vote of 4 at serving"
    assert labels[ON_RSFT[3]].startswith("closest to the rest of 4 (MBR) at serving, from RSFT")
    assert len(set(labels.values())) == len(labels)
    assert {item.variant for item in suite.levels} >= set(labels)
    # n = 4 is run as a vote only: the curve and the break-even stay best-of-n's.
    assert suite.curve[-1].n == 3
    assert suite.break_even is not None
    assert suite.break_even.n_max == 3
    pairs = {(r["a"], r["b"]) for r in found.records}
    assert ("majority_vote[n=3]", "best_of_n[n=3]") in pairs
    assert ("majority_vote[n=4]", "best_of_n[n=3]") not in pairs
    assert (ON_RSFT[2], ON_RSFT[0]) in pairs
    assert (ON_RSFT[0], ARGMAX) in pairs
    for v in [*ON_SFT, *ON_RSFT]:
        assert found.variants[v].n == (4 if "n=4" in v else 3)
        assert found.variants[v].on_rsft == ("source" in v)


def test_the_written_report_names_every_rule(done: Done) -> None:
    words = markdown(build(done.folder, analyse(done.folder)))
    for label in ("majority vote of 3", "proxy-weighted vote of 3", "closest to the rest of 3"):
        assert label in words


def test_pictures_and_examples_show_what_is_served(done: Done) -> None:
    found = analyse(done.folder)
    pictures = {name: svg.decode() for name, svg in draw(found).items()}
    quality = next(svg for name, svg in pictures.items() if name.endswith("-quality"))
    curve = next(svg for name, svg in pictures.items() if name.endswith("-best_of_n"))
    assert "majority vote of 3 at serving" in quality
    assert "majority vote" not in curve
    section = cases(found, done.rows, done.folder.examples())
    shown = [block for block in section.blocks if isinstance(block, Case)]
    label = found.label("majority_vote[n=4]")
    for case in shown:
        (answer,) = (a for a in case.answers if a.method == label)
        name = case.title.split(" · ")[-2]
        mine = done.rows[done.rows["variant"] == "majority_vote[n=4]"]
        mine = mine[(mine["example_id"] == name) & (mine["seed"] == 0)].sort_values("draw")
        best = mine.loc[mine["weight"].idxmax()]
        assert answer.text == (best["text"] or "(empty answer)")
    assert shown


def test_votes_need_neither_a_proxy_nor_gold_labels(tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    given = ["an e", "a", "a b", "zz"]
    lines = [
        {"example_id": f"{split}/{i}", "answers": given}
        for split in ("select", "confirm")
        for i in range(12)
    ]
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
    policy = {"name": "recorded", "path": str(answers)}
    cfg = config(
        policy,
        variants=["base", "majority_vote[n=2]", "mbr[n=2]"],
        primary=None,
        gate={"variants": ["base"]},
        evaluation={"draws": 1, "best_of_draws": 4, "temperatures": []},
    )
    run(cfg, TOY, tmp_path / "out", workers=0, cache=tmp_path / "cache")
    rows = RunFolder(tmp_path / "out").rows()
    assert rows["proxy"].isna().all()
    voted = rows[rows["variant"] != "base"]
    # Two of four draws: a vote of two is an even choice, and so is MBR of two.
    assert voted["weight"].tolist() == pytest.approx([0.25] * len(voted))
    assert (RunFolder(tmp_path / "out").cells()["gold_labels"] == 0).all()


def test_what_serves_one_of_many_is_no_source(tiny_lm_folder: Path, tmp_path: Path) -> None:
    policy = {"name": "causal_lm", "path": str(tiny_lm_folder)}
    nested = "mbr[n=2,source=best_of_n[n=2]]"
    cfg = config(policy, variants=["sft", ARGMAX, "best_of_n[n=2]", nested])
    with pytest.raises(ConfigError, match=r"source 'best_of_n\[n=2\]' serves one of several"):
        run(cfg, TOY, tmp_path / "out", workers=0, cache=tmp_path / "cache")
    few = config(policy, variants=["sft", ARGMAX, "majority_vote[n=5]"])
    with pytest.raises(ConfigError, match=r"majority_vote\[n=5\] needs 10 test draws of 'sft'"):
        run(few, TOY, tmp_path / "few", workers=0, cache=tmp_path / "cache")


def test_standard_serves_rsft_by_best_of_n_from_enough_draws() -> None:
    plan = make_plan(load_config(None, preset_name="standard", environ={}).config, Catalog())
    assert plan.primary is not None
    names = {v.id for v in plan.variants}
    assert {f"best_of_n[n={n},source={plan.primary.id}]" for n in (2, 4)} <= names
    assert {f"{rule}[n=8]" for rule in RULES} <= names
    (policy,) = plan.policies
    assert plan.sources(policy.capabilities) == {"sft", plan.primary.id}
    assert plan.serving(plan.primary, policy.capabilities).draws == 16
