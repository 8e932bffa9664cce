"""What the methods that draw n answers a request and serve one of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rsft_bench.baselines.common import SAMPLER, own_charges, proxy_charges
from rsft_bench.harness.arms import Arm, Pick, Serving
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.serving import ServingRule
from rsft_bench.harness.types import Capability, Json, Param


@dataclass(frozen=True, slots=True)
class OneOfN:
    """n answers a request, one of them served by ``rule``. Never trains; pays on every request.

    ``reweights`` names the parameter that holds the id of the variant whose test draws it weights.
    """

    rule: ServingRule
    params: tuple[Param, ...] = (
        Param("n", 8, "answers drawn for each request", least=1),
        Param(
            "source",
            None,
            "variant that answers; default sft, or base where none is trained",
            alias="sft",
        ),
    )
    requires: frozenset[Capability] = SAMPLER
    reweights: str = "source"

    @property
    def name(self) -> str:
        """That of the rule."""
        return self.rule.name

    @property
    def doc(self) -> str:
        """That of the rule."""
        return self.rule.doc

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """N always; the source where it is another than the default."""
        return frozenset({"n"})

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Reweight the source's own test draws; what the source cost is part of the price.

        Raises:
            ConfigError: fewer than 2n draws of the source, a source at temperature 0, or one that
                itself serves one of several draws.
        """
        trainable = "trainable" in graph.space.capabilities
        source = params["source"] or ("sft" if trainable else "base")
        arm = graph.arm(source)
        if arm.open:
            return Arm(arm.policy, (), waits=True)
        self._check(params["n"], source, arm)
        arm = replace(
            arm,
            charges=own_charges(arm, graph),
            fitted=None,
            selected=None,
            pool=None,
            checkpoints={},
            pick=Pick(self.name, params["n"]),
        )
        return self._with_proxy(arm, graph) if self.rule.reads_proxy else arm

    def _check(self, n: int, source: str, arm: Arm) -> None:
        if arm.pick is not None:
            raise ConfigError(
                f"{self.name}[n={n}]: source {source!r} serves one of several draws itself; name "
                "the variant that it draws from"
            )
        drawn = min(e.draws.draws for e in arm.evaluations)
        if drawn < 2 * n:
            raise ConfigError(
                f"{self.name}[n={n}] needs {2 * n} test draws of {source!r}, which has {drawn}; "
                "raise evaluation.best_of_draws or serve it at temperature > 0"
            )

    def _with_proxy(self, arm: Arm, graph: Graph) -> Arm:
        """The proxy's price on top; its labels count once where the source uses the same proxy."""
        proxy = graph.proxy()
        shared = any(charge.node.uid == proxy.uid for charge in arm.charges)
        labels = 0 if shared else int(graph.space.settings.reward["n_label"])
        return replace(
            arm,
            charges=arm.charges + proxy_charges(graph),
            proxy=proxy,
            gold_labels=arm.gold_labels + labels,
        )
