"""What the methods that draw n answers a request and serve one of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rsft_bench.baselines.common import SAMPLER, own_charges, proxy_charges
from rsft_bench.harness.arms import Arm, Pick, Serving
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.other_rewards import judged_by
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
        Param("reward", None, "reward that chooses, with its default options; default the run's"),
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
        self._check(params["n"], source, arm, whole=graph.space.replays)
        arm = replace(
            arm,
            charges=own_charges(arm, graph),
            fitted=None,
            selected=None,
            pool=None,
            checkpoints={},
            pick=Pick(self.name, params["n"]),
        )
        if not self.rule.reads_proxy:
            return arm
        return self._with_proxy(*self._judged(params["reward"], arm, graph, serving))

    def check(self, params: Mapping[str, Json]) -> None:
        """Raise ConfigError where a reward is named and the rule reads none."""
        if params["reward"] is not None and not self.rule.reads_proxy:
            raise ConfigError(
                f"{self.name}: reward is {params['reward']!r}, but {self.name} reads no reward; "
                "leave it out"
            )

    def _judged(
        self, reward: str | None, arm: Arm, graph: Graph, serving: Serving
    ) -> tuple[Arm, Graph]:
        """The arm with its draws scored by the reward named, and the graph that plans with it."""
        if reward is None:
            return arm, graph
        other = judged_by(graph, reward)
        draws = min(e.draws.draws for e in arm.evaluations)
        scored = other.evaluate(arm.policy, draws, arm.temperature, serving.splits)
        return replace(arm, evaluations=scored), other

    def _check(self, n: int, source: str, arm: Arm, whole: bool) -> None:
        """``whole``: the draws are all the answers there are, and n of n leaves no chance."""
        if arm.pick is not None:
            raise ConfigError(
                f"{self.name}[n={n}]: source {source!r} serves one of several draws itself; name "
                "the variant that it draws from"
            )
        drawn = min(e.draws.draws for e in arm.evaluations)
        needed = n if whole else 2 * n
        if drawn < needed:
            raise ConfigError(
                f"{self.name}[n={n}] needs {needed} test draws of {source!r}, which has {drawn}; "
                "raise evaluation.best_of_draws or serve it at temperature > 0"
            )

    def _with_proxy(self, arm: Arm, graph: Graph) -> Arm:
        """The proxy's price on top; its labels count once where the source uses the same proxy."""
        proxy = graph.proxy()
        shared = any(charge.node.uid == proxy.uid for charge in arm.charges)
        labels = 0 if shared else graph.space.gold_labels
        return replace(
            arm,
            charges=arm.charges + proxy_charges(graph),
            proxy=proxy,
            gold_labels=arm.gold_labels + labels,
        )
