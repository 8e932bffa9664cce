"""Question 2: pay once (RSFT) or on every request (best-of-n)? Reads a ``SuiteAnalysis`` only."""

from __future__ import annotations

from math import isinf

from rsft_bench.reports.comparisons import Record, find
from rsft_bench.reports.economics import BreakEven
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import big, count, gain, tested
from rsft_bench.reports.verdicts import NO, YES, Part, better, equivalent, place, unsure


def break_even_part(found: Analysis, s: SuiteAnalysis) -> Part:
    """Question 2.

    No: RSFT has no gain over its SFT control (worse or equivalent), or SFT itself is not inferior
    over the whole interval of n*, so there is nothing to pay for. Yes: that gain is clear and the
    interval of n* starts at 2 or more, so beyond the break-even volume paying once is cheaper at
    the same quality. Else cannot tell. A lower temperature of SFT that does as well is named.
    """
    where, even = place(found, s), s.break_even
    if even is None:
        return unsure(
            where, "no best-of-n", "needs rows of RSFT and of best_of_n, and serving costs"
        )
    spread = even.n_interval
    if spread is None:
        return unsure(where, f"RSFT is {even.words}", "needs an interval: at least 10 clusters")
    text = f"{found.label(even.variant)} is {even.words} (n* interval {_n(spread.lo, even)} to "
    text += f"{_n(spread.hi, even)}, {spread.label}); {_volume(even)}.{_beyond(found, s)}"
    text += _cheaper(found, s)
    first = find(found.records, s.key, even.variant, s.comparator) if s.comparator else None
    lost = first is not None and first["hi"] is not None and first["hi"] < 0
    if spread.hi <= 1 or lost or (first is not None and equivalent(first, found.margin)):
        return Part(where, NO, "RSFT has no gain to pay for", text)
    if spread.lo < 2 or even.n_star == 1 or first is None or not better(first):
        needed = "needs question 1 settled at equal temperature: is there a gain to pay for"
        return unsure(where, f"gain not settled, RSFT is {even.words}", needed, text)
    short = f"RSFT is {even.words}"
    if even.n_star is not None and even.requests is not None:
        short = f"beyond {count(even.requests)} requests, against best-of-{even.n_star} at serving"
    return Part(where, YES, short + _cheaper_short(found, s), text)


def _n(value: float, even: BreakEven) -> str:
    return f"above {even.n_max}" if isinf(value) else f"{value:.0f}"


def _volume(even: BreakEven) -> str:
    once = f"one-off cost {big(even.one_off_flops, 'FLOP')}"
    if even.n_star is None:
        return f"no best-of-n up to n={even.n_max} reaches it, at any volume ({once})"
    if even.n_star == 1:
        return f"there is no volume at which the {once.replace('one-off ', '')} pays"
    if even.requests is None:
        return f"break-even unknown: no request was timed ({once})"
    spread = even.requests_interval
    words = f" [{count(spread.lo)}, {count(spread.hi)}]" if spread else ""
    return (
        f"RSFT is the cheaper one beyond {count(even.requests)}{words} requests, below that "
        f"best-of-{even.n_star} is, in FLOPs ({once})"
    )


def _beyond(found: Analysis, s: SuiteAnalysis) -> str:
    pairs = [
        r
        for r in found.records
        if (r["suite"], r["policy"]) == s.key and r["b"] == s.primary and r["estimate"] is not None
    ]
    tops = [r for r in pairs if r["a"] in found.variants and found.variants[r["a"]].best_of]
    words = ""
    # Best-of-n over SFT's draws, then over RSFT's own, which pays twice.
    for both in (False, True):
        side = [r for r in tops if found.variants[r["a"]].on_rsft == both]
        if side:
            top = max(side, key=lambda r: found.variants[r["a"]].n)
            words += f" {found.label(top['a']).replace('best', 'Best', 1)} − RSFT: {gain(top)} "
            words += f"({tested(top)})."
    return words


def _rival(found: Analysis, s: SuiteAnalysis) -> Record | None:
    """SFT at its own best temperature − the primary variant at T=1, where it is not below."""
    if s.ladder is None or s.ladder.rival is None or s.primary is None:
        return None
    r = find(found.records, s.key, s.ladder.rival, s.primary)
    return r if r is not None and r["estimate"] is not None and r["estimate"] >= 0 else None


def _cheaper(found: Analysis, s: SuiteAnalysis) -> str:
    r = _rival(found, s)
    if r is None:
        return ""
    return (
        f" A lower temperature costs nothing and {_how(r)}: {found.label(r['a'])} − RSFT at T=1: "
        f"{gain(r)} ({tested(r)})."
    )


def _cheaper_short(found: Analysis, s: SuiteAnalysis) -> str:
    r = _rival(found, s)
    return "" if r is None else f"; but {found.label(r['a'])} {_how(r)} for nothing"


def _how(r: Record) -> str:
    return "beats it" if better(r) else "may do as well"
