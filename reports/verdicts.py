"""The rules behind the answers, one suite at a time: when it is yes, when no, when unknown.

Reads a ``SuiteAnalysis`` only; every rule is stated in its docstring and in the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal, TypeAlias

from rsft_bench.harness.runfolder import WINNER
from rsft_bench.reports.comparisons import Record, find
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import (
    claim,
    gain,
    plural,
    rate,
    signed,
    tested,
)

Word: TypeAlias = Literal["yes", "no", "cannot tell"]
YES: Word = "yes"
NO: Word = "no"
CANNOT: Word = "cannot tell"
FAMILIES = ("confirmatory", "exploratory")
LOWER_T = "RSFT gives what a lower temperature gives"


@dataclass(frozen=True)
class Part:
    """One suite's answer: where, the word, a few words for the headline, and the numbers.

    ``needs`` says what would settle it and is empty unless the word is "cannot tell".
    """

    where: str
    word: Word
    short: str
    text: str
    needs: str = ""


def unsure(where: str, short: str, needed: str, text: str = "") -> Part:
    """A part that cannot tell; ``needed`` begins with "needs"."""
    told = f"{text.strip()} Cannot tell: {needed}." if text else f"{needed}."
    return Part(where, CANNOT, short, told, needed)


def better_than_sft(found: Analysis, s: SuiteAnalysis) -> Part:
    """Question 1.

    Yes: better than ``sft_more`` at equal temperature and better with each at its own best
    temperature (each time: interval above 0 and adjusted p < .05). No: worse, or equivalent (90 %
    interval within ±margin), or only what a lower temperature gives (that contest's 90 % interval
    lies below the margin). Else cannot tell.
    """
    where = place(found, s)
    if s.primary is None or s.comparator is None:
        return unsure(where, "not run", "needs rows of the primary variant and of sft_more")
    first = find(found.records, s.key, s.primary, s.comparator)
    if first is None:
        return unsure(where, "not compared", f"needs rows of {s.comparator}")
    word, short, reason, needed = _verdict(found, s, first)
    text = (
        f"{found.label(s.primary)} − {found.label(s.comparator)}: {claim(first)}. "
        f"{headroom_words(s)}{reason}{_other_rivals(found, s, s.primary)}"
        f"{_worse_than_base(found, s)}"
    )
    return Part(where, word, short, text, needed)


def _verdict(found: Analysis, s: SuiteAnalysis, first: Record) -> tuple[Word, str, str, str]:
    """Word, headline, reason, and what it needs where it cannot tell."""
    size, margin = gain(first), found.margin
    if not better(first):
        if first["hi"] is not None and first["hi"] < 0:
            return NO, f"worse, {size}", "It is worse. ", ""
        if equivalent(first, margin):
            inner = f"the 90 % interval lies within ±{rate(margin)}"
            return NO, f"no gain, {size}", f"No gain: {inner}. ", ""
        needed = needs(first, margin)
        return CANNOT, f"{size}, not settled", f"Cannot tell: {needed}. ", needed
    best = s.ladder.best if s.ladder else None
    if best is None or s.ladder is None or s.ladder.mine is None or s.ladder.rival is None:
        needed = "needs both at lower temperatures (evaluation.temperatures)"
        why = f"Better at equal temperature, but cannot tell at each one's best: {needed}. "
        return CANNOT, f"{size} at T=1 only", why, needed
    pair = (
        f"Each at its own best temperature ({found.label(s.ladder.mine)} against "
        f"{found.label(s.ladder.rival)}, chosen on select): {gain(best)} ({tested(best)}). "
    )
    if better(best):
        size = f"{gain(first)} at T=1"
        at_best = f"{size}; {signed(best['estimate'])} with each at its best temperature"
        return YES, at_best, pair, ""
    if best["hi_90"] is not None and best["hi_90"] < margin:
        return NO, LOWER_T, f"{pair}{LOWER_T}. ", ""
    needed = needs(best, margin)
    more = f"{LOWER_T}, as far as this run can see; {needed}"
    return CANNOT, f"{size} at T=1, not settled at best T", f"{pair}{more}. ", needed


def better(r: Mapping[str, Any]) -> bool:
    """Interval above 0 and, in a family, p < .05 after its correction."""
    clear = r["lo"] is not None and r["lo"] > 0
    return clear and (r["family"] not in FAMILIES or (r["p_adj"] or 1.0) < 0.05)


def headroom_words(s: SuiteAnalysis) -> str:
    """What SFT's own draws leave to gain, beside every effect; empty where not measured."""
    h = s.headroom
    if h is None:
        return ""
    return (
        f"Headroom of SFT: {signed(h.oracle)} for a perfect picker among {h.k} answers, "
        f"{signed(h.proxy)} for this proxy. "
    )


