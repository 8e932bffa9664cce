"""Best-of-n at inference: all n from one set of test draws, by order-statistic weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rsft_bench.baselines.common import SAMPLER, own_charges, proxy_charges
from rsft_bench.harness.arms import Arm, Serving
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.types import Capability, Json, Param


@dataclass(frozen=True, slots=True)
class BestOfN:
    """n answers a request, the proxy's favourite served. Never trains; pays on every request."""

    name: str = "best_of_n"
    doc: str = "draw n answers for each request and serve the one the proxy likes best"
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

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """N always; the source where it is another than the default."""
        return frozenset({"n"})

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Reweight the source's own test draws; what the source cost is part of the price.

        Raises:
            ConfigError: fewer than 2n draws of the source, or a source at temperature 0.
        """
        trainable = "trainable" in graph.space.capabilities
        source = params["source"] or ("sft" if trainable else "base")
        arm = graph.arm(source)
        if arm.open:
            return Arm(arm.policy, (), waits=True)
        drawn = min(e.draws.draws for e in arm.evaluations)
        if drawn < 2 * params["n"]:
            raise ConfigError(
                f"best_of_n[n={params['n']}] needs {2 * params['n']} test draws of {source!r}, "
                f"which has {drawn}; raise evaluation.best_of_draws or serve it at temperature > 0"
            )
        return replace(
            arm,
            evaluations=tuple(replace(e, best_of=params["n"]) for e in arm.evaluations),
            charges=own_charges(arm, graph) + proxy_charges(graph),
            fitted=None,
            selected=None,
            pool=None,
            checkpoints={},
            serve_draws=params["n"],
            proxy=graph.proxy(),
            gold_labels=_labels(arm, graph),
        )


def _labels(source: Arm, graph: Graph) -> int:
    """The source's labels and the proxy's, which count once where both use the same proxy."""
    proxy = graph.proxy().uid
    shared = any(charge.node.uid == proxy for charge in source.charges)
    return source.gold_labels + (0 if shared else int(graph.space.settings.reward["n_label"]))
