"""Nodes that tell how far a trained policy lies from the start, from draws that it has anyway."""

from __future__ import annotations

from collections.abc import Mapping

from rsft_bench.harness.arms import Scored
from rsft_bench.harness.cellspace import Cellspace
from rsft_bench.harness.errors import CapabilityError
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.types import Split


def ratio_nodes(
    space: Cellspace, policy: Node, start: Node, drawn: Mapping[Split, Scored]
) -> dict[Split, Node]:
    """By split, the log-likelihood ratio to ``start`` of answers that ``policy`` drew.

    On ``confirm`` alone; none for the start itself and for base, which nothing here trained.

    Raises:
        CapabilityError: the policy does not know how likely an answer is.
    """
    if policy.uid in (start.uid, space.base.uid) or "confirm" not in drawn:
        return {}
    if "scorer" not in space.capabilities:
        raise CapabilityError(
            f"evaluation.kl needs capability 'scorer', which policy {space.policy!r} lacks (it "
            f"has: {', '.join(sorted(space.capabilities))}); set evaluation.kl to false"
        )
    inputs = {"policy": (policy,), "start": (start,), "data": (space.data,)}
    code = tuple(dict.fromkeys((*policy.code, *start.code)))
    return {"confirm": Node("ratio", {}, {**inputs, "samples": drawn["confirm"].samples}, code)}
