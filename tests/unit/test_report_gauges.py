"""The ceiling stands at the top of the report; the proxy is judged on both test splits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from unit.test_report_verdicts import analysis, suite

from rsft_bench.reports.diagnostics import ProxyQuality, proxy_quality
from rsft_bench.reports.figures import draw
from rsft_bench.reports.gauges import (
    ceiling,
    ceiling_lines,
    fixed_training,
    proxy_table,
    reliability_figures,
    reward_table,
    reward_warnings,
)
from rsft_bench.reports.terminal import table_of

HUMAN = {"answers": "human answers", "gold_pass": 0.9, "confirm": {"gold_pass": 0.75}}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (HUMAN, ("human answers", 0.75)),
        ({"gold_pass": 0.9}, ("reference answers", 0.9)),
        (1.0, None),
        ({}, None),
        (None, None),
    ],
)
def test_ceiling_is_that_of_confirm_where_it_is_told(stated: Any, expected: Any) -> None:
    assert ceiling({"report": {"ceiling": stated}}) == expected
    assert ceiling({}) is None


def test_one_line_a_suite_with_a_ceiling() -> None:
    suites = [{"name": "a", "report": {"ceiling": HUMAN}}, {"name": "b", "report": {}}]
    (line,) = ceiling_lines({"suites": suites})
    assert line.startswith("Ceiling of a: human answers pass 0.750")


def test_the_terminal_table_begins_with_the_ceiling() -> None:
    found = analysis(suite(info={"report": {"ceiling": HUMAN}}))
    table = table_of(found)
    assert table.rows[0][1:3] == ("ceiling: human answers", "0.750")
    assert len(table.rows[0]) == len(table.headers)


def test_proxy_on_select_stands_beside_confirm() -> None:
    quality = ProxyQuality(
        *(0.8, (0.7, 0.9), 0.6, (0.5, 0.7), 0.2, (0.1, 0.3)),
        accuracy=0.75,
        accuracy_range=(0.7, 0.8),
        ece=0.04,
        ece_interval=(0.0, 0.06),
    )
    found = analysis(replace(suite(), proxy_select=quality))
    select, confirm = proxy_table(found).rows
    assert select[1:] == (
        *("select", "0.800 [0.700, 0.900]", "0.600 [0.500, 0.700]"),
        *("0.750 [0.700, 0.800]", "0.200 [0.100, 0.300]", "0.040 [0.000, 0.060]"),
    )
    assert confirm[1:] == ("confirm", "n/a", "n/a", "n/a", "n/a", "n/a")


def manifest(name: str = "proxy", **options: Any) -> dict[str, Any]:
    told = {"suite": "a", "policy": "p", "reward": name, "reward_options": options}
    told |= {"n_label": 400, "auc": 0.9, "within_auc": 0.7, "brier": 0.1, "n_pairs": None}
    proxies = [told | {"seed": 0, "n_held_out": 80, "n_correct": 70}]
    proxies += [told | {"seed": 1, "n_held_out": 90, "n_correct": 72, "auc": 0.8}]
    return {"config": {"reward": {"name": name, "n_label": 400}}, "proxies": proxies}


def test_the_reward_is_named_and_its_accuracy_has_an_exact_interval() -> None:
    found = replace(analysis(suite()), manifest=manifest("body_head", pooling="last"))
    own = reward_table(found)
    assert own is not None
    # 142 of 170 by SciPy's binomtest, method exact.
    assert own.rows == (
        (
            *("a", "body_head (pooling last)", "400", "n/a", "170"),
            *("0.835 [0.771, 0.888]", "0.850", "0.700", "0.100"),
        ),
    )
    assert proxy_table(found).caption == "The proxy reward: body_head (pooling last)"
    assert proxy_table(analysis(suite())).caption == "The proxy reward"
    old = {**manifest(), "proxies": [{"suite": "a", "policy": "p", "seed": 0, "n_label": 4}]}
    row = reward_table(replace(found, manifest=old))
    assert row is not None
    assert row.rows[0][4:6] == ("0", "n/a")
    assert reward_table(replace(found, manifest={})) is None


def test_a_reward_that_is_none_is_said_at_the_top() -> None:
    assert reward_warnings(manifest()) == []
    assert "knows nothing" in reward_warnings(manifest("random", key="draw"))[0]
    (line,) = reward_warnings(manifest("noisy", inner="proxy", scale=2.0))
    assert line == "Noise was put on the reward on purpose: noisy (inner proxy, scale 2)."


def draws(scores: list[float], passed: list[bool]) -> pd.DataFrame:
    size = len(scores)
    return pd.DataFrame(
        {
            **{"seed": [0] * size, "example_id": [f"e{i // 2}" for i in range(size)]},
            "cluster": [f"c{i // 2}" for i in range(size)],
            **{"gold": [float(p) for p in passed], "gold_pass": passed, "proxy": scores},
        }
    )


def test_accuracy_and_bins_are_those_of_the_draws() -> None:
    found = proxy_quality(draws([0.9, 0.2, 0.55, 0.5], [True, True, False, True]))
    assert (found.accuracy, found.accuracy_range) == (0.5, (0.5, 0.5))
    assert [(b.lo, b.n, b.share_positive) for b in found.bins] == [
        *((0.2, 1, 1.0), (0.5, 2, 0.5), (0.9, 1, 1.0)),
    ]
    # A score that is no probability ranks and nothing else.
    found = proxy_quality(draws([9.0, -2.0, 5.0, 1.0], [True, False, False, True]))
    assert (found.overall, found.within, found.brier, found.bins) == (0.75, 0.5, None, ())


def test_the_diagram_is_drawn_and_shown_where_there_is_one() -> None:
    quality = proxy_quality(draws([0.9, 0.2, 0.55, 0.5], [True, True, False, True]))
    with_bins = analysis(replace(suite(), proxy=quality))
    names = [figure.name for figure in reliability_figures(with_bins)]
    assert len(names) == 1
    assert names[0].endswith("-reliability")
    assert b"share that passes gold" in draw(with_bins)[names[0]]
    assert reliability_figures(analysis(suite())) == []
    assert not any("reliability" in name for name in draw(analysis(suite())))


def test_a_training_set_that_no_seed_redraws_is_named() -> None:
    fixed = {"name": "jsonl", "report": {"training_set": "fixed: intervals hold for it"}}
    redrawn = {"name": "sgd", "report": {}}
    (line,) = fixed_training({"suites": [fixed, redrawn, {"name": "new"}]})
    assert line.startswith("jsonl: ")
    assert "for this training set" in line
