"""Diversity of the arms in the report: equal draws and prompts for all, n/a where too few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from synthetic_run import PRIMARY, write_synthetic_run
from unit.test_report_verdicts import analysis, suite

from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.statistics import Effect
from rsft_bench.reports.analysis import analyse, as_results
from rsft_bench.reports.diversity import BUDGET, PROMPTS, Diversity, diversities, diversity
from rsft_bench.reports.document import Table
from rsft_bench.reports.naming import Variant
from rsft_bench.reports.sections_audit import training


def frame(texts: list[list[str]], seed: int = 0) -> pd.DataFrame:
    """Draws of each prompt; every prompt is its own cluster."""
    rows = [
        {"seed": seed, "example_id": f"e{i:03d}", "cluster": f"c{i:03d}", "draw": j, "text": text}
        for i, drawn in enumerate(texts)
        for j, text in enumerate(drawn)
    ]
    return pd.DataFrame(rows)


def test_equal_draws_are_one_answer_and_unlike_draws_are_two() -> None:
    # Every second prompt repeats itself; the third draw is never read.
    texts = [[f"a{i} b{i}", f"a{i} b{i}" if i % 2 else f"c{i} d{i}", "x"] for i in range(PROMPTS)]
    found = diversity("v", frame(texts))
    assert found.self_bleu is not None
    assert found.vendi is not None
    assert found.self_bleu.estimate == pytest.approx(0.5)
    assert found.vendi.estimate == pytest.approx(1.5)
    assert found.vendi.clusters == PROMPTS
    assert found.distinct_2 is None  # one bigram a prompt: far fewer than the budget


def test_distinct_bigrams_are_counted_over_first_answers_at_the_budget() -> None:
    long = " ".join(f"w{j}" for j in range(26))
    texts = [[f"{long}", f"other{i}"] for i in range(50)]
    both = pd.concat([frame(texts), frame(texts, seed=1)])
    found = diversity("v", both)
    # 25 distinct bigrams among 1,250, each 50 times: all are met in 1,000 draws.
    assert found.distinct_2 == pytest.approx(25 / BUDGET)
    assert found.self_bleu is not None
    assert found.self_bleu.seeds == 2


def test_all_variants_are_read_at_the_same_prompts() -> None:
    many = [[f"a{i}", f"a{i}"] for i in range(3 * PROMPTS)]
    found = diversity("v", frame(many))
    assert found.vendi is not None
    assert found.vendi.n == PROMPTS


def test_one_draw_has_no_pairs_and_best_of_n_is_left_out() -> None:
    alone = diversity("v", frame([["a b"]] * 3))
    assert alone == Diversity("v", None, None, None)
    table = {
        "v": Variant("v", "sft", {}, True, False),
        "best": Variant("best", "best_of_n", {"n": 2}, False, False),
    }
    draws = frame([["a", "b"]] * 3)
    assert [d.variant for d in diversities({"v": draws, "best": draws}, table)] == ["v"]


def test_the_section_shows_one_row_a_variant() -> None:
    effect = Effect(1.25, 1.2, 1.3, 0.02, 29, 40, 30, 5, None, None, "seeds and prompts")
    one = Diversity("sft", 0.4567, None, effect)
    blocks = training(analysis(replace(suite(), diversity=(one,)))).blocks
    (table,) = [b for b in blocks if isinstance(b, Table) and b.caption.endswith("diversity")]
    assert table.rows[0][1:] == ("0.457", "n/a", "1.25 [1.20, 1.30]")
    assert "1,000" in table.note


def test_a_run_writes_its_diversity_into_results(tmp_path) -> None:
    path = write_synthetic_run(
        tmp_path / "run", suites=("order_status",), seeds=(0, 1), per_cluster=1, results=False
    )
    results = as_results(analyse(RunFolder(path)))
    by_id = {d["variant"]: d for d in results["suites"][0]["diversity"]}
    assert by_id[PRIMARY]["vendi"]["n"] == 30
    assert 1 <= by_id[PRIMARY]["vendi"]["lo"] <= by_id[PRIMARY]["vendi"]["hi"] <= 2
    assert by_id["sft[temperature=0]"]["self_bleu"] is None
    assert not any(name.startswith("best_of_n") for name in by_id)
    ece = results["suites"][0]["proxy"]
    assert 0 <= ece["ece_interval"][0] <= ece["ece_interval"][1] <= 1
    assert np.isfinite(ece["ece"])
