"""Section of question 4: how each kind of model fared, one row a policy and suite."""

from __future__ import annotations

from rsft_bench.reports.document import Section, Table, Text
from rsft_bench.reports.findings import Analysis
from rsft_bench.reports.formatting import covers
from rsft_bench.reports.model_kinds import LEAST_KINDS, kind_rows, kinds_answer

HEAD = ("policy", "suite", "base", "SFT", "RSFT − control", "best-of-n − control", "RSFT fits")


def model_kinds(found: Analysis) -> Section | None:
    """The table; None where the run has fewer kinds than say anything."""
    rows = kind_rows(found)
    if len({row.policy for row in rows}) < LEAST_KINDS:
        return None
    control = found.label(next((s.comparator for s in found.suites if s.comparator), None) or "")
    table = Table(
        "Kinds of model, on the confirm split",
        HEAD,
        tuple(
            (r.policy, r.suite, r.base, r.sft, r.rsft, r.best_of, f"{r.part.word}: {r.part.short}")
            for r in rows
        ),
        f"Base and SFT: pass rates. Differences: pass rate of the primary RSFT variant, and of the "
        f"largest best-of-n, less that of {control}, with 95 % intervals for "
        f"{covers(len(found.manifest.get('seeds', [])))}. The last column is the answer to "
        "question 1 in this row. Kinds differ in suite, size and training as well, so rows say "
        "whether RSFT works there, not which kind is better.",
    )
    word, summary, _ = kinds_answer(found)
    return Section("Does it fit every model?", (Text(f"{word}: {summary}."), table))
