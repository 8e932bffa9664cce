"""Costs of cells: what a variant would cost alone, and what this run spent on its artifacts.

Attributed columns are on top of ``sft`` (whose own row holds its training); k draws of a pool of 16
count k, and read every prompt once as they would alone. Spent columns charge an artifact once, to
the first cell in id order that uses it, trials included, so they sum to the manifest's totals.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rsft_bench.harness.arms import Arm, Charge, share_of
from rsft_bench.harness.metering.formulas import sample_flops
from rsft_bench.harness.nodes import Node, closure
from rsft_bench.harness.policies.shape import model_shape
from rsft_bench.harness.runfolder import STAGES as CATEGORIES
from rsft_bench.harness.spaces import Cell
from rsft_bench.harness.stages.base import has_weights, weights_folder
from rsft_bench.harness.stages.sample import FLOPS
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


def artifact_parts(artifact: Artifact) -> dict[str, Cost]:
    """``Artifact.parts``; only stage ``online`` has any, so no other folder is looked at."""
    return artifact.parts() if artifact.stage == "online" else {}


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

    def add(self, cost: Cost) -> None:
        """Add a charge's cost to the attributed side."""
        self.tokens += cost.tokens
        self.flops += cost.flops
        self.wall_s += cost.wall_s
        self.cpu_s += cost.cpu_s


@dataclass(slots=True)
class Ledger:
    """Which artifacts have been charged as spent already."""

    artifacts: Mapping[str, Artifact]
    spent: set[str] = field(default_factory=set)

    def cell(self, cell: Cell) -> dict[str, Sums]:
        """Cost sums by category for one cell; call in id order, once a cell."""
        sums = {category: Sums() for category in CATEGORIES}
        for charge in charges(cell.arm):
            sums[charge.category].add(cost_of(charge, self.artifacts))
        named = _named(cell.arm)
        for uid, node in closure(cell_nodes(cell.arm)).items():
            artifact = self.artifacts[uid]
            if artifact.key not in self.spent:
                self.spent.add(artifact.key)
                whole = {named.get(uid, category_of(node)): artifact.cost}
                for category, cost in (artifact_parts(artifact) or whole).items():
                    sums[category].spend(cost)
        return sums


def charges(arm: Arm) -> list[Charge]:
    """An arm's own charges, and its test draws under ``evaluate``.

    A node counts once a category, with the most draws that are charged of it.
    """
    tests = [
        Charge("evaluate", node)
        for evaluation in arm.evaluations
        for node in (*evaluation.draws.samples, *evaluation.draws.scores, evaluation.ratio)
        if node is not None
    ]
    found: dict[tuple[str, str], Charge] = {}
    for charge in (*arm.charges, *arm.tuning, *tests):
        at = (charge.category, charge.node.uid)
        if at not in found or _reach(charge) > _reach(found[at]):
            found[at] = charge
    return list(found.values())


def _reach(charge: Charge) -> float:
    return math.inf if charge.draws is None else charge.draws


def _named(arm: Arm) -> dict[str, str]:
    """Category of every node that the arm or one of its trials charges, by uid."""
    named: dict[str, str] = {}
    for part in (arm, *arm.trials.values()):
        for charge in charges(part):
            named.setdefault(charge.node.uid, charge.category)
    return named


def choice_labels(arm: Arm) -> int:
    """Gold judgements spent on choosing among an arm's trials: their draws on ``select``.

    Every draw of every trial counts, whether or not two draws are the same text. 0 without trials.
    """
    blocks = [
        block.params
        for trial in arm.trials.values()
        for evaluation in trial.evaluations
        if evaluation.split == "select"
        for block in evaluation.draws.samples
    ]
    return sum(len(p["prompts"]) * (p["draws"][1] - p["draws"][0]) for p in blocks)


def cell_nodes(arm: Arm) -> list[Node]:
    """Every node behind an arm."""
    from rsft_bench.harness.settling import arm_nodes

    return arm_nodes(arm)


def category_of(node: Node) -> str:
    """Category of an artifact that the cell needs but does not charge (its start, its proxy)."""
    if node.stage == "sample":
        return "evaluate" if node.params["purpose"] == "test" else "sample"
    if node.stage in ("score", "proxy", "select", "target"):
        return "score"
    return "train" if node.stage == "fit" else OVERHEAD


def cost_of(charge: Charge, artifacts: Mapping[str, Artifact]) -> Cost:
    """What the draws that a charge keeps would cost alone.

    Tokens are those of the kept draws. FLOPs of a sample read each prompt once for the draws kept,
    not for the whole block; a score's are the same for every answer. FLOPs that cannot be taken
    apart either, and seconds, are shared by draws. Of a node that does several things it is the
    part of the charge's category.
    """
    node, share = charge.node, share_of(charge)
    cost = artifact_parts(artifacts[node.uid]).get(charge.category, artifacts[node.uid].cost)
    if share == 1.0 or charge.draws is None:
        return cost
    blocks = node.inputs["samples"] if node.stage == "score" else (node,)
    kept = [
        row
        for block in blocks
        for row in artifact_rows(artifacts[block.uid].folder)
        if row["draw"] < charge.draws
    ]
    flops = _drawn_flops(node, charge.draws, kept, artifacts) if node.stage == "sample" else None
    flops = cost.flops * share if flops is None else flops
    tokens = sum(row["tokens_out"] for row in kept)
    return Cost(tokens, flops, cost.wall_s * share, cost.cpu_s * share)


def _drawn_flops(
    block: Node, draws: int, kept: list[dict[str, Json]], artifacts: Mapping[str, Artifact]
) -> float | None:
    """FLOPs of the rows of a block whose draws are below ``draws``; None where nobody says."""
    folder = artifacts[block.uid].folder
    stated = folder / FLOPS
    if stated.exists():
        parts = json.loads(stated.read_text())
        own = zip(artifact_rows(folder), parts["answers"], strict=True)
        return float(sum(parts["prompts"]) + sum(f for row, f in own if row["draw"] < draws))
    artifact = artifacts[block.inputs["policy"][0].uid].folder
    if not has_weights(artifact):
        return None
    shape = model_shape(weights_folder(artifact))
    tokens_in = [row["tokens_in"] for row in kept]
    tokens_out = [row["tokens_out"] for row in kept]
    together = draws - block.params["draws"][0]
    return None if shape is None else sample_flops(shape, tokens_in, tokens_out, together)


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
