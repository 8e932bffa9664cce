"""Stage score: what an answer that was cut off counts."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.stages import Work
from rsft_bench.harness.stages.score import counted, run
from rsft_bench.harness.store import read_rows, write_rows
from rsft_bench.harness.types import Example, Judgement

CATALOG = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})


def scored(folder: Path, sample: dict[str, Any]) -> dict[str, Any]:
    """The score of one sample for an example that wants the letter a."""
    data, samples, out = (folder / name for name in ("data", "samples", "out"))
    for made in (data, samples, out):
        made.mkdir()
    example = Example("e", "confirm", "Customer: id?\nAgent:", (), {"letter": "a"}, "c", "s")
    write_rows(data / "examples.jsonl", [asdict(example)])
    write_rows(samples / "rows.jsonl", [{"example_id": "e", "draw": 0, "text": "a b", **sample}])
    run(Work({"suite": "toy"}, {"data": [data], "samples": [samples]}, out, CATALOG))
    (row,) = read_rows(out / "rows.jsonl")
    return row


@pytest.mark.parametrize(
    ("sample", "gold"),
    [({"finish_reason": "stop"}, 1.0), ({"finish_reason": "length"}, 0.0), ({}, 1.0)],
    ids=["stopped", "truncated", "log of D"],
)
def test_a_truncated_answer_scores_zero_though_its_text_would_pass(
    tmp_path: Path, sample: dict[str, Any], gold: float
) -> None:
    row = scored(tmp_path, sample)
    assert (row["gold"], row["gold_pass"]) == (gold, bool(gold))
    assert row["parts"]["facts"] == 1.0


def test_gold_that_the_example_lacks_stays_unknown() -> None:
    unknown = counted(Judgement(math.nan, False, {}), "length")
    assert math.isnan(unknown.gold)
    assert not unknown.gold_pass


def test_each_answer_of_an_example_is_read_by_the_proxy_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal answers share a score, are charged each time, and keep their order."""
    read: list[tuple[str, str]] = []

    class Length:
        def score(self, prompts: list[str], texts: list[str]) -> list[float]:
            read.extend(zip(prompts, texts, strict=True))
            return [len(p) + len(t) / 10 for p, t in zip(prompts, texts, strict=True)]

        def flops(self, answers: int) -> float:
            return 7.0 * answers

    data, samples, out = (tmp_path / name for name in ("data", "samples", "out"))
    for made in (data, samples, out):
        made.mkdir()
    examples = [
        Example(name, "confirm", prompt, (), {"letter": "a"}, "c", "s")
        for name, prompt in (("e", "P"), ("f", "PP"))
    ]
    write_rows(data / "examples.jsonl", [asdict(e) for e in examples])
    answers = [("e", "a"), ("e", "bb"), ("e", "a"), ("f", "a"), ("f", "a")]
    rows = [
        {"example_id": e, "draw": i, "text": text, "tokens_out": 1}
        for i, (e, text) in enumerate(answers)
    ]
    write_rows(samples / "rows.jsonl", rows)
    monkeypatch.setattr("rsft_bench.harness.stages.score.scorer", lambda *_: Length())
    inputs = {"data": [data], "samples": [samples], "proxy": [tmp_path]}
    outcome = run(Work({"suite": "toy"}, inputs, out, CATALOG))
    found = read_rows(out / "rows.jsonl")
    assert [row["proxy"] for row in found] == [1.1, 1.2, 1.1, 2.1, 2.1]
    assert sorted(read) == [("P", "a"), ("P", "bb"), ("PP", "a")]
    assert outcome.flops == 35.0
