"""Policies without rejection sampling: base, sft, and more steps on D (protocol.md section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.baselines.common import SAMPLER, TEMPERATURE, Plain, served, trained
from rsft_bench.harness.arms import Arm, Serving
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.types import Capability, Json, Param

PAID_ONCE = frozenset({"sample", "score", "train"})


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
class SftFlops(Plain):
    """More steps on D until they have cost the FLOPs of the primary variant (or of ``match``)."""

    name: str = "sft_flops"
    doc: str = "further steps on D worth the FLOPs of RSFT's sampling, scoring and training"
    params: tuple[Param, ...] = (
        Param("match", None, "variant whose FLOPs are matched; unset: the config's primary"),
        TEMPERATURE,
    )

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Fit on D alone for as many steps as the matched arm's charges pay for."""
        target = params["match"] or graph.space.settings.primary
        if not target:
            raise ConfigError("sft_flops needs match=<variant id>, or a `primary` in the config")
        charges = [c for c in graph.arm(target).charges if c.category in PAID_ONCE]
        if not charges:
            raise ConfigError(f"sft_flops match={target!r} costs nothing to match")
        fitted = graph.fit(
            graph.sft(), [("D", graph.train_set(), 1.0, "train-D")], flops_of=charges
        )
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
