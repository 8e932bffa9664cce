"""What sections, cards and pictures say, on analyses written by hand and on a small run."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic_run import INF, MATCH, PRIMARY, write_synthetic_run

from rsft_bench.harness.cli.main import main
from rsft_bench.harness.runfolder import WINNER, RunFolder, write_json, write_table
from rsft_bench.harness.statistics import benjamini_hochberg
from rsft_bench.reports.analysis import analyse
from rsft_bench.reports.build import build
from rsft_bench.reports.contests import MapCell
from rsft_bench.reports.document import Case, Document, Section, Table
from rsft_bench.reports.economics import Cost, costs
from rsft_bench.reports.figures import draw, map_panels
from rsft_bench.reports.findings import Analysis
from rsft_bench.reports.markdown import markdown
from rsft_bench.reports.means import Key
from rsft_bench.reports.plots import GREEN
from rsft_bench.reports.sections_quality import economics


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Two seeds of one suite; the manifest says what a real one may say."""
    path = write_synthetic_run(
        tmp_path_factory.mktemp("sections") / "run",
        **{"suites": ("order_status",), "seeds": (0, 1), "per_cluster": 1, "results": False},
        damage={PRIMARY: 0.35},
    )
    change(
        path,
        lambda m: (
            m["proxies"][1].update(notes=["calibration slope 0.019 raised to 0.05"]),
            m["suites"][0]["report"].update(warnings=["new services are not covered"]),
            m["chosen"]["order_status/nano-1/sft_filtered"].update({"keep=0.25": 0.1}),
        ),
    )
    return RunFolder(path)


@pytest.fixture(scope="module")
def found(run: RunFolder) -> Analysis:
    """Its analysis."""
    return analyse(run)


@pytest.fixture(scope="module")
def document(run: RunFolder, found: Analysis) -> Document:
    """Its report."""
    return build(run, found)


def change(path: Path, edit: Any) -> None:
    """Edit a manifest in place."""
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    edit(manifest)
    write_json(path / "manifest.json", manifest)


def section(document: Document, title: str) -> Section:
    """The section of that title."""
    return next(s for s in document.sections if s.title.startswith(title))


def words(document: Document, title: str) -> str:
    """Every paragraph, caption and note of a section."""
    blocks = section(document, title).blocks
    parts = [getattr(b, "text", getattr(b, "note", "")) for b in blocks]
    return " ".join([*parts, *(getattr(b, "caption", "") for b in blocks)])


def test_the_task_section_says_what_the_protocol_asks(document: Document) -> None:
    told = words(document, "The task")
    assert "Proxy of order_status, seed 1: calibration slope 0.019 raised to 0.05." in told
    assert "seed 0: calibration" not in told
    assert "set on a calibration split before any RSFT run and frozen" in told
    assert "Mixture of D: order_status: correct 60.0 %" in told
    # The two shares of the shipped card.
    assert "order_status: of 810, 0.25 % share a masked 8-gram and 0.12 % are near-" in told
    assert "returns_refunds" not in told


def test_every_trained_arm_has_its_strata(document: Document) -> None:
    tables = [b for b in section(document, "The task").blocks if isinstance(b, Table)]
    rows = [row[0] for row in tables[-1].rows]
    assert rows == [
        *("SFT", "SFT on filtered data", "RSFT (trained on best of 16), λ=1"),
        *("RSFT (trained on best of 16), λ=∞", "RSFT (trained on all of 1), λ=1"),
        "RSFT (trained on random of 16), λ=1",
    ]
    assert tables[-1].headers[1:] == tuple(
        f"{name} (10 in 10 clusters)" for name in ("answer", "ask", "refuse")
    )


def test_warnings_of_the_data_stand_at_the_top_each_on_its_own(document: Document) -> None:
    assert "order_status: new services are not covered." in document.warnings
    assert "> **Note:** order\\_status: new services are not covered.\n\n" in markdown(document)


