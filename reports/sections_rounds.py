"""Section about rounds: what the policy of each round answered, and what was accepted of it."""

from __future__ import annotations

from rsft_bench.reports.document import Section, Table, Text
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import percent, rate, signed
from rsft_bench.reports.verdicts import place


def rounds(found: Analysis) -> Section | None:
    """One row a round of each arm that has several; None where no arm has."""
    tables = [_table(found, s) for s in found.suites if s.rounds]
    if not tables:
        return None
    text = (
        "Arms that draw more than once. A round's answers come from the policy of the round "
        "before; of a fit that draws while it trains (online) a row is a segment, whose answers "
        "come from the policy so far. Where the proxy of answers drawn rises and their pass rate "
        "does not, further rounds only please the proxy."
    )
    return Section("Rounds", (Text(text), *tables), folded=True)


def _table(found: Analysis, s: SuiteAnalysis) -> Table:
    head = (
        *("method", "round", "pass rate drawn", "proxy drawn", "accept rate", "prompts covered"),
        *("precision (gold)", "proxy − gold, accepted"),
    )
    rows = tuple(
        (
            *(found.label(r.variant), f"{r.number} of {r.of}", rate(r.passed), rate(r.proxy)),
            *(percent(r.accepted), percent(r.coverage), rate(r.precision)),
            signed(r.overstated),
        )
        for r in s.rounds
    )
    note = (
        "Means over seeds, on training prompts, before acceptance in the first two columns. "
        "Coverage is of the prompts that the round drew for."
    )
    return Table(f"{place(found, s)}: by round", head, rows, note)
