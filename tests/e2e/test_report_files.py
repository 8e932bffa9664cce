"""Reports of a whole synthetic run: files, safety, speed, and answers that follow the truth."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic_run import PRIMARY, write_synthetic_run

from rsft_bench import reports
from rsft_bench.harness.errors import UserError
from rsft_bench.harness.runfolder import STAGES, RunFolder
from rsft_bench.reports.analysis import analyse
from rsft_bench.reports.findings import Analysis
from rsft_bench.reports.questions import answers

VOID = {"meta", "img", "br", "link", "input", "hr"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run in which RSFT gains .2 on both suites."""
    path = tmp_path_factory.mktemp("run") / "real"
    size = {"effect": 0.2, "seed_sd": 0.005, "per_cluster": 2, "results": False}
    return RunFolder(write_synthetic_run(path, seeds=(0, 1, 2, 3), **size))


@pytest.fixture(scope="module")
def found(run: RunFolder) -> Analysis:
    """Its analysis."""
    return analyse(run)


@pytest.fixture(scope="module")
def written(run: RunFolder) -> tuple[list[Path], float]:
    """Its reports and the CPU seconds they took."""
    start = time.process_time()
    return reports.write(run, ("html", "md", "json")), time.process_time() - start


class Checker(HTMLParser):
    """Collects tags, attributes, and tags left open or closed out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.wrong: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [v or "" for k, v in attrs if k in {"src", "href", "srcset", "action"}]
        self.ids += [v or "" for k, v in attrs if k == "id"]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.wrong.append(tag)


def test_files_and_time(written: tuple[list[Path], float], run: RunFolder) -> None:
    files, took = written
    assert [f.name for f in files] == ["report.html", "report.md", "results.json"]
    assert took < 20
    plots = sorted(p.name for p in (run.path / "plots").iterdir())
    kinds = ["best_of_n", "cost", "map", "quality", "reliability"]
    assert plots == [
        f"{s}-nano-1-{k}.svg" for s in ("order_status", "returns_refunds") for k in kinds
    ]


def test_html_is_well_formed_and_loads_nothing(written: tuple[list[Path], float]) -> None:
    page = written[0][0].read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(page)
    assert checker.wrong == []
    assert checker.stack == []
    assert len(checker.ids) == len(set(checker.ids))
    assert not checker.tags & {"script", "link", "iframe", "object", "base", "form"}
    assert all(link.startswith(("data:image/svg+xml;base64,", "#")) for link in checker.links)
    assert {link[1:] for link in checker.links if link.startswith("#")} <= set(checker.ids)
    assert not re.search(r"url\(|@import|https?://", page)


def test_answers_of_the_model_stay_text(written: tuple[list[Path], float]) -> None:
    page, text = (f.read_text(encoding="utf-8") for f in written[0][:2])
    assert "&lt;script&gt;alert(" in page
    assert "<script" not in page
    assert "<script" not in text


def test_sections_and_twenty_examples(written: tuple[list[Path], float]) -> None:
    page, text = (f.read_text(encoding="utf-8") for f in written[0][:2])
    assert page.count('<div class="case">') == 20
    for words in (
        "Seven questions",
        "Quality of every method",
        "Against a lower temperature",
        "Break-even between RSFT and best-of-n",
        "What RSFT accepted",
        "The proxy reward",
        "Harm, each kind apart",
        "Built-in A/A check",
        "Cost by stage",
        "authors of the suites set the share of good answers",
        "Preset `sweep` draws the full maps",
        "base model",
    ):
        assert words in text
    assert re.search(r"0 of \d+, at most 4\.9 %", text)  # 1 - .05 ** (1 / 60)


def test_a_real_gain_is_found_on_both_suites(found: Analysis) -> None:
    replies = answers(found)
    assert replies[0].word == "yes"
    assert [p.word for p in replies[0].parts] == ["yes", "yes"]
    assert replies[1].word == "yes"
    assert replies[2].word == "yes"
    assert replies[3].word == "cannot tell"
    assert replies[4].word == "yes"


def test_results_follow_the_contract(written: tuple[list[Path], float]) -> None:
    results = json.loads(written[0][2].read_text(encoding="utf-8"))
    family = [r for r in results["comparisons"] if r["family"] == "confirmatory"]
    assert len(family) == 6
    assert {r["a"] for r in family} == {PRIMARY}
    assert all(r["p"] <= r["p_adj"] <= 1 for r in results["comparisons"] if r["p_adj"] is not None)
    checks = [r for r in results["comparisons"] if r["family"] == "aa"]
    assert len(checks) == 2
    assert len(results["answers"]) == 7


def test_estimates_lie_near_the_truth(found: Analysis) -> None:
    for r in found.records:
        if r["family"] == "confirmatory" and r["b"] == "sft_more":
            assert abs(r["estimate"] - 0.2) < 4 * r["se"]
        if r["family"] == "aa":
            assert abs(r["estimate"]) < 4 * r["se"]


@pytest.mark.parametrize("rng_seed", [1, 2])
def test_no_gain_is_never_a_yes(rng_seed: int, tmp_path: Path) -> None:
    path = write_synthetic_run(
        tmp_path / "null",
        **{"suites": ("order_status",), "seeds": (0, 1, 2), "per_cluster": 2},
        **{"effect": 0.0, "rng_seed": rng_seed, "results": False},
    )
    replies = answers(analyse(RunFolder(path)))
    assert replies[0].word in {"no", "cannot tell"}
    assert replies[1].word in {"no", "cannot tell"}


def test_same_run_same_bytes(
    written: tuple[list[Path], float], run: RunFolder, tmp_path: Path
) -> None:
    again = reports.write(RunFolder(run.path), ("html", "md"), tmp_path / "b")
    assert [f.read_bytes() for f in written[0][:2]] == [f.read_bytes() for f in again]


def test_terminal_table(found: Analysis) -> None:
    table = reports.table_of(found)
    assert all(len(row) == len(table.headers) for row in table.rows)
    assert len(table.rows) == 2 * 15
    assert any("order_status? yes" in note for note in table.footnotes)


def test_unknown_format_is_one_line(run: RunFolder) -> None:
    with pytest.raises(UserError, match="unknown report format 'pdf'; known: html, md, json"):
        reports.write(run, ("pdf",))


def test_spent_costs_sum_to_the_manifest(run: RunFolder) -> None:
    cells, totals = run.cells(), run.manifest()["totals"]
    for stage in STAGES:
        assert cells[f"{stage}_spent_flops"].sum() == pytest.approx(totals[stage]["flops"])


def test_thin_and_partial_runs_are_reported(tmp_path: Path) -> None:
    path = write_synthetic_run(
        tmp_path / "thin",
        **{"suites": ("order_status",), "seeds": (0,), "clusters": 6, "per_cluster": 1},
        results=False,
    )
    text = reports.write(RunFolder(path), ("md",))[0].read_text(encoding="utf-8")
    assert "6 clusters in confirm, so no intervals" in text
    assert "(no interval)" in text


def test_reports_leave_torch_unloaded() -> None:
    code = (
        "import sys, rsft_bench.reports, rsft_bench.reports.build; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_analysis_is_frozen(found: Analysis) -> None:
    with pytest.raises(AttributeError):
        found.margin = 0.1  # type: ignore[misc]
