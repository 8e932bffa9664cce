"""The rules behind the answers, one suite at a time: when it is yes, when no, when unknown.

Reads a ``SuiteAnalysis`` only; every rule is stated in its docstring and in the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isinf
from typing import Any, Literal, TypeAlias

from rsft_bench.harness.statistics import Effect
from rsft_bench.reports.analysis import Analysis, SuiteAnalysis
from rsft_bench.reports.comparisons import Record, find
from rsft_bench.reports.economics import BreakEven
from rsft_bench.reports.formatting import (
    big,
    claim,
    count,
    gain,
    percent,
    plural,
    rate,
    signed,
    tested,
)
from rsft_bench.reports.means import narrow

Word: TypeAlias = Literal["yes", "no", "cannot tell"]
YES: Word = "yes"
NO: Word = "no"
CANNOT: Word = "cannot tell"
LOWER_T = "RSFT gives what a lower temperature gives"
COLLAPSE = 0.5
LONGER = 0.1


@dataclass(frozen=True)
class Part:
    """One suite's answer: where, the word, a few words for the headline, and the numbers."""

    where: str
    word: Word
    short: str
    text: str


def better_than_sft(found: Analysis, s: SuiteAnalysis) -> Part:
    """Question 1.

    Yes: better than ``sft_more`` at equal temperature (interval above 0, and Holm p < .05 where
    the pair is confirmatory) and better with each at its own best temperature. No: worse, or
    equivalent (90 % interval within ±margin), or only what a lower temperature gives (that
    contest's 90 % interval lies below the margin). Else cannot tell.
    """
    where = place(found, s)
    if s.primary is None or s.comparator is None:
        return Part(where, CANNOT, "not run", "needs rows of the primary variant and of sft_more.")
    first = find(found.records, s.key, s.primary, s.comparator)
    if first is None:
        return Part(where, CANNOT, "not compared", f"needs rows of {s.comparator}.")
    word, short, reason = _verdict(found, s, first)
    text = (
        f"{found.label(s.primary)} − {found.label(s.comparator)}: {claim(first)}. {reason}"
        f"{_other_rivals(found, s)}{_worse_than_base(found, s)}"
    )
    return Part(where, word, short, text)


def _verdict(found: Analysis, s: SuiteAnalysis, first: Record) -> tuple[Word, str, str]:
    size, margin = gain(first), found.margin
    if not _better(first):
        if first["hi"] is not None and first["hi"] < 0:
            return NO, f"worse, {size}", "It is worse. "
        if equivalent(first, margin):
            inner = f"the 90 % interval lies within ±{rate(margin)}"
            return NO, f"no gain, {size}", f"No gain: {inner}. "
        return CANNOT, f"{size}, not settled", f"Cannot tell: {needs(first, margin)}. "
    best = s.ladder.best if s.ladder else None
    if best is None or s.ladder is None or s.ladder.mine is None or s.ladder.rival is None:
        why = "needs both at lower temperatures (evaluation.temperatures)"
        return CANNOT, f"{size} at T=1 only", f"Better at equal temperature, but it {why}. "
    pair = (
        f"Each at its own best temperature ({found.label(s.ladder.mine)} against "
        f"{found.label(s.ladder.rival)}, chosen on select): {gain(best)} ({tested(best)}). "
    )
    if best["lo"] is not None and best["lo"] > 0:
        size = f"{gain(first)} at T=1"
        return YES, f"{size}; {signed(best['estimate'])} with each at its best temperature", pair
    if best["hi_90"] is not None and best["hi_90"] < margin:
        return NO, LOWER_T, f"{pair}{LOWER_T}. "
    more = f"{LOWER_T}, as far as this run can see; {needs(best, margin)}"
    return CANNOT, f"{size} at T=1, not settled at best T", f"{pair}{more}. "


def _better(r: Mapping[str, Any]) -> bool:
    """Interval above 0, and Holm p < .05 where the pair is confirmatory."""
    clear = r["lo"] is not None and r["lo"] > 0
    return clear and (r["family"] != "confirmatory" or (r["p_adj"] or 1.0) < 0.05)


