"""Pieces that several methods share: the temperature parameter, charges, evaluated arms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.harness.arms import Arm, Charge, Scored, Serving
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.types import Capability, Json, Param

#: As the config's own temperatures; beyond it a softmax is flat anyway.
HOTTEST = 10.0
TEMPERATURE = Param("temperature", 1.0, "serving temperature; 0 is greedy", least=0.0, most=HOTTEST)
SAMPLER: frozenset[Capability] = frozenset({"sampler"})
TRAINABLE: frozenset[Capability] = frozenset({"sampler", "trainable"})


@dataclass(frozen=True, slots=True)
class Plain:
    """What a method with no parameter but the serving temperature declares."""

    name: str
    doc: str
    params: tuple[Param, ...] = (TEMPERATURE,)
    requires: frozenset[Capability] = TRAINABLE

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """Nothing: an id shows only what differs from its default."""
        return frozenset()


def proxy_charges(graph: Graph) -> tuple[Charge, ...]:
    """What having a proxy costs: drawing the answers to label, judging them, fitting.

    Where other data brings the labels, fitting alone.
    """
    if graph.space.labels:
        return (Charge("score", graph.proxy()),)
    labelled = graph.labelled()
    return (
        *(Charge("sample", node) for node in labelled.samples),
        *(Charge("score", node) for node in labelled.scores),
        Charge("score", graph.proxy()),
    )


def own_charges(arm: Arm, graph: Graph) -> tuple[Charge, ...]:
    """What an arm charges on top of the start that every arm has: without the start's own fit."""
    start = graph.start().uid
    return tuple(charge for charge in arm.charges if charge.node.uid != start)


def pool_charges(pool: Scored, k: int, *, scored: bool) -> tuple[Charge, ...]:
    """The first ``k`` draws of a pool; scoring only where the rule reads scores."""
    part = pool.first(k)
    charges = [Charge("sample", node, draws=k) for node in part.samples]
    if scored:
        charges += [Charge("score", node, draws=k) for node in part.scores]
    return tuple(charges)


def served(
    graph: Graph,
    policy: Node,
    temperature: float,
    serving: Serving,
    **parts: object,
) -> Arm:
    """An arm that answers every test split with ``policy`` at one temperature."""
    evaluations = graph.evaluate(policy, serving.draws, temperature, serving.splits)
    return Arm(policy, evaluations, temperature=temperature, **parts)  # type: ignore[arg-type]


def trained(
    graph: Graph,
    fitted: Node,
    temperature: float,
    serving: Serving,
    charges: tuple[Charge, ...] = (),
    **parts: object,
) -> Arm:
    """An arm served by a policy of its own training, which it pays for beside ``charges``."""
    charges = (*charges, Charge("train", fitted))
    return served(graph, fitted, temperature, serving, charges=charges, fitted=fitted, **parts)
