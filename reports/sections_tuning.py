"""Sections about choices: learning rates, tuned parameters, earlier weights, mixtures of D."""

from __future__ import annotations

from collections.abc import Mapping

from rsft_bench.harness.types import Json
from rsft_bench.reports.comparisons import find
from rsft_bench.reports.document import Block, Section, Table, Text
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import NA, count, gain, percent, rate, signed
from rsft_bench.reports.verdicts import place, tried

#: Arms with trials that a note still names.
NAMED = 3


def tuning(found: Analysis) -> Section:
    """Learning rates, what was chosen on select and from what, and the best earlier weights."""
    blocks: list[Block] = [Text(learning_rate(found.manifest))]
    chosen = tuple(_choice(found, path, c) for path, c in found.manifest.get("chosen", {}).items())
    if chosen:
        head = ("suite", "method", "chosen", "pass rate on select, by trial")
        note = "Means over all seeds at T=1. Every trial's training, draws and labels are charged."
        blocks.append(Table("Chosen on select", head, chosen, note))
    for s in found.suites:
        rows = tuple(
            (found.label(a.variant), rate(a.last_select), rate(a.best_select), count(a.best_step))
            for a in s.arms
            if a.last_select is not None
        )
        if rows:
            head = ("method", "last weights", "best weights", "their step")
            note = (
                "The last weights are the result; the best on select, mean over seeds, is beside."
            )
            blocks.append(Table(f"{place(found, s)}: pass rate on select", head, rows, note))
    return Section("Learning rates and choices", tuple(blocks), folded=True)


def learning_rate(m: Mapping[str, Json]) -> str:
    """One sentence on the learning rates of a run."""
    training = (m.get("config") or {}).get("training") or {}
    if "lr" not in training:
        return "The run does not say its learning rate."
    factors = training.get("lr_factors") or [1]
    if len(factors) == 1:
        origin = ", set on SFT, same steps" if m.get("preset") else ""
        return (
            f"One learning rate, {training['lr'] * factors[0]:g}, for all trained arms{origin}; "
            "an arm at its own best rate may do better (preset `standard` tries three)."
        )
    tried = ", ".join(f"{training['lr'] * f:g}" for f in factors)
    return f"Every arm that starts at SFT tried the learning rates {tried} on select."


def _choice(found: Analysis, path: str, entry: Mapping[str, Json]) -> tuple[str, ...]:
    suite, _, variant = path.split("/", 2)
    tried = [f"{name} {rate(mean)}" for name, mean in entry.items() if name != "choice"]
    return suite, found.label(variant), str(entry.get("choice", NA)), "; ".join(tried)


def trials_words(found: Analysis, s: SuiteAnalysis) -> str:
    """Which arms' costs hold the trials that were not chosen; empty where none was tried."""
    words = [f"{found.label(v)} ({count(n)} trials)" for v, n in tried(found, s).items()]
    if not words:
        return ""
    listed = "; ".join(words)
    if len(words) > NAMED:
        listed = f"{len(words)} arms, listed under “Learning rates and choices”"
    return f"Tokens, FLOPs and time include the trials that were not chosen: {listed}. "


def mixtures(found: Analysis) -> Section | None:
    """The gain of RSFT at several mixtures of D of one suite; None where the run has only one."""
    groups: dict[str, list[SuiteAnalysis]] = {}
    for s in found.suites:
        groups.setdefault(str(s.info.get("suite", s.key.suite)), []).append(s)
    tables = [_curve(found, name, group) for name, group in groups.items() if len(group) > 1]
    if not tables:
        return None
    text = (
        "The authors set how good D is, and with it the room for RSFT. The same suite at other "
        "shares of correct answers in D:"
    )
    return Section("The gain against the quality of D", (Text(text), *tables))


def _curve(found: Analysis, name: str, group: list[SuiteAnalysis]) -> Table:
    rows = []
    for s in sorted(group, key=_good, reverse=True):
        r = (
            find(found.records, s.key, s.primary, s.comparator)
            if s.primary is not None and s.comparator is not None
            else None
        )
        levels = [s.level(v) for v in (s.comparator, s.primary) if v]
        words = [rate(x.passed.estimate) if x and x.passed else NA for x in levels]
        room = signed(s.headroom.oracle) if s.headroom else NA
        rows.append((percent(_good(s)), s.key.suite, room, *words, gain(r)))
    head = ("correct in D", "suite", "headroom", "SFT, same steps", "RSFT", "RSFT − SFT [95 %]")
    note = "Headroom: what a perfect picker among SFT's own answers would gain."
    return Table(f"{name}: mixtures of D", head, tuple(rows), note)


def _good(s: SuiteAnalysis) -> float:
    """Share of correct answers in D as the suite reports it; NaN where it does not."""
    mixture = (s.info.get("report") or {}).get("mixture") or {}
    return float(mixture.get("correct", "nan"))