def equivalent(r: Mapping[str, Any], margin: float) -> bool:
    """Whether the 90 % interval lies within ±margin; identical rows are equivalent."""
    return r["lo_90"] is not None and -margin < r["lo_90"] and r["hi_90"] < margin


def needs(r: Mapping[str, Any], margin: float) -> str:
    """What would settle a difference: more seeds and prompts, or clusters at all."""
    if r["mde"] is None:
        return f"needs an interval: {str(r['scope']).removeprefix('no interval: ')}"
    if r["mde"] <= margin:
        return f"needs more seeds and prompts: the 90 % interval crosses the margin {rate(margin)}"
    times = ceil(10 * (r["mde"] / margin) ** 2) / 10
    return (
        f"needs about {times:g} times the seeds and prompts to see {rate(margin)} "
        f"(this run detects {rate(r['mde'])})"
    )


def _other_rivals(found: Analysis, s: SuiteAnalysis) -> str:
    words = []
    for r in found.records:
        mine = (r["suite"], r["policy"]) == s.key and r["family"] == "confirmatory"
        if mine and r["a"] == s.primary and r["b"] != s.comparator:
            words.append(f"against {found.label(r['b'])} {gain(r)} ({tested(r)})")
    return f"Controls: {'; '.join(words)}. " if words else ""


def _worse_than_base(found: Analysis, s: SuiteAnalysis) -> str:
    levels = {v.variant: v.passed for v in s.levels}
    base, sft = levels.get("base"), levels.get("sft")
    if base is None or sft is None or sft.estimate >= base.estimate:
        return ""
    return (
        f"SFT ({rate(sft.estimate)}) lies below the base model ({rate(base.estimate)}): "
        "the training data D made the model worse. "
    )


def break_even_part(found: Analysis, s: SuiteAnalysis) -> Part:
    """Question 2.

    No: RSFT has no gain over its SFT control (worse or equivalent), or SFT itself is not inferior
    over the whole interval of n*, so there is nothing to pay for. Yes: that gain is clear and the
    interval of n* starts at 2 or more, so beyond the break-even volume paying once is cheaper at
    the same quality. Else cannot tell.
    """
    where, even = place(found, s), s.break_even
    if even is None:
        return Part(
            where, CANNOT, "no best-of-n", "needs rows of RSFT and of best_of_n, and serving costs."
        )
    spread = even.n_interval
    if spread is None:
        return Part(where, CANNOT, even.words, "needs an interval: at least 10 clusters.")
    text = f"{found.label(even.variant)} is {even.words} (n* interval {_n(spread.lo, even)} to "
    text += f"{_n(spread.hi, even)}, {spread.label}); {_volume(even)}.{_beyond(found, s)}"
    first = find(found.records, s.key, even.variant, s.comparator) if s.comparator else None
    lost = first is not None and first["hi"] is not None and first["hi"] < 0
    if spread.hi <= 1 or lost or (first is not None and equivalent(first, found.margin)):
        return Part(where, NO, "RSFT has no gain to pay for", text)
    if spread.lo < 2 or even.n_star == 1 or first is None or not _better(first):
        why = " Whether there is a gain to pay for needs question 1 settled at equal temperature."
        return Part(where, CANNOT, "gain not settled", text + why)
    short = f"RSFT {even.words}"
    if even.n_star is not None and even.requests is not None:
        short = f"pays off after {count(even.requests)} requests"
    return Part(where, YES, short, text)


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
    return f"break-even at {count(even.requests)}{words} requests in serving FLOPs ({once})"


def _beyond(found: Analysis, s: SuiteAnalysis) -> str:
    pairs = [
        r
        for r in found.records
        if (r["suite"], r["policy"]) == s.key and r["b"] == s.primary and r["estimate"] is not None
    ]
    tops = [r for r in pairs if found.variants[r["a"]].method == "best_of_n"]
    if not tops:
        return ""
    top = max(tops, key=lambda r: found.variants[r["a"]].n)
    return f" {found.label(top['a']).capitalize()} − RSFT: {gain(top)} ({tested(top)})."