def equivalent(r: Mapping[str, Any], margin: float) -> bool:
    """Whether the 90 % interval lies within ±margin; identical rows are equivalent."""
    return r["lo_90"] is not None and -margin < r["lo_90"] and r["hi_90"] < margin


def needs(r: Mapping[str, Any], margin: float) -> str:
    """What would settle a difference: more seeds and prompts, or clusters at all."""
    if r["mde"] is None or r["lo_90"] is None:
        return f"needs an interval: {str(r['scope']).removeprefix('no interval: ')}"
    if r["mde"] <= margin:
        inner = f"the 90 % interval [{signed(r['lo_90'])}, {signed(r['hi_90'])}]"
        return f"needs more seeds and prompts: {inner} crosses the margin {rate(margin)}"
    times = ceil(10 * (r["mde"] / margin) ** 2) / 10
    factor = f"{times:,.0f}" if times >= 10 else f"{times:g}"
    return (
        f"needs about {factor} times the seeds and prompts to see {rate(margin)} "
        f"(this run detects {rate(r['mde'])})"
    )


def _other_rivals(found: Analysis, s: SuiteAnalysis, a: str | None) -> str:
    """Confirmatory comparisons of ``a`` with rivals other than the comparator."""
    words = []
    for r in found.records:
        mine = (r["suite"], r["policy"]) == s.key and r["family"] == "confirmatory"
        if mine and r["a"] == a and r["b"] != s.comparator:
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


def sweep_part(found: Analysis, s: SuiteAnalysis) -> Part:
    """Question 3: the leave-one-seed-out procedure against SFT, not the luckiest setting.

    Yes: its interval lies above 0 and its adjusted p is below .05. No: equivalent or worse. Else
    cannot tell.
    """
    where, won = place(found, s), s.winner
    if won is None:
        needed = "needs at least two RSFT settings and two seeds (preset `sweep` draws the maps)"
        return unsure(where, "one setting", needed)
    (best, times), r = won.favourite, won.record
    varied, few = _varied(found, won.candidates)
    text = (
        f"A choice among {varied}: the other seeds' select rows chose {found.label(best)} for "
        f"{times} of {plural(len(won.chosen), 'seed')}; the choice, scored on the seed left out, "
        f"− {found.label(won.against)}: {claim(r)}. {_other_rivals(found, s, WINNER)}"
        f"{headroom_words(s)}"
    )
    if few:
        text += f"{few} (preset `sweep` draws the maps)."
    kind = "exploratory, " if r["family"] != "confirmatory" else ""
    if better(r):
        short = f"{kind}{gain(r)} by a choice among {varied}: {found.label(best)}"
        return Part(where, YES, short, text.strip())
    if equivalent(r, found.margin) or (r["hi"] is not None and r["hi"] < 0):
        return Part(where, NO, f"{kind}the winner among {varied} has no gain", text.strip())
    return unsure(where, f"{kind}not settled", needs(r, found.margin), text)


def _varied(found: Analysis, candidates: tuple[str, ...]) -> tuple[str, str]:
    """What the candidates differ in, in words, and what was not varied (empty if all was)."""
    told = [found.variants[c].parameters for c in candidates if c in found.variants]
    names = {"k": "k", "lambda": "λ", "tau": "threshold", "target_rate": "threshold"}
    seen: dict[str, set[str]] = {}
    for key, name in names.items():
        seen.setdefault(name, set()).update(str(p.get(key)) for p in told)
    some = [n for n, values in seen.items() if len(values) > 1]
    fixed = [n for n in seen if n not in some]
    words = f"{len(candidates)} settings" + (f" of {', '.join(some)}" if some else "")
    return words, f"Not varied: {', '.join(fixed)}" if fixed else ""


def tried(found: Analysis, s: SuiteAnalysis) -> dict[str, int]:
    """Variants whose parameters were chosen on select among several trials, and how many."""
    trials = {}
    for path, entry in found.manifest.get("chosen", {}).items():
        suite, policy, variant = path.split("/", 2)
        count_ = len([name for name in entry if name != "choice"])
        if (suite, policy) == s.key and count_ > 1:
            trials[variant] = count_
    return trials


def place(found: Analysis, s: SuiteAnalysis) -> str:
    """Name of a suite, with its policy where the run has several."""
    several = len({x.key.policy for x in found.suites}) > 1
    return f"{s.key.suite} ({s.key.policy})" if several else s.key.suite
