"""What a benchmarked method is to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rsft_bench.harness.arms import Arm, Serving
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.types import Capability, Json, Param


class Method(Protocol):
    """A benchmarked method: it composes nodes and never executes.

    Optional: ``tuned``, a mapping of parameters to the values among which ``select`` rows choose
    where the parameter is None; ``control(params, id) -> str | None``, the id of the matched
    control that a setting of a sweep needs, None for what takes no part in the sweep;
    ``check(params)``, see ``variants.MethodLike``; ``rule``, the ``serving.ServingRule`` of one
    that draws several answers a request, and ``reweights``, the name of its parameter that holds
    the variant whose test draws it weights (None: sft, or base where nothing is trained).
    """

    @property
    def name(self) -> str:
        """Registered name."""

    @property
    def doc(self) -> str:
        """One line for `rsft-bench list methods`."""

    @property
    def params(self) -> tuple[Param, ...]:
        """Every parameter with its default."""

    @property
    def requires(self) -> frozenset[Capability]:
        """Capabilities the policy must have."""

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """Parameters always shown in an id."""

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """The arm of these parameters. Raises ConfigError for what cannot be."""