def test_a_card_says_headroom_and_that_the_base_is_better(document: Document) -> None:
    card = document.verdicts[0]
    assert "Headroom of SFT: +" in card.numbers
    assert "The untrained base passes more (" in card.caution


def test_sft_is_the_origin_and_trials_are_named(document: Document, found: Analysis) -> None:
    cost = {c.variant: c for c in found.suites[0].costs}
    assert cost["sft"].one_off_flops == cost["sft[temperature=0]"].one_off_flops == 0.0
    # 100 steps of 64 x 78 tokens; the test run gives SFT itself no training of its own.
    assert cost["sft_more"].one_off_flops == pytest.approx(100 * 64 * 78 * 1_300_000 * 6)
    assert "trials that were not chosen: SFT on filtered data (2 trials)" in words(
        document, "Quality of"
    )
    assert "SFT on filtered data (2 trials)" in words(document, "Costs")


def test_costs_are_drawn_without_serving_too(found: Analysis) -> None:
    assert b"100,000 requests" in draw(found)["order_status-nano-1-cost"]
    unknown = tuple(replace(c, serve_flops=float("nan")) for c in found.suites[0].costs)
    dark = replace(found, suites=(replace(found.suites[0], costs=unknown),))
    picture = draw(dark)["order_status-nano-1-cost"]
    assert b"0 requests" in picture
    assert b"100,000 requests" not in picture
    assert b"best-of-8 at serving" in picture
    nothing = tuple(replace(c, one_off_flops=float("nan")) for c in unknown)
    blank = replace(found, suites=(replace(found.suites[0], costs=nothing),))
    assert "order_status-nano-1-cost" not in draw(blank)
    assert not any("-cost" in getattr(b, "name", "") for b in economics(blank).blocks)


def test_only_the_curve_of_best_of_n_has_a_band(found: Analysis) -> None:
    picture = draw(found)["order_status-nano-1-best_of_n"].decode()
    # A band is what is filled half transparent.
    assert set(re.findall(r"fill: (#\w{6}); (?:fill-)?opacity", picture)) == {GREEN.lower()}


def test_own_training_is_taken_out_of_sft_only() -> None:
    stages = {f"{s}_{w}": 1.0 for s in ("sample", "score", "train", "serve") for w in FLOPS}
    cells = pd.DataFrame(
        [
            {**stages, "suite": "s", "policy": "p", "variant": v, "method": m}
            | {"gold_labels": 0, "peak_rss_gib": 1.0, "train_flops": 7.0}
            for v, m in (("sft", "sft"), ("r", "rsft"))
        ]
    )
    draws = pd.DataFrame({"latency_s": [np.nan]})
    sft, rsft = costs(cells, {"sft": draws, "r": draws}, Key("s", "p"))
    assert (sft.one_off_flops, sft.own_flops, sft.train_tokens) == (0.0, 9.0, 0.0)
    assert (rsft.one_off_flops, rsft.own_flops) == (9.0, 0.0)
    assert rsft.total_flops(1_000) == 9.0 + 1_000 * 1.0
    assert isinstance(sft, Cost)


FLOPS = ("flops", "wall_s", "tokens")


def test_no_p_of_a_ladder_or_a_winner_is_uncorrected(document: Document, found: Analysis) -> None:
    s = found.suites[0]
    assert s.ladder is not None
    assert s.winner is not None
    assert s.ladder.best is not None
    records = [s.winner.record, s.ladder.best, *(r for _, _, _, r in s.ladder.steps)]
    assert all(r["p_adj"] is not None and r["p_adj"] >= r["p"] for r in records)
    at_one = next(r for t, _, _, r in s.ladder.steps if t == 1)
    assert at_one["family"] == "confirmatory"
    assert s.winner.record["a"] == WINNER
    explored = [r for r in found.records if r["family"] == "exploratory"]
    assert s.winner.record in explored
    again = benjamini_hochberg(np.array([1.0 if r["p"] is None else r["p"] for r in explored]))
    assert [r["p_adj"] for r in explored if r["p"] is not None] == pytest.approx(
        [q for q, r in zip(again, explored, strict=True) if r["p"] is not None]
    )
    assert "uncorrected" not in words(document, "Against") + words(document, "Which k")


