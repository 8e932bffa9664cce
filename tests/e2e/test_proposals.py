"""Every rule and several proposals in one run: what is shared, charged, labelled and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.errors import ConfigError, UnknownNameError
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.runner import run
from rsft_bench.harness.spaces import make_plan
from rsft_bench.reports.analysis import analyse
from rsft_bench.reports.sections_proposals import proposals

TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
PLAIN = "rsft[accept=argmax,k=4,lambda=inf]"
TOP = "rsft[accept=top_m,k=4,lambda=inf,m=2]"
BASE = "rsft[accept=argmax,k=4,lambda=inf,source=base]"
COOL = "rsft[accept=argmax,k=4,lambda=inf,pool_temperature=0.5,pool_top_p=0.9]"
AGAIN = f"rsft[accept=argmax,k=4,lambda=inf,source={PLAIN}]"
MIX = "rsft[accept=argmax,k=16,lambda=inf,mix=base]"
RULES = [
    "rsft[accept=threshold,k=4,lambda=inf,prompt_rate=0.5]",
    "rsft[accept=statistical,beta=0.5,k=4,lambda=inf,m=2]",
    "rsft[accept=best_and_distinct,k=4,lambda=inf,m=2]",
    "rsft[accept=rejection,beta=1,k=4,lambda=inf]",
    "rsft[accept=random,k=4,lambda=inf,m=2,match=top_m]",
    f"rsft[accept=random,k=4,lambda=inf,match={TOP}]",
    f"rsft[accept=random,by=rate,k=4,lambda=inf,match={TOP}]",
]


def config(folder: Path, **changes: Any) -> Any:
    raw: dict[str, Any] = {
        "policies": [{"name": "causal_lm", "path": str(folder)}],
        "suites": [{"name": "toy", "n": 12}],
        "seeds": [0],
        "variants": ["base", "sft", "sft_more", PLAIN, TOP, BASE, COOL, AGAIN, MIX, *RULES],
        "primary": PLAIN,
        "pool": {"max_new_tokens": 6},
        "training": {"lr": 1e-2, "batch": 4, "sft_steps": 4, "steps": 2},
        "reward": {"n_label": 24},
        "evaluation": {
            **{"draws": 1, "best_of_draws": 1, "primary_draws": 1, "temperatures": []},
            "serve_prompts": 0,
        },
    }
    return parse_config({**raw, **changes})


@pytest.fixture(scope="module")
def done(tiny_lm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("proposals") / "out"
    run(config(tiny_lm_folder), TOY, out, workers=0, cache=out.parent / "cache")
    return RunFolder(out)


def test_equal_proposals_share_one_pool(done: RunFolder) -> None:
    pool = done.pool()
    draws = pool.groupby("proposal")["draw"].max().add(1).to_dict()
    # One of the sft pools' k is drawn in whole ranges of eight; the mixture needs two of them.
    assert draws == {
        "sft[temperature=1]": 8,
        "base[temperature=1]": 8,
        "sft[temperature=0.5,top_p=0.9]": 8,
        f"{PLAIN}[temperature=1]": 8,
        "sft+base[temperature=1]": 16,
    }


def test_a_mixture_takes_turns_and_shares_what_its_parts_drew(done: RunFolder) -> None:
    pool = done.pool().set_index(["example_id", "draw"]).sort_index()
    by = {name: part["text"] for name, part in pool.groupby("proposal")}
    mixed = by["sft+base[temperature=1]"]
    first = mixed[mixed.index.get_level_values("draw") < 8]
    pd.testing.assert_series_equal(first, by["sft[temperature=1]"])
    later = pool[pool["proposal"] == "sft+base[temperature=1]"]
    # Only draws of the start have its logprob.
    known = later["logprob_ref"].notna().groupby(level="draw").mean()
    assert (known[:8] == 1).all()
    assert (known[8:] == 0).all()


def test_what_an_arm_accepts_is_what_its_rule_says(done: RunFolder) -> None:
    sizes = done.selected().groupby(["variant", "example_id"])["count"].sum()
    per = {str(name): part.to_numpy() for name, part in sizes.groupby(level=0)}
    assert (per[TOP] == 2).all()
    assert (per[RULES[0]] == 2).all()
    assert (per[RULES[1]] == 2).all()
    assert (per[RULES[2]] <= 2).all()
    assert per[RULES[6]].sum() == per[TOP].sum()
    # By rule or by id, the control copies the same counts and draws the same answers.
    mine = done.selected().set_index("variant").drop(columns=["row_weight"])
    pd.testing.assert_frame_equal(
        mine.loc[RULES[4]].reset_index(drop=True), mine.loc[RULES[5]].reset_index(drop=True)
    )


def test_an_arm_pays_for_the_round_that_drew_its_pool(done: RunFolder) -> None:
    cells = done.cells().set_index("variant")
    assert cells.loc[AGAIN, "train_flops"] > cells.loc[PLAIN, "train_flops"]
    assert cells.loc[AGAIN, "sample_flops"] > cells.loc[PLAIN, "sample_flops"]
    assert cells.loc[BASE, "train_flops"] == pytest.approx(cells.loc[PLAIN, "train_flops"], rel=0.2)
    # One proxy serves both rounds, so its labels count once.
    assert cells.loc[AGAIN, "gold_labels"] == cells.loc[PLAIN, "gold_labels"] == 24


def test_the_report_compares_proposals(done: RunFolder) -> None:
    found = analyse(done)
    section = proposals(found)
    assert section is not None
    table = section.blocks[1]
    assert table.kind == "table"
    names = {row[0] for row in table.rows}
    assert len(names) == 5
    labels = {v.label for v in found.variants.values()}
    assert len(labels) == len(found.variants)
    assert any(text.endswith("pool from base model") for text in labels)
    (audit,) = [a for a in found.suites[0].audits if a.variant == PLAIN]
    pool = done.pool()
    mine = pool[(pool["proposal"] == "sft[temperature=1]") & (pool["draw"] < 4)]
    assert audit.tokens_each == pytest.approx(mine["tokens_out"].sum() / 12)
    cell = done.cells().set_index("variant").loc[PLAIN]
    assert audit.flops_each == pytest.approx((cell["sample_flops"] + cell["score_flops"]) / 12)


def test_a_source_waits_for_its_own_choice(tiny_lm_folder: Path, tmp_path: Path) -> None:
    """With learning rates to choose among, the second round is planned after the first's choice."""
    cfg = config(
        tiny_lm_folder,
        variants=["sft", "sft_more", PLAIN, AGAIN, f"rsft[accept=random,k=4,match={AGAIN}]"],
        training={
            **{"lr": 1e-2, "batch": 4, "sft_steps": 2, "steps": 2},
            "lr_factors": [1, 0.5],
        },
    )
    run(cfg, TOY, tmp_path / "out", workers=0, cache=tmp_path / "cache")
    cells = RunFolder(tmp_path / "out").cells().set_index("variant")
    # The trials' select draws are labels of the arm that chose by them.
    assert (cells["steps"] == 2).all()
    assert cells.loc[AGAIN, "rows_a"] == 12
    assert cells.loc[AGAIN, "gold_labels"] > 24


