"""Direct preference optimisation on the best and the worst answer of each prompt's pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from rsft_bench.baselines.common import TEMPERATURE, TRAINABLE
from rsft_bench.baselines.pooled import ORACLE, K, arm_on_pool, default_pool, reward_of
from rsft_bench.baselines.terms import target
from rsft_bench.harness.arms import Arm, Serving
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.types import Capability, Json, Param


@dataclass(frozen=True, slots=True)
class Dpo:
    """Mean over pairs of -log sigmoid(beta (d_best - d_worst)), d = log pi - log pi_sft.

    Best and worst are by the proxy; a prompt whose best and worst share score or text gives no pair
    and is counted (``left_out``). The reference's log probabilities are computed once before
    training, and are paid for. A finite lambda adds the likelihood of D with weight 1 / lambda. No
    random counterpart is registered, so it takes no part in a sweep's choice of a winner.
    Source: Rafailov et al. 2023, arXiv 2305.18290.
    """

    name: str = "dpo"
    doc: str = "prefer each prompt's best answer of k to its worst, from sft as the reference"
    params: tuple[Param, ...] = (
        Param("beta", 0.1, "strength of the pull to the reference", above=0),
        K,
        Param("lambda", inf, "weight of the pairs against D; inf is the pairs alone", least=0),
        ORACLE,
        TEMPERATURE,
    )
    requires: frozenset[Capability] = TRAINABLE

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """Beta and k."""
        return frozenset({"beta", "k"})

    def check(self, params: Mapping[str, Json]) -> None:
        """Raise ConfigError where a prompt cannot have two answers, or beta is infinite."""
        if params["k"] < 2:
            raise ConfigError("dpo needs two answers of a prompt to compare: k must be at least 2")
        if params["beta"] == inf:
            raise ConfigError("dpo needs a finite beta, such as beta=0.1")

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Pool, pairs, fit, evaluate."""
        pool = default_pool(params, graph)
        learnt = target(graph, pool, "pairs", {}, params["k"], reward=reward_of(params))
        settings = {"beta": float(params["beta"])}
        losses = {"A": {"loss": "preference", "settings": settings}}
        return arm_on_pool(params, graph, serving, pool, learnt, losses)
