"""Every objective end to end on a tiny random model: trained, charged, recorded, reported."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rsft_bench import reports
from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.config import RunConfig, parse_config
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.policies.causal_lm import PATH, CausalLMPolicy
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.runner import run

TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
PLAIN = "rsft[accept=argmax,k=4,lambda=1]"
ANCHORED = "rsft[accept=argmax,anchor=0.5,k=4,lambda=1]"
AWAY = "rsft[accept=argmax,k=4,lambda=1,negative=unlikelihood,negative_weight=0.2]"
NFT = "nft[k=4,target_rate=0.5]"
RWR = "rwr[beta=0.5,k=4]"
DPO = "dpo[beta=0.1,k=4]"
VARIANTS = ["sft", "sft_more", PLAIN, ANCHORED, AWAY, NFT, RWR, DPO]
LEFT = ["rwr[beta=0.5,k=4,lambda=0]", "rsft[accept=all,k=4,lambda=1]", "rwr[beta=inf,k=4]"]


def config(folder: Path, **changes: Any) -> RunConfig:
    raw: dict[str, Any] = {
        "policies": [{"name": "causal_lm", "path": str(folder)}],
        "suites": [{"name": "toy", "n": 12}],
        "seeds": [0, 1],
        "variants": [*VARIANTS, *LEFT],
        "primary": PLAIN,
        "pool": {"max_new_tokens": 8},
        "training": {"lr": 1e-2, "batch": 4, "sft_steps": 30, "steps": 3},
        "reward": {"n_label": 48},
        "evaluation": {"draws": 2, "best_of_draws": 2, "primary_draws": 2, "serve_prompts": 0},
    }
    return parse_config({**raw, **changes})


@pytest.fixture(scope="module")
def done(tiny_lm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """One finished run, its cache beside it."""
    out = tmp_path_factory.mktemp("objectives") / "out"
    run(config(tiny_lm_folder), TOY, out, workers=0, cache=out.parent / "cache")
    return RunFolder(out)


@pytest.fixture(scope="module")
def cells(done: RunFolder) -> pd.DataFrame:
    """Its cells by variant, those of seed 0."""
    found = done.cells()
    return found[found["seed"] == 0].set_index("variant")


def selected(done: RunFolder, variant: str) -> pd.DataFrame:
    found = done.selected()
    return found[(found["variant"] == variant) & (found["seed"] == 0)]


def test_every_arm_has_a_policy_of_its_own(cells: pd.DataFrame, done: RunFolder) -> None:
    assert set(done.rows()["variant"]) >= {*VARIANTS, *LEFT}
    assert cells.loc[VARIANTS, "policy_fingerprint"].nunique() == len(VARIANTS)


def test_equal_objectives_are_one_artifact(cells: pd.DataFrame) -> None:
    """Lambda 0 is sft_more, and weights that ignore the reward are all answers evenly."""
    prints = cells["policy_fingerprint"]
    assert prints[LEFT[0]] == prints["sft_more"]
    assert prints[LEFT[1]] == prints[LEFT[2]]
    assert cells.loc[LEFT[0], ["sample_flops", "score_flops", "gold_labels"]].tolist() == [0, 0, 0]


def test_charges_are_those_of_rsft_and_the_reference_is_paid(cells: pd.DataFrame) -> None:
    for variant in (ANCHORED, AWAY, NFT, RWR, DPO):
        assert cells.loc[variant, "sample_flops"] == cells.loc[PLAIN, "sample_flops"]
        assert cells.loc[variant, "score_flops"] == cells.loc[PLAIN, "score_flops"]
        assert cells.loc[variant, "gold_labels"] == 48
    # The reference's forward pass beside forward and backward: 4 passes for 3.
    ratio = cells.loc[ANCHORED, "train_flops"] / cells.loc[PLAIN, "train_flops"]
    assert ratio == pytest.approx(4 / 3, rel=1e-12)
    assert cells.loc[ANCHORED, "train_tokens"] == cells.loc[PLAIN, "train_tokens"]
    assert cells.loc[AWAY, "train_tokens"] > cells.loc[PLAIN, "train_tokens"]


def test_rwr_weights_sum_to_one_share_a_prompt(done: RunFolder) -> None:
    found = selected(done, RWR)
    sums = found.groupby("example_id")["row_weight"].sum()
    assert len(sums) == 12
    assert sums.to_numpy() == pytest.approx(np.full(12, sums.iloc[0]))
    pool = done.pool()
    merged = found.merge(pool[pool["seed"] == 0], on=["example_id", "draw"])
    assert len(merged) == 48
    log_weight = np.log(merged["row_weight"]) - np.log(
        merged.groupby("example_id")["row_weight"].transform("max")
    )
    gap = merged["proxy"] - merged.groupby("example_id")["proxy"].transform("max")
    centred = merged["proxy"] - merged.groupby("example_id")["proxy"].transform("mean")
    spread = np.sqrt((centred**2).sum() / 36)
    assert log_weight.to_numpy() == pytest.approx((gap / (0.5 * spread)).to_numpy(), abs=1e-9)


def test_dpo_pairs_weigh_the_same_and_best_is_chosen(done: RunFolder) -> None:
    found = selected(done, DPO)
    assert 0 < len(found) <= 12
    assert found["row_weight"].to_numpy() == pytest.approx(np.full(len(found), 1 / len(found)))
    pool = done.pool()
    best = pool[(pool["seed"] == 0) & (pool["draw"] < 4)].groupby("example_id")["proxy"].max()
    merged = found.merge(pool[pool["seed"] == 0], on=["example_id", "draw"])
    assert (merged["proxy"].to_numpy() == best[merged["example_id"]].to_numpy()).all()


def test_nft_rows_hold_both_verdicts(done: RunFolder, cells: pd.DataFrame) -> None:
    found = selected(done, NFT)
    assert set(found["count"]) == {0, 1}
    by_prompt = found.groupby("example_id")["count"]
    assert (by_prompt.nunique() == 2).all()
    assert (by_prompt.size() == 4).all()
    rate = by_prompt.mean()
    each = found.groupby("example_id")["row_weight"].first() / (1 - rate)
    assert each.to_numpy() == pytest.approx(np.full(len(each), each.iloc[0]))
    assert 0 < cells.loc[NFT, "tau"] < 1


def test_reports_are_written(done: RunFolder) -> None:
    written = reports.write(done, ("md", "json"))
    text = next(p for p in written if p.suffix == ".md").read_text()
    for name in ("nft", "rwr", "dpo"):
        assert f"| {name}" in text


@dataclasses.dataclass(frozen=True)
class Narrow(CausalLMPolicy):
    """A causal LM whose trainer knows the likelihood alone."""

    losses: frozenset[str] = frozenset({"likelihood"})


NARROW: Registry[Any] = Registry("policy", [Narrow("causal_lm", "1", "narrow", options=(PATH,))])


def test_a_policy_without_the_loss_is_refused_before_anything_is_spent(
    tiny_lm_folder: Path, tmp_path: Path
) -> None:
    catalog = Catalog({**TOY.paths, "policy": f"{__name__}:NARROW"})
    cfg = config(tiny_lm_folder, variants=["sft", DPO], primary=None)
    with pytest.raises(ConfigError, match=r"'causal_lm' cannot be trained by loss 'preference'"):
        run(cfg, catalog, tmp_path / "out", workers=0, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("rows.jsonl"))


def test_nft_refuses_a_pool_that_another_law_drew(tiny_lm_folder: Path, tmp_path: Path) -> None:
    cfg = config(tiny_lm_folder, variants=["sft", NFT], primary=None, pool={"temperature": 0.7})
    with pytest.raises(ConfigError, match=r"pool\.temperature, now 0\.7"):
        run(cfg, TOY, tmp_path / "out", workers=0, cache=tmp_path / "cache")
