"""Costs of a finished run against its artifacts: what is served, spent, charged and counted."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rsft_bench.harness import runner
from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.cells import cells_frame
from rsft_bench.harness.collect import collect, selected_frame
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.metering.formulas import proxy_fit_flops, proxy_score_flops, sample_flops
from rsft_bench.harness.policies.language_model import LanguageModel
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.spaces import plan_cells
from rsft_bench.harness.store import read_rows

TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
ARGMAX = "rsft[accept=argmax,k=4,lambda=1]"
ONE = "rsft[accept=all,k=1,lambda=1]"
ON_SFT = "best_of_n[n=2]"
ON_RSFT = f"best_of_n[n=2,source={ARGMAX}]"
N_LABEL = 24


def config(folder: Path, variants: list[str]) -> Any:
    return parse_config(
        {
            "policies": [{"name": "causal_lm", "path": str(folder)}],
            "suites": [{"name": "toy", "n": 12}],
            "seeds": [0, 1],
            "variants": variants,
            "primary": ARGMAX,
            "pool": {"max_new_tokens": 6},
            "training": {"lr": 1e-2, "batch": 4, "sft_steps": 24, "steps": 3},
            "reward": {"n_label": N_LABEL},
            "evaluation": {
                "draws": 2,
                "best_of_draws": 4,
                "primary_draws": 2,
                "temperatures": [0],
                "serve_prompts": 3,
            },
        }
    )


@dataclass
class Made:
    """A finished run: what the engine held at its end, and its folder."""

    run: runner.Run
    out: Path

    def cells(self, seed: int = 0) -> pd.DataFrame:
        """Cells of one seed by variant."""
        frame = RunFolder(self.out).cells()
        return frame[frame["seed"] == seed].set_index("variant")

    def arm(self, variant: str) -> Any:
        return next(c.arm for c in self.run.cells if c.variant.id == variant and c.seed == 0)


@pytest.fixture(scope="module")
def made(tiny_lm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    out = tmp_path_factory.mktemp("costs") / "out"
    held: list[runner.Run] = []

    def watched(run: runner.Run, folder: Path) -> None:
        held.append(run)
        collect(run, folder)

    variants = ["sft", "sft_filtered", ON_SFT, ARGMAX, ON_RSFT, ONE]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "collect", watched)
        cfg = config(tiny_lm_folder, variants)
        runner.run(cfg, TOY, out, workers=0, cache=out.parent / "cache")
    return Made(held[0], out)


# serving


def test_latency_is_timed_for_one_seed_on_the_answer_of_its_row(made: Made) -> None:
    rows = RunFolder(made.out).rows()
    timed = rows[rows["latency_s"].notna()]
    assert set(timed["seed"]) == {0}
    assert set(timed["split"]) == {"confirm"}
    assert set(timed["variant"]) == set(rows["variant"])
    assert (timed.groupby("variant")["example_id"].nunique() == 3).all()
    assert (timed.groupby(["variant", "example_id"]).size() == 1).all()
    assert (timed["latency_s"] > 0).all()
    (node,) = made.run.serve.values()
    served = read_rows(made.run.artifacts[node.uid].folder / "rows.jsonl")
    at = timed.set_index(["variant", "example_id"])
    assert len(served) == len(timed)
    for row in served:
        own = at.loc[(row["variant"], row["example_id"])]
        assert (own["text"], own["draw"]) == (row["text"], row["draw"])
        assert own["latency_s"] == row["latency_s"]
    assert set(timed[timed["variant"] == "sft"]["draw"]) == {0}


def test_serving_columns_are_means_of_timed_requests(made: Made) -> None:
    (node,) = made.run.serve.values()
    served = pd.DataFrame(read_rows(made.run.artifacts[node.uid].folder / "rows.jsonl"))
    cells = made.cells()
    for variant, rows in served.groupby("variant"):
        assert cells.loc[variant, "serve_wall_s"] == pytest.approx(rows["latency_s"].mean())
        assert cells.loc[variant, "serve_cpu_s"] == pytest.approx(rows["cpu_s"].mean())
    assert (cells["serve_cpu_s"] != cells["serve_wall_s"]).all()


# what a variant would cost alone


def test_best_of_n_pays_for_its_source_on_top_of_sft(made: Made) -> None:
    cells = made.cells()
    parts = [f"{s}_{w}" for s in ("sample", "score", "train") for w in ("tokens", "flops")]
    rsft, plain, both = (cells.loc[name, parts] for name in (ARGMAX, ON_SFT, ON_RSFT))
    pd.testing.assert_series_equal(both, rsft, check_names=False)
    assert plain["train_flops"] == 0  # sft is the start that every arm has
    assert 0 < plain["sample_flops"] < rsft["sample_flops"]
    assert 0 < plain["score_flops"] < rsft["score_flops"]
    assert cells.loc["sft", "train_flops"] > 0
    assert cells.loc[[ON_SFT, ON_RSFT, ARGMAX, ONE], "gold_labels"].tolist() == [N_LABEL] * 3 + [0]


def test_labels_of_a_source_without_the_proxy_are_added(made: Made, tiny_lm_folder: Path) -> None:
    plan = runner.make_plan(config(tiny_lm_folder, ["sft", ARGMAX]), TOY)
    space = runner.make_space(
        plan, plan.config.suites[0], plan.policies[0], 0, list(made.run.examples["toy", 0])
    )
    graph, _ = plan_cells(plan, space, {})
    oracle = "rsft[accept=argmax,k=4,lambda=1,oracle=true,temperature=1]"
    arm = graph.arm(f"best_of_n[n=1,source={oracle}]")
    assert arm.gold_labels == 12 * 4 + N_LABEL


def test_best_of_n_of_a_tuned_variant_waits_for_its_choice(
    tiny_lm_folder: Path, tmp_path: Path
) -> None:
    stacked = "best_of_n[n=2,source=sft_filtered]"
    cfg = config(tiny_lm_folder, ["sft", ARGMAX, stacked])
    runner.run(cfg, TOY, tmp_path / "out", workers=0, cache=tmp_path / "cache")
    folder = RunFolder(tmp_path / "out")
    assert any(path.endswith("/sft_filtered") for path in folder.manifest()["chosen"])
    cells = folder.cells().set_index(["variant", "seed"])
    assert (cells.loc[stacked]["train_tokens"] > 0).all()


def test_one_draw_of_a_shared_block_pays_its_own_prompts(
    made: Made, tiny_lm: LanguageModel
) -> None:
    pool = RunFolder(made.out).pool()
    first = pool[(pool["seed"] == 0) & (pool["draw"] == 0)]
    assert pool["draw"].max() == 7
    shape = tiny_lm.model.config.to_dict()
    cell = made.cells().loc[ONE]
    alone = sample_flops(shape, first["tokens_in"], first["tokens_out"])
    assert cell["sample_flops"] == pytest.approx(alone)
    assert cell["sample_tokens"] == first["tokens_out"].sum()
    assert cell["score_flops"] == 0


# what the proxy and D's own scores cost


def test_the_proxy_fit_reports_tokens_and_flops(made: Made) -> None:
    node = made.arm(ARGMAX).proxy
    artifact = made.run.artifacts[node.uid]
    report = json.loads((artifact.folder / "proxy.json").read_text())
    features = json.loads((artifact.folder / "proxy" / "proxy.json").read_text())["n_features"]
    held = report["n_held_out"]
    assert 0 < held < N_LABEL == report["n_label"]
    fit = proxy_fit_flops(N_LABEL - held, features, report["iterations"])
    assert artifact.cost.flops == fit + proxy_score_flops(held, features)
    samples = [
        row
        for n in node.inputs["samples"]
        for row in read_rows(made.run.artifacts[n.uid].folder / "rows.jsonl")
    ]
    labelled = sorted(samples, key=lambda row: row["draw"])[:N_LABEL]
    assert artifact.cost.tokens == sum(row["tokens_out"] for row in labelled) > 0


def test_scored_logs_are_counted_in_the_policys_tokens(made: Made, tiny_lm: LanguageModel) -> None:
    kept = made.arm("sft_filtered").fitted.inputs["D"][0]
    (scores,) = kept.inputs["scores"]
    logs = read_rows(made.run.artifacts[kept.inputs["samples"][0].uid].folder / "rows.jsonl")
    expected = sum(len(tiny_lm.encode_answer(row["text"])) for row in logs)
    assert made.run.artifacts[scores.uid].cost.tokens == expected > 0


# a selection of D's own logs


def test_a_selection_of_logs_is_audited_and_listed(made: Made) -> None:
    """An arm whose ``selected`` is of D's logs: no pool, accept rate of the logs, their draws."""
    cells = []
    for cell in made.run.cells:
        if cell.variant.id == "sft_filtered":
            kept = cell.arm.fitted.inputs["D"][0]
            cell = replace(cell, arm=replace(cell.arm, selected=kept, pool=None))
        cells.append(cell)
    run = replace(made.run, cells=tuple(cells))
    audit = cells_frame(run).set_index(["variant", "seed"])
    chosen = selected_frame(run)
    for seed in (0, 1):
        row = audit.loc[("sft_filtered", seed)]
        mine = chosen[(chosen["variant"] == "sft_filtered") & (chosen["seed"] == seed)]
        # 12 prompts with three logs each.
        assert row["accept_rate"] == round(row["keep"] * 36) / 36
        assert len(mine) == row["rows_d"] == round(row["keep"] * 36)
        assert set(mine["round"]) == {0}
        assert set(mine["draw"]) <= {0, 1, 2}
        assert (mine["row_weight"] > 0).all()
        assert (mine["count"] == 1).all()


# totals


def test_totals_are_the_sum_over_every_artifact(made: Made) -> None:
    """Independent of the ledger: every artifact of the run once, whoever uses it."""
    artifacts = {a.key: a for a in made.run.artifacts.values()}.values()
    manifest = json.loads((made.out / "manifest.json").read_text())["totals"]
    cells = RunFolder(made.out).cells()
    for name in ("tokens", "flops", "wall_s", "cpu_s"):
        everything = sum(getattr(a.cost, name) for a in artifacts)
        assert sum(stage[name] for stage in manifest.values()) == pytest.approx(everything)
    for name in ("flops", "wall_s"):
        spent = [c for c in cells.columns if c.endswith(f"_spent_{name}")]
        everything = sum(getattr(a.cost, name) for a in artifacts)
        assert cells[spent].to_numpy().sum() == pytest.approx(everything)
