"""Question 4's answer and table, on effects written by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.test_report_verdicts import analysis, record, suite

from rsft_bench.reports.findings import Analysis
from rsft_bench.reports.means import Key
from rsft_bench.reports.model_kinds import kinds_answer
from rsft_bench.reports.sections_kinds import model_kinds

WORSE, OPEN = (-0.2, -0.1), (-0.1, 0.3)


def kinds(**by_policy: tuple[float, float]) -> Analysis:
    """A run of several policies on one suite, each with its interval of r − sft_more."""
    one = analysis(suite())
    suites = tuple(replace(one.suites[0], key=Key("s", name)) for name in by_policy)
    records = tuple(record(*interval, policy=name) for name, interval in by_policy.items())
    return replace(one, suites=suites, records=records)


def test_one_clear_no_is_no() -> None:
    word, summary, parts = kinds_answer(kinds(a=WORSE, b=OPEN))
    assert word == "no"
    assert "no: a on s" in summary
    assert "cannot tell: b on s" in summary
    assert [p.word for p in parts] == ["no", "cannot tell"]


def test_open_rows_say_what_they_need() -> None:
    word, summary, _ = kinds_answer(kinds(a=OPEN, b=OPEN))
    assert word == "cannot tell"
    assert summary.startswith("needs a clear answer to question 1 for a on s, b on s")


def test_yes_needs_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    found = kinds(a=(0.1, 0.2), b=(0.1, 0.2))
    part = kinds_answer(found)[2][0]
    yes = replace(part, word="yes", needs="")
    monkeypatch.setattr("rsft_bench.reports.model_kinds.better_than_sft", lambda *_: yes)
    word, summary, _ = kinds_answer(found)
    assert word == "yes"
    assert "2 of 2 rows of 2 kinds (a, b)" in summary
    assert "not covered" in summary


def test_one_kind_cannot_tell() -> None:
    found = kinds(a=(0.1, 0.2))
    word, summary, _ = kinds_answer(found)
    assert word == "cannot tell"
    assert summary.startswith("needs a run with at least 2 kinds")
    assert model_kinds(found) is None


def test_the_table_has_a_row_a_policy_and_suite() -> None:
    section = model_kinds(kinds(b=OPEN, a=WORSE))
    assert section is not None
    table = section.blocks[1]
    assert table.kind == "table"
    rows = table.rows  # type: ignore[union-attr]
    assert [row[:2] for row in rows] == [("a", "s"), ("b", "s")]
    assert rows[0][4] == "−0.150 [−0.200, −0.100]".replace("−", "-")
    assert rows[0][-1].startswith("no: worse")
    assert rows[1][-1].startswith("cannot tell")
