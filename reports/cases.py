"""Twenty example prompts with the answers of each method, drawn by hash, never by outcome."""

from __future__ import annotations

import pandas as pd

from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.types import Json
from rsft_bench.reports.document import Case, Section, Shown, Text
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import rate
from rsft_bench.reports.naming import SERVED
from rsft_bench.reports.verdicts import place

TOTAL = 20
NOTE = (
    "Prompts are drawn from confirm by a hash of their id, whatever the outcome; answers are draw "
    "0 of the first seed. Best-of-n shows the answer its proxy picks among the first n draws, a "
    "vote or MBR the draw that it serves most often."
)


def cases(found: Analysis, rows: pd.DataFrame, examples: pd.DataFrame) -> Section:
    """The section of example prompts."""
    if not found.suites:
        return Section("Example answers", (Text("No rows in this run.", "note"),))
    each = -(-TOTAL // len(found.suites))
    blocks = [c for s in found.suites for c in _suite_cases(found, s, rows, examples, each)]
    return Section("Example answers", (Text(NOTE), *blocks[:TOTAL]), folded=True)


def _suite_cases(
    found: Analysis, s: SuiteAnalysis, rows: pd.DataFrame, examples: pd.DataFrame, each: int
) -> list[Case]:
    mine = rows[(rows["suite"] == s.key.suite) & (rows["policy"] == s.key.policy)]
    mine = mine[mine["split"] == "confirm"]
    if mine.empty:
        return []
    mine = mine[mine["seed"] == mine["seed"].min()]
    names = sorted(set(mine["example_id"]), key=lambda e: keyed_unit("report-example", e))[:each]
    table = examples[(examples["suite"] == s.key.suite)].drop_duplicates("example_id")
    table = table.set_index("example_id")
    by_example = {str(k): v for k, v in mine[mine["example_id"].isin(names)].groupby("example_id")}
    out = []
    for name in names:
        if name not in table.index:
            continue
        e = table.loc[name]
        shown = [_shown(found, v, by_example[name]) for v in _methods(found, s)]
        references = list(e["references"])
        out.append(
            Case(
                title=f"{place(found, s)} · {name} · {e['stratum']}",
                prompt=str(e["prompt"]),
                reference=str(references[0]) if references else "",
                answers=tuple(a for a in shown if a is not None),
            )
        )
    return out


def _methods(found: Analysis, s: SuiteAnalysis) -> list[str]:
    """Base, SFT and its controls, RSFT at every λ, its control and greedy twin, and serving rules.

    RSFT means the settings that differ from the primary in λ alone; of a rule the largest n.
    """
    picked = [v for i in s.levels if (v := found.variants[i.variant]).served and not v.on_rsft]
    tops = {v.method: v.id for v in picked}
    warm = [i.variant for i in s.levels if found.variants[i.variant].temperature == 1]
    plain = [v for v in warm if found.variants[v].method not in {"rsft", *SERVED}]
    same = [v for v in warm if s.primary and _but_lambda(found, v) == _but_lambda(found, s.primary)]
    greedy = [a for t, a, _, _ in s.ladder.steps if t == 0] if s.ladder else []
    control = [v for v in warm if v == found.manifest.get("primary_match")]
    return list(dict.fromkeys([*plain, *same, *greedy, *control, *tops.values()]))


def _but_lambda(found: Analysis, name: str) -> tuple[str, dict[str, Json]]:
    v = found.variants[name]
    return v.method, {k: x for k, x in v.parameters.items() if k != "lambda"}


def _shown(found: Analysis, variant: str, rows: pd.DataFrame) -> Shown | None:
    mine = rows[rows["variant"] == variant].sort_values("draw")
    if mine.empty:
        return None
    row = mine.iloc[0]
    if found.variants[variant].best_of:
        first = mine.head(found.variants[variant].n)
        row = first.sort_values(["proxy", "draw"], ascending=[False, True]).iloc[0]
    elif found.variants[variant].served:
        row = mine.sort_values(["weight", "draw"], ascending=[False, True]).iloc[0]
    known = not pd.isna(row["gold"])
    return Shown(
        method=found.label(variant),
        text=str(row["text"]) or "(empty answer)",
        mark="n/a" if not known else "pass" if bool(row["gold_pass"]) else "fail",
        proxy=rate(float(row["proxy"]), 2),
    )
