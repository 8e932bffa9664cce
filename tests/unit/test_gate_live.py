"""The live A/A tool: failures are no verdicts, and the table says which margin was in force."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tool import tool

MARGINS = {
    **{"asked": 0.05, "accepted": None, "recipe": 0.05, "artifact": 0.03},
    "computed": {"recipe": 0.041, "artifact": 0.02},
}


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.chdir(tmp_path)
    return tool("gate_live")


def result(verdict: str, estimate: float = -0.012, lower: float | None = -0.031) -> dict[str, Any]:
    check = {
        **{"suite": "order_status", "policy": "nano-1", "variant": "sft", "metric": "gold_pass"},
        **{"scope": "recipe", "margin": 0.05, "estimate": estimate, "lower": lower},
        "verdict": verdict,
    }
    return {"verdict": verdict, "checks": [check], "reasons": ["other suites"]}


def answering(
    codes: dict[str, list[int]], verdicts: list[str], asked: list[list[str]]
) -> Callable[[list[str]], int]:
    """A command line that takes its exit codes in turn from ``codes`` by command."""

    def main(argv: list[str]) -> int:
        asked.append(argv)
        code = codes[argv[0]].pop(0) if codes.get(argv[0]) else 0
        if argv[0] == "run":
            out = Path(argv[argv.index("--out") + 1])
            out.mkdir(parents=True, exist_ok=True)
            versions = {"versions": {"rsft-bench": "0.1.0", "torch": "2"}}
            (out / "manifest.json").write_text(json.dumps(versions))
        if argv[0] == "baseline" and code == 0:
            accepted = 0.1 if "--accept-margin" in argv else None
            wide = MARGINS | ({"accepted": 0.1, "recipe": 0.075} if accepted else {})
            saved = Path(argv[argv.index("--to") + 1])
            saved.mkdir(parents=True, exist_ok=True)
            (saved / "baseline.json").write_text(json.dumps({"margins": wide}))
        if argv[0] == "gate" and code in (0, 1, 3):
            sys.stdout.write(json.dumps(result(verdicts.pop(0))))
        return code

    return main


def test_the_table_counts_verdicts_and_shows_every_check(
    live: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = {"gate": [0] * 7 + [3, 3, 1]}
    words = ["pass"] * 7 + ["inconclusive"] * 2 + ["regression"]
    asked: list[list[str]] = []
    monkeypatch.setattr(live, "main", answering(codes, words, asked))
    assert live.measure([]) == 1
    text = live.TABLE.read_text()
    assert (
        "10 runs: 7 pass, 1 regression, 2 inconclusive. A regression is a false alarm: 1." in text
    )
    row = "| 9 | 55-59 | regression | order_status | `sft` | gold_pass | recipe | 0.050 | -0.012 |"
    assert f"{row} -0.031 |" in text
    assert "took the margin asked for" in text
    assert not any("--accept-margin" in argv for argv in asked)


def test_a_wider_margin_is_a_second_try_and_said(
    live: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = {"baseline": [3, 0]}
    asked: list[list[str]] = []
    monkeypatch.setattr(live, "main", answering(codes, ["pass"] * 10, asked))
    assert live.measure([]) == 0
    saves = [argv for argv in asked if argv[0] == "baseline"]
    assert ["--accept-margin" in argv for argv in saves] == [False, True]
    text = live.TABLE.read_text()
    assert "refused 0.05 at this size (exit 3)" in text
    assert "with `--accept-margin 0.1`" in text
    assert "in force 0.075 and 0.030" in text


@pytest.mark.parametrize(
    ("codes", "words", "code"),
    [
        ({"gate": [4] * 10}, [], 4),
        ({"gate": [0, 2]}, ["pass"], 2),
        ({"gate": [3]}, ["not comparable"], 3),
        ({"gate": [0]}, ["regression"], 4),
        ({"run": [0, 4]}, [], 4),
        ({"baseline": [3, 3]}, [], 3),
        ({"baseline": [2]}, [], 2),
    ],
)
def test_anything_but_a_verdict_stops_without_a_table(
    codes: dict[str, list[int]],
    words: list[str],
    code: int,
    live: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "main", answering(codes, words, []))
    with pytest.raises(SystemExit) as stop:
        live.measure([])
    assert stop.value.code == code
    assert not live.TABLE.exists()
