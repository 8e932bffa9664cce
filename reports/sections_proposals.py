"""Section about proposals: what accepted answers cost and gave, by what drew the pool."""

from __future__ import annotations

from rsft_bench.reports.document import Section, Table, Text
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import NA, big, level, percent, rate
from rsft_bench.reports.verdicts import place


def proposals(found: Analysis) -> Section | None:
    """One row a trained arm, ordered by proposal; None where the run has one proposal only."""
    tables = [_table(found, s) for s in found.suites if len({a.proposal for a in s.audits}) > 1]
    if not tables:
        return None
    text = (
        "What the pool was drawn from: the policy, its temperature and top-p. Equal proposals "
        "share one pool, and every arm is trained from SFT, so that arms of one rule differ by "
        "the proposal alone."
    )
    return Section("The proposal: who answers, and how", (Text(text), *tables))


def _table(found: Analysis, s: SuiteAnalysis) -> Table:
    head = (
        *("proposal", "method", "pool pass rate", "accept rate", "prompts covered"),
        *("precision (gold)", "tokens an accepted answer", "FLOPs an accepted answer"),
        "pass rate [95 %]",
    )
    note = (
        "Tokens: all draws of the pool over the accepted answers. FLOPs: what the arm pays for "
        "sampling and scoring, over the same; the proxy's labelled answers, and what an earlier "
        "round as source cost, are in it. Pass rate: after training, on confirm."
    )
    rows = []
    for a in sorted(s.audits, key=lambda a: (a.proposal, a.variant)):
        end = s.level(a.variant)
        rows.append(
            (
                *(a.proposal, found.label(a.variant), rate(a.pool_pass), percent(a.accept_rate)),
                *(percent(a.coverage), rate(a.precision), rate(a.tokens_each, 1)),
                *(big(a.flops_each), NA if end is None else level(end.passed)),
            )
        )
    return Table(f"{place(found, s)}: by proposal", head, tuple(rows), note)
