"""The rules behind the answers, on effects written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rsft_bench.harness.statistics import Effect, Interval
from rsft_bench.reports.contests import Ladder, Signs, Winner
from rsft_bench.reports.diagnostics import Headroom, ProxyQuality
from rsft_bench.reports.economics import BreakEven
from rsft_bench.reports.findings import Analysis, Level, SuiteAnalysis
from rsft_bench.reports.gaming import gaming_part
from rsft_bench.reports.means import Key
from rsft_bench.reports.naming import variants
from rsft_bench.reports.pay_once import break_even_part
from rsft_bench.reports.questions import answers
from rsft_bench.reports.verdicts import LOWER_T, better_than_sft, sweep_part

KEY = Key("s", "p")
MANIFEST = {
    "primary": "r",
    "seeds": [0, 1, 2],
    "variants": [
        {"id": "base", "method": "base", "parameters": {}},
        {"id": "sft", "method": "sft", "parameters": {}},
        {"id": "sft_more", "method": "sft_more", "parameters": {}},
        {"id": "r", "method": "rsft", "parameters": {"accept": "argmax", "k": 16, "lambda": 1}},
        {"id": "q", "method": "rsft", "parameters": {"accept": "argmax", "k": 16, "lambda": 2}},
        {"id": "cool", "method": "sft", "parameters": {"temperature": 0}},
    ],
}


def record(lo: float | None, hi: float | None, p_adj: float = 0.01, **other: Any) -> dict[str, Any]:
    """A comparison r − sft_more; the 90 % interval is .8 as wide."""
    known = lo is not None and hi is not None
    middle = (lo + hi) / 2 if known else 0.1
    half = (hi - lo) / 2 * 0.8 if known else None
    return {
        **{"suite": "s", "policy": "p", "a": "r", "b": "sft_more", "metric": "gold_pass"},
        **{"split": "confirm", "estimate": middle, "lo": lo, "hi": hi, "df": 4.0, "n": 150},
        **{"clusters": 30, "seeds": 3, "p": 0.01 if known else None, "p_adj": p_adj},
        **{"family": "confirmatory", "mde": 0.08 if known else None, "scope": "seeds and prompts"},
        **{"lo_90": middle - half if half is not None else None},
        **{"hi_90": middle + half if half is not None else None},
        **other,
    }


def effect(lo: float, hi: float) -> Effect:
    """An effect with df large enough that its 90 % interval is about .84 as wide."""
    half = (hi - lo) / 2
    return Effect(
        (lo + hi) / 2, lo, hi, half / 1.96, 1e6, 150, 30, 3, 0.01, 0.05, "seeds and prompts"
    )


def suite(**other: Any) -> SuiteAnalysis:
    """An analysed suite with nothing but a primary variant and its control."""
    empty = SuiteAnalysis(
        **{"key": KEY, "info": {}, "comparator": "sft_more", "primary": "r", "levels": ()},
        **{"headroom": None, "proxy": ProxyQuality(None, None, None, None), "audits": ()},
        **{"arms": (), "costs": (), "curve": (), "break_even": None, "harms": {}, "strata": {}},
        **{"ladder": None, "winner": None, "signs": None, "cells": ()},
    )
    return replace(empty, **other)


def analysis(s: SuiteAnalysis, *records: dict[str, Any]) -> Analysis:
    """One run with one suite and margin .05."""
    return Analysis(MANIFEST, variants(MANIFEST), tuple(records), (s,), 0.05, ())


def ladder(lo: float, hi: float, p_adj: float = 0.01) -> Ladder:
    """The contest at own best temperatures."""
    return Ladder((), "r", "sft", record(lo, hi, p_adj, family="exploratory", b="sft"))


@pytest.mark.parametrize(
    ("first", "best", "word", "says"),
    [
        (record(0.04, 0.12), ladder(0.03, 0.11), "yes", "Each at its own best temperature"),
        (record(0.04, 0.12), ladder(-0.04, 0.04), "no", LOWER_T),
        (record(0.04, 0.12), ladder(-0.02, 0.12), "cannot tell", LOWER_T),
        (record(0.04, 0.12), ladder(0.01, 0.12, 0.2), "cannot tell", "needs about 2.6 times"),
        (record(0.04, 0.12), None, "cannot tell", "evaluation.temperatures"),
        (record(0.01, 0.09, p_adj=0.2), ladder(0.03, 0.11), "cannot tell", "2.6 times the seeds"),
        (record(-0.03, 0.03), None, "no", "90 % interval lies within ±0.050"),
        (record(-0.12, -0.01), None, "no", "worse"),
        (record(-0.12, 0.10), None, "cannot tell", "this run detects 0.080"),
        (record(None, None), None, "cannot tell", "needs an interval"),
    ],
)
def test_question_1(first: dict[str, Any], best: Ladder | None, word: str, says: str) -> None:
    s = suite(ladder=best)
    part = better_than_sft(analysis(s, first), s)
    assert part.word == word
    assert says in part.text


def test_sft_below_base_is_said() -> None:
    levels = (
        Level("base", effect(0.5, 0.6), None, {}),
        Level("sft", effect(0.4, 0.5), None, {}),
    )
    s = suite(levels=levels)
    text = better_than_sft(analysis(s, record(-0.03, 0.03)), s).text
    assert "SFT (0.450) lies below the base model (0.550)" in text
    assert "D made the model worse" in text


@pytest.mark.parametrize(
    ("spread", "n_star", "first", "word"),
    [
        ((2, 3), 2, record(0.04, 0.12), "yes"),
        ((1, 3), 2, record(0.04, 0.12), "cannot tell"),
        ((2, 3), 2, record(-0.02, 0.12), "cannot tell"),
        ((2, 3), 2, record(-0.03, 0.03), "no"),
        ((1, 1), 1, record(0.04, 0.12), "no"),
        ((8, float("inf")), None, record(0.04, 0.12), "yes"),
    ],
)
def test_question_2(
    spread: tuple[float, float], n_star: int | None, first: dict[str, Any], word: str
) -> None:
    interval = Interval(*spread, "clusters resampled, seeds fixed")
    requests = None if n_star is None else 5000.0
    even = BreakEven("r", 8, n_star, interval, requests, Interval(1.0, 9.0, ""), 1e12)
    s = suite(break_even=even)
    part = break_even_part(analysis(s, first), s)
    assert part.word == word
    if n_star is None:
        assert "above best-of-8" in part.text
    if n_star == 1:
        assert "below best-of-2" in part.text


def test_question_2_without_timed_requests() -> None:
    even = BreakEven("r", 8, 3, Interval(2.0, 4.0, ""), None, None, 1e12)
    s = suite(break_even=even)
    part = break_even_part(analysis(s, record(0.04, 0.12)), s)
    assert "break-even unknown: no request was timed" in part.text
    assert part.short == "RSFT is matched by best-of-3 at serving"


def test_a_lower_temperature_that_does_as_well_is_named() -> None:
    even = BreakEven("r", 8, 2, Interval(2, 3, "x"), 5000.0, Interval(1.0, 9.0, ""), 1e12)
    contest = Ladder((), "r", "cool", record(0.01, 0.05, b="cool"))
    s = suite(break_even=even, ladder=contest)
    first = record(0.04, 0.12)
    cool = {"a": "cool", "b": "r", "family": "exploratory"}
    beaten = break_even_part(analysis(s, first, record(0.02, 0.1, **cool)), s)
    assert beaten.word == "yes"
    assert beaten.short.startswith("beyond 5,000 requests")
    assert "SFT, T=0 beats it for nothing" in beaten.short
    assert "SFT, T=0 − RSFT at T=1: +0.060" in beaten.text
    level = break_even_part(analysis(s, first, record(-0.02, 0.1, **cool)), s)
    assert "may do as well" in level.short
    below = break_even_part(analysis(s, first, record(-0.2, 0.1, **cool)), s)
    assert "SFT, T=0" not in below.text


@pytest.mark.parametrize(
    ("lo", "hi", "p_adj", "word"),
    [
        (0.01, 0.1, 0.02, "yes"),
        (0.01, 0.1, 0.09, "cannot tell"),
        (-0.03, 0.03, 0.9, "no"),
        (-0.05, 0.1, 0.5, "cannot tell"),
    ],
)
def test_question_3(lo: float, hi: float, p_adj: float, word: str) -> None:
    measured = record(lo, hi, p_adj, a="winner", family="exploratory")
    won = Winner(("r", "q"), {0: "r", 1: "q", 2: "r"}, "sft_more", measured)
    s = suite(winner=won, headroom=Headroom(16, 0.1, 0.4, 0.2))
    part = sweep_part(analysis(s), s)
    assert part.word == word
    assert part.short.startswith("exploratory, ")
    assert "A choice among 2 settings of λ" in part.text
    assert "Not varied: k, threshold" in part.text
    assert "for 2 of 3 seeds" in part.text
    assert "Headroom of SFT: +0.300 for a perfect picker among 16 answers" in part.text
    assert "uncorrected" not in part.text
    assert won.favourite == ("r", 2)
    confirmed = replace(won, record={**measured, "family": "confirmatory"})
    assert "exploratory" not in sweep_part(analysis(s), suite(winner=confirmed)).short


@pytest.mark.parametrize(
    ("over", "entropy", "tokens", "word", "says"),
    [
        ((0.01, 0.05), (-1.0, 0.0), (-1, 1), "yes", "the proxy was gamed"),
        ((-0.02, 0.02), (-7.0, -5.0), (-1, 1), "yes", "diversity collapsed"),
        ((-0.02, 0.02), (-1.0, 0.0), (1, 3), "yes", "answers got longer"),
        ((-0.02, 0.02), (-1.0, 0.0), (0.1, 0.3), "no", "no sign"),
        ((-0.02, 0.12), (-1.0, 0.0), (-1, 1), "cannot tell", "not excluded: a gamed proxy"),
        # Each interval is checked, not the first alone: 8 nats fell by 5 at most, 18 tokens rose
        # by 3 at most.
        ((-0.02, 0.02), (-6.0, 2.0), (-1, 1), "cannot tell", "not excluded: collapsed diversity"),
        ((-0.02, 0.02), (-1.0, 0.0), (-4, 4), "cannot tell", "not excluded: longer answers"),
        # A fall by half that may be none is no collapse.
        ((-0.02, 0.02), (-9.0, 0.5), (-1, 1), "cannot tell", "collapsed diversity"),
    ],
)
def test_question_6(
    over: tuple[float, float],
    entropy: tuple[float, float],
    tokens: tuple[float, float],
    word: str,
    says: str,
) -> None:
    signs = Signs("sft_more", effect(*over), effect(*entropy), 8.0, effect(*tokens), 18.0)
    s = suite(signs=signs)
    part = gaming_part(analysis(s), s)
    assert part.word == word
    assert says in part.short
    assert part.needs.startswith("needs ") == (word == "cannot tell")
    if word == "yes":
        assert "excluded: " in part.short


def test_cannot_tell_is_always_followed_by_what_it_needs() -> None:
    whole = suite(
        ladder=ladder(-0.02, 0.12),
        signs=Signs("sft_more", None, None, None, effect(-4, 4), 18.0),
        break_even=BreakEven("r", 8, 2, None, 1.0, None, 1e12),
        winner=Winner(("r", "q"), {0: "r", 1: "q"}, "sft_more", record(-0.1, 0.1)),
    )
    for s in (suite(), suite(primary=None), whole):
        for records in ((), (record(0.04, 0.12),), (record(None, None),)):
            for reply in answers(analysis(s, *records)):
                if reply.word == "cannot tell":
                    assert "needs" in reply.summary, reply
                for part in (p for p in reply.parts if p.word == "cannot tell"):
                    assert part.needs.startswith("needs "), reply
                    assert part.needs in part.text


def test_seven_answers_and_disagreeing_suites() -> None:
    a = suite(ladder=ladder(0.03, 0.11))
    b = replace(a, key=Key("t", "p"))
    records = (record(0.04, 0.12), record(-0.03, 0.03, suite="t"))
    found = replace(analysis(a, *records), suites=(a, b))
    replies = answers(found)
    assert [r.number for r in replies] == [1, 2, 3, 4, 5, 6, 7]
    assert {r.word for r in replies} <= {"yes", "no", "cannot tell"}
    assert replies[0].word == "cannot tell"
    assert "needs a run on your own data, since the suites disagree" in replies[0].summary
    assert "s: yes, " in replies[0].summary
    assert "t: no, " in replies[0].summary
    assert all(r.summary for r in replies)
    assert "needs" in replies[3].summary
    assert "baseline save" in replies[6].summary
