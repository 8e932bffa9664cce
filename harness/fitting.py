"""The parameters of a fit node: its sets, their losses, and what of its budget is unusual."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from rsft_bench.harness.cellspace import Cellspace
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.learning import Budget
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.types import Json


def set_specs(
    space: Cellspace,
    sets: Sequence[tuple[str, Node, float, str]],
    losses: Mapping[str, Mapping[str, Json]],
) -> list[dict[str, Json]]:
    """What a fit node says of its sets; a loss only where it is not the likelihood.

    Args:
        space: whose policy is trained.
        sets: (name, rows, coefficient, stream) of each set.
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


def unusual(training: Mapping[str, Json]) -> dict[str, Json]:
    """Settings by their names in ``Budget`` that are not its defaults: usual keys stay short."""
    optional = {f.name: f.default for f in dataclasses.fields(Budget)}
    optional = {name: usual for name, usual in optional.items() if name in training}
    return {
        name: training[name]
        for name, usual in optional.items()
        if usual is not dataclasses.MISSING and training[name] != usual
    }
