"""The table that the command line prints after a run. Data only; the command line draws it."""

from __future__ import annotations

from dataclasses import dataclass

from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.reports.analysis import analyse
from rsft_bench.reports.comparisons import find
from rsft_bench.reports.findings import Analysis
from rsft_bench.reports.formatting import NA, big, covers, gain, level, p_value, rate
from rsft_bench.reports.gauges import ceiling, fixed_training
from rsft_bench.reports.questions import answers
from rsft_bench.reports.verdicts import place


@dataclass(frozen=True)
class TerminalTable:
    """Finished words: one row a suite and variant, and a line for each answer that matters."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    footnotes: tuple[str, ...]


def terminal_table(run: RunFolder) -> TerminalTable:
    """Pass rate, gain, adjusted p and cost of every variant, and the verdict of each suite."""
    return table_of(analyse(run))


def table_of(found: Analysis) -> TerminalTable:
    """The same from an analysis that was already made."""
    rows: list[tuple[str, ...]] = []
    for s in found.suites:
        cost = {c.variant: c for c in s.costs}
        top = ceiling(s.info)
        if top is not None:
            blank = (NA,) * 4
            rows.append((place(found, s), f"ceiling: {top[0]}", rate(top[1]), *blank))
        for item in s.levels:
            r = find(found.records, s.key, item.variant, s.comparator) if s.comparator else None
            c = cost.get(item.variant)
            rows.append(
                (
                    place(found, s),
                    found.label(item.variant),
                    level(item.passed),
                    "reference" if item.variant == s.comparator else gain(r),
                    p_value(r["p_adj"]) if r else NA,
                    big(c.one_off_flops) if c else NA,
                    big(c.serve_flops) if c else NA,
                )
            )
    names = sorted({found.label(s.comparator) for s in found.suites if s.comparator})
    head = ("suite", "method", "pass rate [95 %]", f"gain over {' / '.join(names) or 'nothing'}")
    return TerminalTable(
        headers=(*head, "adj. p", "FLOPs once", "FLOPs a request"),
        rows=tuple(rows),
        footnotes=tuple(_notes(found)),
    )


def _notes(found: Analysis) -> list[str]:
    replies = answers(found)
    rated = {study.suite for study in found.pools}
    words = [
        f"{study.suite}: {c.name} {level(c.mean, 2)}, over a random pick {gain(c.gain, 2)}"
        for study in found.pools
        for c in study.choices
        if c.gain is not None
    ]
    # A suite of rated answers trains nothing, so questions about training are not put to it.
    skipped = {place(found, s) for s in found.suites if s.key.suite in rated}
    words += [
        f"Does RSFT beat SFT on {p.where}? {p.word}: {p.short}"
        for p in replies[0].parts
        if p.where not in skipped
    ]
    words += [
        f"Pay once or on every request, {p.where}? {p.short}"
        for p in replies[1].parts
        if p.where not in skipped
    ]
    if found.manifest.get("status") != "complete":
        words.append(f"This run is {found.manifest.get('status')}; verdicts may change.")
    words.append(f"[..] are 95 % intervals for {covers(len(found.manifest.get('seeds', [])))}.")
    return words + fixed_training(found.manifest)
