"""Costs of cells: what a variant would cost alone, and what this run spent on its artifacts.

Attributed columns are on top of ``sft`` (whose own row holds its training); k draws of a pool of 16
count k. Spent columns charge an artifact once, to the first cell in id order that uses it, so they
sum to the manifest's totals.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rsft_bench.harness.arms import Arm, Charge, share_of
from rsft_bench.harness.nodes import Node, closure
from rsft_bench.harness.runfolder import STAGES as CATEGORIES
from rsft_bench.harness.spaces import Cell
from rsft_bench.harness.store import Artifact, read_rows
from rsft_bench.harness.types import Cost, Json

if TYPE_CHECKING:
    from rsft_bench.harness.runner import Run

#: What a stage's artifacts are spent on where no arm charges them (data, selections, base).
OVERHEAD = "evaluate"


@functools.lru_cache(maxsize=4096)
def artifact_rows(folder: Path) -> tuple[dict[str, Json], ...]:
    """Rows of an artifact, kept for the next reader."""
    return tuple(read_rows(folder / "rows.jsonl"))


@dataclass(slots=True)
class Sums:
    """Running sums of one cost category."""

    tokens: int = 0
    flops: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    spent_tokens: int = 0
    spent_flops: float = 0.0
    spent_wall_s: float = 0.0
    spent_cpu_s: float = 0.0

    def spend(self, cost: Cost) -> None:
        """Add a whole artifact's cost to the spent side."""
        self.spent_tokens += cost.tokens
        self.spent_flops += cost.flops
        self.spent_wall_s += cost.wall_s
        self.spent_cpu_s += cost.cpu_s

    def add(self, artifact: Artifact, share: float) -> None:
        """Add a share of an artifact's cost to the attributed side."""
        cost = artifact.cost
        self.tokens += round(cost.tokens * share)
        self.flops += cost.flops * share
        self.wall_s += cost.wall_s * share
        self.cpu_s += cost.cpu_s * share


@dataclass(slots=True)
class Ledger:
    """Which artifacts have been charged as spent already."""

    artifacts: Mapping[str, Artifact]
    spent: set[str] = field(default_factory=set)

    def cell(self, cell: Cell) -> dict[str, Sums]:
        """Cost sums by category for one cell; call in id order, once a cell."""
        sums = {category: Sums() for category in CATEGORIES}
        named: dict[str, str] = {}
        for charge in charges(cell.arm):
            artifact = self.artifacts[charge.node.uid]
            sums[charge.category].add(artifact, share_of(charge))
            named.setdefault(charge.node.uid, charge.category)
        for uid, node in closure(cell_nodes(cell.arm)).items():
            artifact = self.artifacts[uid]
            if artifact.key not in self.spent:
                self.spent.add(artifact.key)
                sums[named.get(uid, category_of(node))].spend(artifact.cost)
        return sums


def charges(arm: Arm) -> list[Charge]:
    """An arm's own charges, and its test draws under ``evaluate``."""
    tests = [
        Charge("evaluate", node)
        for evaluation in arm.evaluations
        for node in (*evaluation.draws.samples, *evaluation.draws.scores)
    ]
    return [*dict.fromkeys(arm.charges), *arm.tuning, *dict.fromkeys(tests)]


def cell_nodes(arm: Arm) -> list[Node]:
    """Every node behind an arm."""
    from rsft_bench.harness.settling import arm_nodes

    return arm_nodes(arm)


def category_of(node: Node) -> str:
    """Category of an artifact that the cell needs but does not charge (its start, its proxy)."""
    if node.stage == "sample":
        return "evaluate" if node.params["purpose"] == "test" else "sample"
    return {"fit": "train", "score": "score", "proxy": "score", "select": "score"}.get(
        node.stage, OVERHEAD
    )


def totals(run: Run) -> dict[str, dict[str, float]]:
    """What the artifacts of a run took when they were made, by category, each counted once."""
    ledger = Ledger(run.artifacts)
    found = {category: Sums() for category in CATEGORIES}
    spent: list[tuple[str, Sums]] = [
        item
        for cell in sorted(run.cells, key=lambda c: c.order)
        for item in ledger.cell(cell).items()
    ]
    for category, sums in spent:
        into = found[category]
        into.spend(Cost(sums.spent_tokens, sums.spent_flops, sums.spent_wall_s, sums.spent_cpu_s))
    for node in run.serve.values():
        found["serve"].spend(run.artifacts[node.uid].cost)
    return {
        category: {
            "tokens": sums.spent_tokens,
            "flops": sums.spent_flops,
            "wall_s": sums.spent_wall_s,
            "cpu_s": sums.spent_cpu_s,
        }
        for category, sums in found.items()
    }
