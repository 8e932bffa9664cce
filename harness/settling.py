"""Rounds of a run: make nodes, let ``select`` rows choose, plan again, until nothing is open.

After the choices, the sweep's winner (chosen by leaving one seed out) asks its method for a matched
control, which joins the run as a further variant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from rsft_bench.harness.arms import Arm, Evaluation
from rsft_bench.harness.cellspace import Cellspace
from rsft_bench.harness.costs import artifact_rows
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.schedule import Walk
from rsft_bench.harness.spaces import Cell, Plan, plan_cells
from rsft_bench.harness.statistics import leave_one_seed_out_winner
from rsft_bench.harness.store import Artifact
from rsft_bench.harness.variants import parse_variant

#: Suite label, policy, variant id.
Place: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Winner:
    """The setting chosen for each held-out seed on one suite and policy, and their controls.

    ``chosen`` maps a seed to a variant id, ``control`` a chosen variant to its matched control's.
    """

    suite: str
    policy: str
    chosen: Mapping[int, str]
    control: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Settled:
    """Cells without an open choice; what was tried, as ``{cell path: {trial: select mean}}``."""

    plan: Plan
    cells: tuple[Cell, ...]
    chosen: Mapping[str, dict[str, float | str]]
    winners: tuple[Winner, ...]


def settle(plan: Plan, spaces: list[Cellspace], walk: Walk) -> Settled:
    """Make every node of every arm, choosing on the way."""
    choices: dict[Place, str] = {}
    cells, tried = _choose_all(plan, spaces, walk, choices)
    winners: tuple[Winner, ...] = ()
    if plan.config.evaluation.winner == "confirmatory":
        winners = find_winners(plan, cells, walk)
        extended = _with_controls(plan, winners)
        if extended.variants != plan.variants:
            plan = extended
            cells, more = _choose_all(plan, spaces, walk, choices)
            tried |= more
    return Settled(plan, tuple(cells), tried, winners)


def arm_nodes(arm: Arm) -> list[Node]:
    """Every node an arm needs before it can be reported, its trials' and checkpoints' included."""
    nodes = [arm.policy, *(charge.node for charge in arm.charges)]
    checks = [e for evaluations in arm.checkpoints.values() for e in evaluations]
    for evaluation in (*arm.evaluations, *checks):
        nodes += [*evaluation.draws.samples, *evaluation.draws.scores]
        nodes += [] if evaluation.ratio is None else [evaluation.ratio]
    for turn in arm.turns:
        nodes += [] if turn.selected is None else [turn.selected]
    for turn in arm.rounds:
        nodes += [] if turn.pool is None else [*turn.pool.samples, *turn.pool.scores]
    for trial in arm.trials.values():
        nodes += arm_nodes(trial)
    return nodes


def select_mean(evaluations: Sequence[Evaluation], artifacts: Mapping[str, Artifact]) -> float:
    """Mean gold_pass over the ``select`` draws among some evaluations, of which there are some."""
    rows = [
        row["gold_pass"]
        for evaluation in evaluations
        if evaluation.split == "select"
        for node in evaluation.draws.scores
        for row in artifact_rows(artifacts[node.uid].folder)
    ]
    return float(np.mean(rows))


def find_winners(plan: Plan, cells: list[Cell], walk: Walk) -> tuple[Winner, ...]:
    """By suite and policy; none where fewer than two settings or two seeds compete."""
    found: list[Winner] = []
    if "select" not in plan.config.evaluation.splits:
        return ()
    for suite in plan.config.suites:
        for policy in plan.policies_of(suite.key):
            here = [c for c in cells if (c.suite, c.policy) == (suite.key, policy.name)]
            controls = {c.variant.id: _control(plan, c) for c in here}
            names = [name for name, control in controls.items() if control is not None]
            if suite.variants is not None or len(names) < 2 or len(plan.config.seeds) < 2:
                continue
            means = {
                (c.variant.id, c.seed): select_mean(c.arm.evaluations, walk.artifacts)
                for c in here
                if c.variant.id in names
            }
            select = np.array([[means[v, s] for s in plan.config.seeds] for v in names])
            winners = leave_one_seed_out_winner(select, select).winners
            chosen = {s: names[i] for s, i in zip(plan.config.seeds, winners, strict=True)}
            control = {v: str(controls[v]) for v in dict.fromkeys(chosen.values())}
            found.append(Winner(suite.key, policy.name, chosen, control))
    return tuple(found)


def _control(plan: Plan, cell: Cell) -> str | None:
    ask = getattr(plan.methods.get(cell.variant.method), "control", None)
    return None if ask is None else ask(cell.variant.params, cell.variant.id)


def _with_controls(plan: Plan, winners: tuple[Winner, ...]) -> Plan:
    """The plan with the winners' controls among its variants."""
    known = {v.id: v for v in plan.variants}
    for winner in winners:
        for text in winner.control.values():
            control = parse_variant(text, plan.methods)
            known.setdefault(control.id, control)
    return replace(plan, variants=tuple(known.values()))


def _choose_all(
    plan: Plan,
    spaces: list[Cellspace],
    walk: Walk,
    choices: dict[Place, str],
) -> tuple[list[Cell], dict[str, dict[str, float | str]]]:
    """Plan, make and choose until no arm is open; ``choices`` grows."""
    tried: dict[str, dict[str, float | str]] = {}
    phase = "train, sample and score"
    while True:
        planned = [(space, *plan_cells(plan, space, choices)) for space in spaces]
        cells = [cell for _, _, mine in planned for cell in mine]
        opened = [
            ((space.label, space.policy, variant), arm)
            for space, graph, _ in planned
            for variant, arm in graph.open_arms().items()
        ]
        arms = [*(cell.arm for cell in cells), *(arm for _, arm in opened)]
        walk.run([node for arm in arms for node in arm_nodes(arm)], phase)
        if not opened:
            return cells, tried
        for at, means in _trial_means(opened, walk).items():
            choices[at] = max(means, key=lambda name: means[name])
            tried["/".join(at)] = {"choice": choices[at], **means}
        phase = "chosen trials"


def _trial_means(opened: list[tuple[Place, Arm]], walk: Walk) -> dict[Place, dict[str, float]]:
    """Mean gold_pass on ``select`` over all seeds of every trial; the first wins a tie."""
    groups: dict[Place, list[Arm]] = {}
    for at, arm in opened:
        if arm.trials:
            groups.setdefault(at, []).append(arm)
    return {
        at: {
            name: float(
                np.mean(
                    [select_mean(arm.trials[name].evaluations, walk.artifacts) for arm in group]
                )
            )
            for name in group[0].trials
        }
        for at, group in groups.items()
    }
