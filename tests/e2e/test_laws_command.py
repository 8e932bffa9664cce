"""`rsft-bench laws`: twenty lines, exit 0 where L1 to L19 hold and 4 where one does not."""

from __future__ import annotations

import json

import pytest

from rsft_bench.harness.cli import main
from rsft_bench.harness.statistics import estimators


def test_twenty_lines_and_exit_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["laws"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["law", "expected", "measured", "interval", "holds"]
    assert [line.split()[0] for line in lines] == [f"L{i}" for i in range(1, 21)]
    assert all(" holds (" in line for line in lines[:19])
    assert lines[19].endswith("not measured: run with --full")


def test_a_broken_law_is_named_with_exit_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimators, "pass_hat_k", lambda n, c, k: (c / n) ** k)
    assert main(["laws", "--only", "l6,L10"]) == 4
    said = capsys.readouterr()
    assert "DOES NOT HOLD (13 of 14 checks; shown: pass^k" in said.out
    assert "1 law(s) do not hold: L10" in said.err
    assert main(["laws", "--only", "L10", "--json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert told["broken"] == ["L10"]
    (law,) = told["laws"]
    assert law["holds"] is False
    assert sum(not check["holds"] for check in law["checks"]) == 1


def test_an_unknown_law_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["laws", "--only", "L30"]) == 2
    assert "unknown law 'L30'" in capsys.readouterr().err
