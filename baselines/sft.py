"""Policies without rejection sampling: base, sft, and more steps on D (protocol.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.baselines.common import TEMPERATURE, served
from rsft_bench.harness.arms import Arm, Charge, Serving
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.types import Capability, Json, Param

NOTHING_SHOWN: frozenset[str] = frozenset()
TRAINABLE: frozenset[Capability] = frozenset({"sampler", "trainable"})
SAMPLER: frozenset[Capability] = frozenset({"sampler"})


@dataclass(frozen=True, slots=True)
class Base:
    """The policy as it came, before any training."""

    name: str = "base"
    doc: str = "the policy as it came"
    params: tuple[Param, ...] = (TEMPERATURE,)
    requires: frozenset[Capability] = SAMPLER

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """Nothing but what differs from its default."""
        return NOTHING_SHOWN

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Evaluate base."""
        return served(graph, graph.base(), params["temperature"], serving)


@dataclass(frozen=True, slots=True)
class Sft:
    """Supervised fine-tuning on D: the start of every trained arm."""

    name: str = "sft"
    doc: str = "fine-tuned on the logs D; every other trained arm starts here"
    params: tuple[Param, ...] = (TEMPERATURE,)
    requires: frozenset[Capability] = TRAINABLE

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """Nothing but what differs from its default."""
        return NOTHING_SHOWN

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Evaluate the seed's SFT policy; its training is this arm's cost."""
        start = graph.sft()
        return served(
            graph,
            start,
            params["temperature"],
            serving,
            charges=(Charge("train", start),),
            fitted=start,
        )


@dataclass(frozen=True, slots=True)
class SftMore:
    """T more steps on D from sft: what RSFT must beat. ``factor`` 2 is the token-matched one."""

    name: str = "sft_more"
    doc: str = "as many further steps on D as RSFT takes"
    factor: int = 1
    params: tuple[Param, ...] = (TEMPERATURE,)
    requires: frozenset[Capability] = TRAINABLE

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """Nothing but what differs from its default."""
        return NOTHING_SHOWN

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Fit on D alone from sft."""
        batch = graph.space.settings.training["batch"] * self.factor
        fitted = graph.fit(graph.sft(), [("D", graph.train_set(), 1.0, "train-D")], batch=batch)
        return served(
            graph,
            fitted,
            params["temperature"],
            serving,
            charges=(Charge("train", fitted),),
            fitted=fitted,
        )


@dataclass(frozen=True, slots=True)
class SftClean:
    """T more steps on D's hidden-correct answers: a ceiling no user has, marked as such."""

    name: str = "sft_clean"
    doc: str = "further steps on D's truly correct answers only: a ceiling no user has"
    params: tuple[Param, ...] = (TEMPERATURE,)
    requires: frozenset[Capability] = TRAINABLE

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """Nothing but what differs from its default."""
        return NOTHING_SHOWN

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Fit on the rows whose hidden label is ``correct``."""
        clean = graph.train_set(keep_quality="correct")
        fitted = graph.fit(graph.sft(), [("D", clean, 1.0, "train-D")])
        return served(
            graph,
            fitted,
            params["temperature"],
            serving,
            charges=(Charge("train", fitted),),
            fitted=fitted,
        )