def sweep_part(found: Analysis, s: SuiteAnalysis) -> Part:
    """Question 3: the leave-one-seed-out procedure against SFT, not the luckiest setting."""
    where, won = place(found, s), s.winner
    if won is None:
        text = "needs at least two RSFT settings and two seeds (preset `sweep` draws the maps)."
        return Part(where, CANNOT, "one setting", text)
    best, times = won.favourite
    seeds = len(won.chosen)
    record = {**won.effect._asdict(), "family": "", "lo_90": None, "hi_90": None}
    inner = narrow(won.effect)
    if inner:
        record["lo_90"], record["hi_90"] = inner
    text = (
        f"among {len(won.candidates)} settings the other seeds' select rows chose "
        f"{found.label(best)} for {times} of {plural(seeds, 'seed')}; the choice, scored on the "
        f"seed left out, − {found.label(won.against)}: {claim(record)}."
    )
    if len(won.candidates) < 6:
        text += " k and threshold were hardly varied: preset `sweep` draws the maps."
    if won.effect.lo is not None and won.effect.lo > 0:
        return Part(where, YES, f"a real gain, chosen {found.label(best)}", text)
    if equivalent(record, found.margin) or (won.effect.hi is not None and won.effect.hi < 0):
        return Part(where, NO, "the winner has no gain", text)
    return Part(where, CANNOT, "not settled", f"{text} Cannot tell: {needs(record, found.margin)}.")


def gaming_part(found: Analysis, s: SuiteAnalysis) -> Part:
    """Question 6.

    Gamed: proxy − gold on test answers rises (interval above 0). Collapsed: −logprob of an answer
    falls by half or more. Longer: answers are longer (interval above 0) by a tenth or more. Yes if
    any holds; no if none does and each interval excludes it; else cannot tell.
    """
    where, signs = place(found, s), s.signs
    if signs is None:
        return Part(where, CANNOT, "not measured", "needs the primary variant and its SFT control.")
    fell = share(signs.entropy, signs.entropy_from)
    grew = share(signs.tokens, signs.tokens_from)
    facts = [
        f"proxy − gold on test answers changed by {gain(signs.overstated)}",
        f"−logprob of an answer by {gain(signs.entropy, 2)} nats ({_share(fell)})",
        f"length by {gain(signs.tokens, 2)} tokens ({_share(grew)})",
    ]
    over = signs.overstated
    yes = [
        name
        for name, holds in (
            ("the proxy was gamed", over is not None and over.lo is not None and over.lo > 0),
            ("diversity collapsed", fell is not None and fell <= -COLLAPSE),
            (
                "answers got longer",
                bool(signs.tokens.lo and signs.tokens.lo > 0) and (grew or 0) >= LONGER,
            ),
        )
        if holds
    ]
    text = f"against {found.label(signs.against)}: {'; '.join(facts)}."
    if yes:
        return Part(where, YES, " and ".join(yes), text)
    missing = [
        n for n, e in (("proxy and gold scores", over), ("logprobs", signs.entropy)) if e is None
    ]
    inner = narrow(over) if over is not None else None
    if missing or inner is None or inner[1] >= found.margin:
        why = f"proxy − gold may have risen by {rate(found.margin)}"
        if missing or inner is None:
            why = f"needs {' and '.join(missing) or 'an interval: at least 10 clusters'}"
        return Part(where, CANNOT, why, f"{text} Cannot tell: {why}.")
    return Part(where, NO, "no sign of it", text)


def share(change: Effect | None, level: float | None) -> float | None:
    """A change as a share of the level it starts from; None where either is unknown or 0."""
    return None if change is None or not level else change.estimate / abs(level)


def _share(value: float | None) -> str:
    return "n/a" if value is None else f"{'+' if value >= 0 else '−'}{percent(abs(value))}"


def place(found: Analysis, s: SuiteAnalysis) -> str:
    """Name of a suite, with its policy where the run has several."""
    several = len({x.key.policy for x in found.suites}) > 1
    return f"{s.key.suite} ({s.key.policy})" if several else s.key.suite