@pytest.mark.parametrize(
    ("variant", "error", "words"),
    [
        ("rsft[source=best_of_n[n=2]]", ConfigError, "picks among draws"),
        ("rsft[source=bse]", UnknownNameError, "'base'"),
    ],
)
def test_a_source_that_no_policy_draws_is_refused(
    tiny_lm_folder: Path, tmp_path: Path, variant: str, error: type[Exception], words: str
) -> None:
    cfg = config(
        tiny_lm_folder,
        variants=["sft", variant],
        primary=None,
        evaluation={"draws": 4, "best_of_draws": 4, "primary_draws": 4, "temperatures": []},
        gate={"variants": ["sft"]},
    )
    with pytest.raises(error, match=words):
        run(cfg, TOY, tmp_path / "out", workers=0, cache=tmp_path / "cache")


def test_the_size_of_a_pool_is_that_of_its_own_proposal(tiny_lm_folder: Path) -> None:
    sizes = make_plan(config(tiny_lm_folder), TOY).k_max()
    assert {p.name: k for p, k in sizes.items()} == {
        "sft[temperature=1]": 4,
        "base[temperature=1]": 4,
        "sft[temperature=0.5,top_p=0.9]": 4,
        f"{PLAIN}[temperature=1]": 4,
        "sft+base[temperature=1]": 16,
    }
