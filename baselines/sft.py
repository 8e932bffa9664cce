"""Policies without rejection sampling: base, sft, and more steps on D (protocol.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.baselines.common import SAMPLER, Plain, served, trained
from rsft_bench.harness.arms import Arm, Serving
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.types import Capability, Json


@dataclass(frozen=True, slots=True)
class Base(Plain):
    """The policy as it came, before any training."""

    name: str = "base"
    doc: str = "the policy as it came"
    requires: frozenset[Capability] = SAMPLER

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Evaluate base."""
        return served(graph, graph.base(), params["temperature"], serving)


@dataclass(frozen=True, slots=True)
class Sft(Plain):
    """Supervised fine-tuning on D: the start of every trained arm."""

    name: str = "sft"
    doc: str = "fine-tuned on the logs D; every other trained arm starts here"

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Evaluate the seed's SFT policy; its training is this arm's cost."""
        return trained(graph, graph.sft(), params["temperature"], serving)


@dataclass(frozen=True, slots=True)
class SftMore(Plain):
    """T more steps on D from sft: what RSFT must beat.

    ``factor`` 2 takes twice the rows a step and is the token-matched control.
    """

    name: str = "sft_more"
    doc: str = "as many further steps on D as RSFT takes"
    factor: int = 1

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Fit on D alone from sft."""
        batch = graph.space.settings.training["batch"] * self.factor
        fitted = graph.fit(graph.sft(), [("D", graph.train_set(), 1.0, "train-D")], batch=batch)
        return trained(graph, fitted, params["temperature"], serving)


@dataclass(frozen=True, slots=True)
class SftClean(Plain):
    """T more steps on D's hidden-correct answers: a ceiling no user has, marked as such."""

    name: str = "sft_clean"
    doc: str = "further steps on D's truly correct answers only: a ceiling no user has"

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Fit on the rows whose hidden label is ``correct``."""
        clean = graph.train_set(keep_quality="correct")
        fitted = graph.fit(graph.sft(), [("D", clean, 1.0, "train-D")])
        return trained(graph, fitted, params["temperature"], serving)
