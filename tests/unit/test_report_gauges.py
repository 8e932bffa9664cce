"""The ceiling stands at the top of the report; the proxy is judged on both test splits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.test_report_verdicts import analysis, suite

from rsft_bench.reports.diagnostics import ProxyQuality
from rsft_bench.reports.gauges import ceiling, ceiling_lines, fixed_training, proxy_table
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
    quality = ProxyQuality(0.8, (0.7, 0.9), 0.6, (0.5, 0.7), 0.2, (0.1, 0.3), 0.04, (0.0, 0.06))
    found = analysis(replace(suite(), proxy_select=quality))
    select, confirm = proxy_table(found).rows
    assert select[1:] == (
        *("select", "0.800 [0.700, 0.900]", "0.600 [0.500, 0.700]", "0.200 [0.100, 0.300]"),
        "0.040 [0.000, 0.060]",
    )
    assert confirm[1:] == ("confirm", "n/a", "n/a", "n/a", "n/a")


def test_a_training_set_that_no_seed_redraws_is_named() -> None:
    fixed = {"name": "jsonl", "report": {"training_set": "fixed: intervals hold for it"}}
    redrawn = {"name": "sgd", "report": {}}
    (line,) = fixed_training({"suites": [fixed, redrawn, {"name": "new"}]})
    assert line.startswith("jsonl: ")
    assert "for this training set" in line
