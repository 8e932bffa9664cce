"""The sweep that is handed out: one pool a proposal, the winner as the protocol says, all maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from rsft_bench import reports
from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.inputs import suite_options
from rsft_bench.harness.runfolder import WINNER, WINNER_CONTROL, RunFolder
from rsft_bench.harness.runner import run
from rsft_bench.harness.spaces import make_plan, make_space, plan_cells
from rsft_bench.harness.statistics import holm, leave_one_seed_out_winner
from rsft_bench.reports.analysis import analyse
from rsft_bench.reports.figures import map_panels

EXAMPLE = Path(__file__).parents[2] / "examples" / "sweep.yaml"
#: Further pools: the second round's, and a segment's, are drawn by other policies.
PROPOSALS = {"sft[temperature=1]", "sft[temperature=0.7]"}


def raw() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    return found


@pytest.mark.parametrize("at", [0, 1], ids=["nano-1", "categorical"])
def test_every_setting_of_a_proposal_selects_from_one_pool(at: int) -> None:
    config = parse_config(raw())
    plan = make_plan(config, Catalog())
    spec = config.suites[at]
    options = suite_options(config, spec, plan.catalog)
    examples = list(plan.catalog.suite(spec.name).load(options, 0).examples)
    (policy,) = plan.policies_of(spec.key)
    _, cells = plan_cells(plan, make_space(plan, spec, policy, 0, examples), {})
    blocks: dict[str, set[str]] = {}
    settings: dict[str, int] = {}
    for cell in cells:
        first = cell.arm.turns[0].pool
        if cell.variant.method == "rsft" and cell.variant.params["online"] is None:
            assert first is not None
            blocks.setdefault(first.proposal, set()).update(node.uid for node in first.samples)
            settings[first.proposal] = settings.get(first.proposal, 0) + 1
    assert set(blocks) == PROPOSALS
    assert settings["sft[temperature=1]"] > 25
    # Blocks are 32 prompts x 8 draws, and the largest k is 16.
    prompts = sum(e.split == "train" for e in examples)
    assert {len(uids) for uids in blocks.values()} == {-(-prompts // 32) * 2}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The part on the exact policy, with fewer prompts."""
    folder = tmp_path_factory.mktemp("sweep")
    config = raw()
    config["policies"] = config["policies"][1:]
    (suite,) = config["suites"][1:]
    config["suites"] = [{**suite, "n_train": 40, "n_select": 60, "n_confirm": 60}]
    config["reward"] = {"n_label": 96}
    config["evaluation"] |= {"serve_prompts": 0, "draws": 1}
    run(parse_config(config), Catalog(), folder / "out", workers=0, cache=folder / "cache")
    return RunFolder(folder / "out")


def test_the_winner_is_chosen_by_leaving_one_seed_out(done: RunFolder) -> None:
    manifest, rows = done.manifest(), done.rows()
    (winner,) = manifest["winners"]
    settings = [
        v["id"]
        for v in manifest["variants"]
        if v["method"] == "rsft" and v["parameters"]["accept"] != "random"
    ]
    assert len(settings) == 32
    select = rows[rows["split"] == "select"].groupby(["variant", "seed"])["gold_pass"].mean()
    table = np.array([[select[v, s] for s in (0, 1, 2)] for v in settings])
    expected = [settings[i] for i in leave_one_seed_out_winner(table, table).winners]
    assert [winner["chosen"][str(s)] for s in (0, 1, 2)] == expected
    assert set(winner["control"].values()) <= set(rows["variant"])


def test_the_winner_is_measured_on_confirm_in_the_family(done: RunFolder) -> None:
    manifest, rows = done.manifest(), done.rows()
    (winner,) = manifest["winners"]
    family = [r for r in analyse(done).records if r["family"] == "confirmatory"]
    won = {r["b"]: r for r in family if r["a"] == WINNER}
    assert set(won) == {"sft_more", "sft_filtered", WINNER_CONTROL}
    assert len(family) == 6
    confirm = rows[rows["split"] == "confirm"].groupby(["variant", "seed"])["gold_pass"].mean()
    gains = [confirm[v, int(s)] - confirm["sft_more", int(s)] for s, v in winner["chosen"].items()]
    assert won["sft_more"]["estimate"] == pytest.approx(np.mean(gains))
    corrected = holm(np.array([r["p"] for r in family]))
    assert [r["p_adj"] for r in family] == pytest.approx(corrected.tolist())


def test_the_report_maps_every_dimension(done: RunFolder, tmp_path: Path) -> None:
    (suite,) = analyse(done).suites
    panels = {p.title: p for p in map_panels(suite.cells) if p.values.size > 1}
    assert panels["best of k: k × λ"].values.shape == (3, 3)
    assert panels["threshold: k × target rate, λ=1"].values.shape == (2, 3)
    assert panels["threshold: k × target rate, λ=∞"].values.shape == (2, 3)
    assert panels["statistical: k × β, λ=1, m=2"].values.shape == (2, 3)
    assert panels["statistical: k × β, λ=1, m=2"].columns == ["β=0.25", "β=1", "β=4"]
    assert not any(np.isnan(p.values).any() for p in panels.values())
    told = {r.variant for r in suite.rounds}
    assert any("rounds=2" in v for v in told)
    assert any("online=5" in v for v in told)
    reports.write(done, ("html", "md"), out=tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "choosing on the other seeds' select rows picks" in text
    assert (tmp_path / "plots" / "synthetic_choices-categorical-map.svg").exists()
