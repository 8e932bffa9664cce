"""``cells.parquet``: one row a cell, with its audit and its costs by stage."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pandas as pd

from rsft_bench.harness.arms import Arm
from rsft_bench.harness.costs import Ledger, Sums, artifact_rows, charges, choice_labels
from rsft_bench.harness.runfolder import STAGES
from rsft_bench.harness.settling import select_mean
from rsft_bench.harness.spaces import Cell
from rsft_bench.harness.store import plain
from rsft_bench.harness.types import Json

if TYPE_CHECKING:
    from rsft_bench.harness.runner import Run

Row = dict[str, Json]


def cell_key(cell: Cell) -> Row:
    """The columns that name a cell."""
    return {
        "suite": cell.suite,
        "policy": cell.policy,
        "variant": cell.variant.id,
        "seed": cell.seed,
    }


def cells_frame(run: Run) -> pd.DataFrame:
    """One row a cell: parameters, audit and costs by stage."""
    ledger = Ledger(run.artifacts)
    serve = _serve_costs(run)
    rows = []
    for cell in sorted(run.cells, key=lambda c: c.order):
        sums = ledger.cell(cell)
        row = cell_key(cell) | {
            "method": cell.variant.method,
            "parameters": json.dumps(plain(cell.variant.params), sort_keys=True),
            "policy_fingerprint": run.artifacts[cell.arm.policy.uid].digest,
            "gold_labels": cell.arm.gold_labels + choice_labels(cell.arm),
            "peak_rss_gib": _peak(run, cell),
        }
        row |= _audit(run, cell)
        for stage in STAGES:
            row |= _columns(stage, sums[stage])
        one = serve.get((cell.suite, cell.policy, cell.variant.id))
        row |= _serve_columns(run, cell, one)
        rows.append(row)
    return pd.DataFrame(rows)


def _peak(run: Run, cell: Cell) -> float:
    return max((run.artifacts[c.node.uid].cost.peak_rss_gib for c in charges(cell.arm)), default=0)


def _columns(stage: str, sums: Sums) -> Row:
    return {
        f"{stage}_tokens": sums.tokens,
        f"{stage}_flops": sums.flops,
        f"{stage}_wall_s": sums.wall_s,
        f"{stage}_cpu_s": sums.cpu_s,
        f"{stage}_spent_flops": sums.spent_flops,
        f"{stage}_spent_wall_s": sums.spent_wall_s,
        f"{stage}_paid": sums.spent_flops > 0 or sums.spent_wall_s > 0,
    }


def _audit(run: Run, cell: Cell) -> Row:
    """Steps, rows and epochs of the arm's own training; accept rate and tau of its selection.

    Of several rounds: steps and epochs on the way from the start to the served policy, and rows,
    rate and tau of the last.
    """
    row: Row = {
        "accept_rate": math.nan,
        "tau": math.nan,
        "lr": math.nan,
        "epochs_d": math.nan,
        "epochs_a": math.nan,
        "steps": 0,
        "rows_d": 0,
        "rows_a": 0,
    }
    arm = cell.arm
    if arm.selected is not None:
        summary = _json(run, arm.selected.uid, "select.json")
        row |= {"accept_rate": summary["accept_rate"], "tau": summary["tau"]}
    if arm.fitted is not None:
        report = _json(run, arm.fitted.uid, "fit.json")
        reports = [report, *(_json(run, fit.uid, "fit.json") for fit in arm.fits[:-1])]
        row["steps"] = sum(len(one["losses"]) for one in reports)
        row["lr"] = arm.fitted.params["budget"]["lr"]
        for name, letter in (("D", "d"), ("A", "a")):
            row[f"rows_{letter}"] = report["set_rows"].get(name, 0)
            row[f"epochs_{letter}"] = sum(_epochs(one, name) for one in reports)
    row["keep"] = arm.tuned.get("keep", math.nan)
    row |= _checkpoints(run, arm, row["steps"])
    return row


def _epochs(report: Json, name: str) -> float:
    size = report["set_rows"].get(name, 0)
    return report["rows_seen"].get(name, 0) / size if size else 0.0


def _checkpoints(run: Run, arm: Arm, steps: int) -> Row:
    """Mean gold_pass on select of the last weights and of the best ones kept on the way.

    NaN where the fit kept none. ``best_step`` is the step of the best, the last wins a tie.
    """
    if not arm.checkpoints:
        return dict.fromkeys(("last_select", "best_select", "best_step"), math.nan)
    last = select_mean(arm.evaluations, run.artifacts)
    found = {step: select_mean(kept, run.artifacts) for step, kept in arm.checkpoints.items()}
    found |= {steps: last}
    best = max(found, key=lambda step: (found[step], step))
    return {"last_select": last, "best_select": found[best], "best_step": float(best)}


def _serve_costs(run: Run) -> dict[tuple[str, str, str], Row]:
    found: dict[tuple[str, str, str], list[Row]] = {}
    for (suite, policy), node in run.serve.items():
        for row in artifact_rows(run.artifacts[node.uid].folder):
            found.setdefault((suite, policy, row["variant"]), []).append(row)
    return {
        key: {
            "tokens": round(sum(r["tokens_out"] for r in rows) / len(rows)),
            "flops": sum(r["flops"] for r in rows) / len(rows),
            "wall_s": sum(r["latency_s"] for r in rows) / len(rows),
            "cpu_s": sum(r["cpu_s"] for r in rows) / len(rows),
        }
        for key, rows in found.items()
    }


def _serve_columns(run: Run, cell: Cell, one: Row | None) -> Row:
    """One request's mean cost; the node itself is spent by the suite's first cell in id order."""
    first = min(
        (c for c in run.cells if (c.suite, c.policy) == (cell.suite, cell.policy)),
        key=lambda c: c.order,
    )
    node = run.serve.get((cell.suite, cell.policy))
    pays = node is not None and first.order == cell.order
    cost = None if node is None else run.artifacts[node.uid].cost
    return {
        "serve_tokens": 0 if one is None else one["tokens"],
        "serve_flops": math.nan if one is None else one["flops"],
        "serve_wall_s": math.nan if one is None else one["wall_s"],
        "serve_cpu_s": math.nan if one is None else one["cpu_s"],
        "serve_spent_flops": cost.flops if pays and cost is not None else 0.0,
        "serve_spent_wall_s": cost.wall_s if pays and cost is not None else 0.0,
        "serve_paid": pays,
    }


def _json(run: Run, uid: str, name: str) -> Json:
    return json.loads((run.artifacts[uid].folder / name).read_text())
