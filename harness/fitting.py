"""The parameters of a fit node: its sets, their losses, and what of its budget is unusual."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from rsft_bench.harness.arms import Charge, share_of
from rsft_bench.harness.cellspace import Cellspace
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.learning import Budget
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.types import Json

#: (name, rows, coefficient, stream) of a set; rows of several nodes are one set.
TrainedSet: TypeAlias = tuple[str, Node | Sequence[Node], float, str]


def as_nodes(nodes: Node | Sequence[Node]) -> tuple[Node, ...]:
    """One or several nodes as an input's tuple."""
    return (nodes,) if isinstance(nodes, Node) else tuple(nodes)


def set_specs(
    space: Cellspace,
    sets: Sequence[TrainedSet],
    losses: Mapping[str, Mapping[str, Json]],
) -> list[dict[str, Json]]:
    """What a fit node says of its sets; a loss only where it is not the likelihood.

    Args:
        space: whose policy is trained.
        sets: the sets to train on.
        losses: by set name the ``loss`` and its ``settings``; others are trained by likelihood.

    Raises:
        ConfigError: the policy's trainer has no such loss.
    """
    # Likelihood is what being trainable means.
    for wanted in (losses[name]["loss"] for name, _, _, _ in sets if name in losses):
        if wanted not in space.losses:
            raise ConfigError(
                f"policy {space.policy!r} cannot be trained by loss {wanted!r}; it has: "
                f"{', '.join(sorted(space.losses))}; leave the variant or the policy out"
            )
    return [
        {"name": name, "coefficient": weight, "stream": stream, **losses.get(name, {})}
        for name, _, weight, stream in sets
    ]


def budget_of(
    training: Mapping[str, Json], lr: float, steps: int | None = None, batch: int | None = None
) -> dict[str, Json]:
    """A fit's budget: the config's steps and batch unless given."""
    return {
        "steps": training["steps"] if steps is None else steps,
        "batch": training["batch"] if batch is None else batch,
        "lr": lr,
        **unusual(training),
    }


def checkpoints_of(training: Mapping[str, Json], steps: int) -> dict[str, Json]:
    """The steps after which a fit keeps its weights; nothing where it keeps none."""
    if not training["checkpoints"]:
        return {}
    wanted = {max(1, round(share * steps)) for share in training["checkpoints"]}
    return {"checkpoints": sorted(wanted - {steps})}


def paid_once(charges: Sequence[Charge]) -> list[Charge]:
    """One charge a node, the one that keeps most: a node has one cost, however often charged."""
    found: dict[str, Charge] = {}
    for charge in charges:
        known = found.get(charge.node.uid)
        if known is None or share_of(charge) > share_of(known):
            found[charge.node.uid] = charge
    return list(found.values())


def unusual(training: Mapping[str, Json]) -> dict[str, Json]:
    """Settings by their names in ``Budget`` that are not its defaults: usual keys stay short."""
    optional = {f.name: f.default for f in dataclasses.fields(Budget)}
    optional = {name: usual for name, usual in optional.items() if name in training}
    return {
        name: training[name]
        for name, usual in optional.items()
        if usual is not dataclasses.MISSING and training[name] != usual
    }
