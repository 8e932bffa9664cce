"""The seven questions, each answered yes, no, or cannot tell and what is needed.

Reads an ``Analysis`` only. One part a suite and policy; the headline word is the parts' common
word, else "cannot tell", because two suites that disagree settle nothing in general. After
"cannot tell" always stands what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal, TypeAlias

from rsft_bench.harness.types import Json
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import big, count, plural, rate, seconds, total
from rsft_bench.reports.gaming import gaming_part, thresholds
from rsft_bench.reports.model_kinds import kinds_answer
from rsft_bench.reports.pay_once import break_even_part
from rsft_bench.reports.verdicts import (
    CANNOT,
    YES,
    Part,
    Word,
    better_than_sft,
    place,
    sweep_part,
    tried,
    unsure,
)

QUESTIONS: tuple[str, ...] = (
    "Does RSFT beat plain SFT on answer quality here, by how much, and how sure are we?",
    "Is it better to pay once (RSFT) than on every request (best-of-n)? Where do they break even?",
    "Which k, threshold and λ? Is the winner real, or luck of a large sweep?",
    "Does it hold for other model kinds: does RSFT fit every model?",
    "What did it cost: latency, tokens, FLOPs, memory, energy, money?",
    "Did the proxy reward get gamed, did diversity collapse, did answers just get longer?",
    "In CI: would this change be caught if it made answers worse, with bounded false alarms?",
)
Scope: TypeAlias = Literal["suites", "run"]


@dataclass(frozen=True)
class Answer:
    """One question answered. ``summary`` is one sentence, ``parts`` hold the numbers a suite."""

    number: int
    question: str
    word: Word
    summary: str
    parts: tuple[Part, ...]


def answers(found: Analysis) -> list[Answer]:
    """All seven answers, in order."""
    makers: tuple[Callable[[Analysis], tuple[Word, str, Sequence[Part]]], ...] = (
        _quality,
        _pay_once,
        _settings,
        kinds_answer,
        _cost,
        _gamed,
        _in_ci,
    )
    out = []
    for i, (question, make) in enumerate(zip(QUESTIONS, makers, strict=True), start=1):
        word, summary, parts = make(found)
        out.append(Answer(i, question, word, summary, tuple(parts)))
    return out


def _parts(found: Analysis, make: Callable[[Analysis, SuiteAnalysis], Part]) -> list[Part]:
    return [make(found, s) for s in found.suites]


def _joined(parts: Sequence[Part]) -> tuple[Word, str, Sequence[Part]]:
    words = list(dict.fromkeys(p.word for p in parts))
    if not words:
        return CANNOT, "needs rows of the primary variant", parts
    if words == [CANNOT]:
        return CANNOT, ". ".join(f"{p.where}: {p.needs}; {p.short}" for p in parts), parts
    if len(words) == 1:
        return words[0], "; ".join(f"{p.where}: {p.short}" for p in parts), parts
    told = ". ".join(
        f"{p.where}: {p.word}, {p.short}{f'; {p.needs}' if p.needs else ''}" for p in parts
    )
    open_ = [p.where for p in parts if p.word == CANNOT]
    needed = f"{' and '.join(open_)} settled" if open_ else "a run on your own data"
    why = "" if open_ else ", since the suites disagree"
    return CANNOT, f"needs {needed}{why}. {told}", parts


def _quality(found: Analysis) -> tuple[Word, str, Sequence[Part]]:
    return _joined(_parts(found, better_than_sft))


def _pay_once(found: Analysis) -> tuple[Word, str, Sequence[Part]]:
    return _joined(_parts(found, break_even_part))


def _settings(found: Analysis) -> tuple[Word, str, Sequence[Part]]:
    return _joined(_parts(found, sweep_part))


def _gamed(found: Analysis) -> tuple[Word, str, Sequence[Part]]:
    word, summary, parts = _joined(_parts(found, gaming_part))
    return word, f"{summary}. {thresholds(found.margin)}", parts


def _cost(found: Analysis) -> tuple[Word, str, Sequence[Part]]:
    totals = found.manifest.get("totals") or {}
    flops = total(t.get("flops", 0.0) for t in totals.values())
    work = total(t.get("wall_s", 0.0) for t in totals.values())
    parts = [_cost_part(found, s) for s in found.suites]
    if not totals:
        return CANNOT, "needs a finished run: the manifest holds no totals", parts
    spent = big(flops, "FLOP") if isfinite(flops) else "FLOPs that some policy does not count"
    timed = "latency, " if any(c.latency_s for s in found.suites for c in s.costs) else ""
    summary = (
        f"{timed}tokens, FLOPs, time and memory were measured; all arms, draws and scores of the "
        f"run took {spent} and {seconds(work)} of worker time when they were made. "
        "Energy and money were not measured: they need a power meter and a price list"
    )
    return YES, summary, parts


def _cost_part(found: Analysis, s: SuiteAnalysis) -> Part:
    where = place(found, s)
    cost = {c.variant: c for c in s.costs}
    if s.primary is None or s.primary not in cost:
        return unsure(where, "no primary variant", "needs the cells of the primary variant")
    c = cost[s.primary]
    latency = "not timed in this run"
    if c.latency_s:
        latency = f"median {seconds(c.latency_s[0])}, 95th percentile {seconds(c.latency_s[1])}"
    serving = big(c.serve_flops, "FLOP") if isfinite(c.serve_flops) else "of unmeasured cost"
    also = ", trials that were not chosen included" if tried(found, s).get(s.primary) else ""
    text = (
        f"{found.label(s.primary)} on top of SFT, per seed: {big(c.one_off_flops, 'FLOP')} once "
        f"({count(c.sample_tokens)} tokens sampled, {count(c.train_tokens)} trained, "
        f"{seconds(c.one_off_wall_s)}{also}), {count(c.gold_labels)} gold labels; one request "
        f"{serving}, latency {latency}; "
        f"peak memory {rate(c.peak_rss_gib, 2)} GiB."
    )
    return Part(where, YES, big(c.one_off_flops, "FLOP") + " once", text)


def _in_ci(found: Analysis) -> tuple[Word, str, Sequence[Part]]:
    parts = []
    for s in found.suites:
        level = s.level(s.primary) if s.primary else None
        records = [
            r
            for r in found.records
            if (r["suite"], r["policy"]) == s.key and r["a"] == s.primary and r["mde"] is not None
        ]
        if level is None or not records:
            needed = "needs intervals: at least 10 clusters and 2 seeds"
            parts.append(unsure(place(found, s), "no detectable effect", needed))
            continue
        family = [r for r in records if r["family"] == "confirmatory"] or records
        mde = max(r["mde"] for r in family)
        enough = mde <= found.margin
        text = (
            f"With {plural(records[0]['seeds'], 'seed')} and {records[0]['n']} examples a paired "
            f"comparison inside this run detects {rate(mde)} (80 % power, 5 % test), which is "
            f"{'within' if enough else 'more than'} the gate margin {rate(found.margin)}."
        )
        more = "needs a stored baseline" + ("" if enough else " and more seeds or prompts")
        parts.append(unsure(place(found, s), f"detects {rate(mde)}", more, text))
    return CANNOT, _ci_needs(found.manifest, found.margin), parts


def _ci_needs(manifest: Json, margin: float) -> str:
    seeds = len(manifest.get("seeds", []))
    return (
        f"needs a stored baseline: `rsft-bench baseline save RUN --to DIR`, then "
        f"`rsft-bench gate` with margin {rate(margin)}; preset `gate` "
        f"sets 5 seeds against a baseline of 10, this run has {seeds}. The gate's own "
        "false-alarm rate is measured by `make gate-live`"
    )