@pytest.mark.parametrize("chosen", [(INF, PRIMARY), (PRIMARY, INF)])
def test_a_choice_that_the_run_wrote_down_is_the_reports(
    chosen: tuple[str, str], tmp_path: Path
) -> None:
    path = write_synthetic_run(
        tmp_path / "run",
        **{"suites": ("order_status",), "seeds": (0, 1), "per_cluster": 1, "results": False},
    )
    entry = {"suite": "order_status", "policy": "nano-1", "control": {INF: MATCH, PRIMARY: MATCH}}

    def edit(m: dict[str, Any]) -> None:
        m["winners"] = [{**entry, "chosen": dict(zip("01", chosen, strict=True))}]
        pair = {**m["confirmatory"][0], "a": WINNER, "b": "sft_more"}
        m["confirmatory"] = [*m["confirmatory"], pair]

    change(path, edit)
    (s,) = analyse(RunFolder(path)).suites
    assert s.winner is not None
    assert s.winner.chosen == dict(enumerate(chosen))
    assert s.winner.record["family"] == "confirmatory"


def test_one_seed_speaks_of_this_checkpoint(tmp_path: Path) -> None:
    path = write_synthetic_run(
        tmp_path / "one",
        **{"suites": ("order_status",), "seeds": (0,), "per_cluster": 1, "results": False},
    )
    text = markdown(build(RunFolder(path), analyse(RunFolder(path))))
    assert "new seeds" not in text
    assert "new prompts of the same suite, for this checkpoint (one seed)" in text


def test_examples_show_every_lambda_and_the_control(document: Document) -> None:
    case = next(b for b in section(document, "Example").blocks if isinstance(b, Case))
    names = [a.method for a in case.answers]
    assert names == [
        *("base model", "SFT", "SFT, same steps", "SFT on filtered data"),
        *("RSFT (trained on best of 16), λ=1", "RSFT (trained on best of 16), λ=∞"),
        *("RSFT (trained on best of 16), λ=1, T=0", "RSFT (trained on random of 16), λ=1"),
        "best-of-8 at serving",
    ]


def test_threshold_maps_have_a_panel_for_each_lambda() -> None:
    def cell(gain: float, weight: float, rate: float | None, tau: float | None = None) -> MapCell:
        record = {"estimate": gain}
        return MapCell("v", "threshold", "", 8, weight, rate, tau, record)

    argmax = [MapCell("v", "argmax", rest, 4, 1.0, None, None, {"estimate": 0.5}) for rest in "ab"]
    cells = [cell(0.1, 1.0, 0.5), cell(0.2, 2.0, 0.5), cell(0.3, 1.0, None, 0.7), *argmax]
    panels = map_panels(cells)
    assert [p.title for p in panels] == [
        "threshold: k × target rate, λ=1",
        "threshold: k × target rate, λ=2",
        "threshold: k × τ, λ=1",
        "best of k: k × λ, a",
        "best of k: k × λ, b",
    ]
    assert [p.values.tolist() for p in panels] == [[[0.1]], [[0.2]], [[0.3]], [[0.5]], [[0.5]]]
    assert panels[2].columns == ["τ=0.7"]


def test_show_marks_unknown_gold_and_names_policies(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, examples = run.rows(), run.examples()
    name = str(rows["example_id"].iloc[0])
    mine = rows[(rows["example_id"] == name) & (rows["variant"] == "sft_more")]
    rows = pd.concat([mine, mine.assign(policy="other", gold=np.nan, gold_pass=False)])
    write_table(tmp_path, "rows", rows)
    write_table(tmp_path, "examples", examples)
    write_json(tmp_path / "manifest.json", run.manifest())
    assert main(["show", str(tmp_path), "--example", name]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "sft_more" in line]
    assert len(lines) == 4
    assert all(("n/a" in line) == ("other" in line) for line in lines)
    assert all("fail" not in line for line in lines if "other" in line)
