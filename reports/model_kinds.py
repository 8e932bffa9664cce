"""Question 4: does RSFT fit every kind of model? One row a policy and suite. Reads ``Analysis``.

"Every model" cannot be measured; the answer is about the kinds of the run and names them. One clear
no is enough for "no", "yes" needs every row, and a run of one kind cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rsft_bench.reports.comparisons import find
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import NA, gain, plural, rate
from rsft_bench.reports.verdicts import CANNOT, NO, YES, Part, Word, better_than_sft

#: Kinds of policy that a run must have before it says anything of "every model".
LEAST_KINDS = 2


@dataclass(frozen=True)
class KindRow:
    """One policy on one suite, in finished words; ``part`` is its answer to question 1."""

    policy: str
    suite: str
    base: str
    sft: str
    rsft: str
    best_of: str
    part: Part


def kind_rows(found: Analysis) -> list[KindRow]:
    """Every policy and suite of the run, by policy."""
    ordered = sorted(found.suites, key=lambda s: (s.key.policy, s.key.suite))
    return [_row(found, s) for s in ordered]


def _row(found: Analysis, s: SuiteAnalysis) -> KindRow:
    mine = None
    if s.primary is not None and s.comparator is not None:
        mine = find(found.records, s.key, s.primary, s.comparator)
    return KindRow(
        policy=s.key.policy,
        suite=s.key.suite,
        base=_passed(s, "base"),
        sft=_passed(s, "sft"),
        rsft=gain(mine),
        best_of=_best_of(found, s),
        part=better_than_sft(found, s),
    )


def _passed(s: SuiteAnalysis, variant: str) -> str:
    level = s.level(variant)
    return rate(level.passed.estimate) if level and level.passed else NA


def _best_of(found: Analysis, s: SuiteAnalysis) -> str:
    """Gain of the largest best-of-n over draws that RSFT has not trained."""
    here = [found.variants[v.variant] for v in s.levels if v.variant in found.variants]
    arms = [v for v in here if v.best_of and not v.on_rsft]
    if not arms or s.comparator is None:
        return NA
    top = max(arms, key=lambda v: v.n)
    return f"n={top.n}: {gain(find(found.records, s.key, top.id, s.comparator))}"


def kinds_answer(found: Analysis) -> tuple[Word, str, Sequence[Part]]:
    """Word, one sentence and a part a row.

    Yes: every row's answer to question 1 is yes. No: some row's is no. Cannot tell: fewer than
    ``LEAST_KINDS`` policies, or rows that are open and none that is no.
    """
    rows = kind_rows(found)
    kinds = list(dict.fromkeys(row.policy for row in rows))
    parts = tuple(row.part for row in rows)
    if len(kinds) < LEAST_KINDS:
        return (
            CANNOT,
            f"needs a run with at least {LEAST_KINDS} kinds of policy, such as "
            f"`rsft-bench run examples/model_kinds.yaml`; this one has {kinds[0] if kinds else 0} "
            "only",
            (),
        )
    by_word: dict[Word, list[str]] = {YES: [], NO: [], CANNOT: []}
    for row in rows:
        by_word[row.part.word].append(f"{row.policy} on {row.suite}")
    counted = (
        f"RSFT beats SFT in {len(by_word[YES])} of {plural(len(rows), 'row')} of "
        f"{len(kinds)} kinds ({', '.join(kinds)})"
    )
    told = "; ".join(f"{word}: {', '.join(names)}" for word, names in by_word.items() if names)
    limit = "Kinds, sizes and suites that were not run are not covered"
    if by_word[NO]:
        return NO, f"{counted}. {told}. {limit}", parts
    if by_word[CANNOT]:
        needed = f"needs a clear answer to question 1 for {', '.join(by_word[CANNOT])}"
        return CANNOT, f"{needed}. {counted}. {told}", parts
    return YES, f"{counted}. {limit}", parts
