"""Negative-aware fine-tuning: accepted and rejected answers in one likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from rsft_bench.baselines.common import TEMPERATURE, TRAINABLE
from rsft_bench.baselines.pooled import ORACLE, K, arm_on_pool, default_pool, reward_of
from rsft_bench.baselines.targets import OMEGAS
from rsft_bench.baselines.terms import target
from rsft_bench.harness.arms import Arm, Scored, Serving
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.types import Capability, Json, Param

VERDICT = 0.5


@dataclass(frozen=True, slots=True)
class Nft:
    """Every answer of the pool with a verdict; rejected ones train the implicit negative policy.

    The verdict is the proxy's probability at or above ``tau`` (0.5 unless given), or the pool's
    best ``target_rate``. Loss: ``objectives.nft``; weights: ``targets.verdicts``. Its reference
    must be the law that drew the answers, so the pool is drawn at temperature 1 from all tokens.
    ``neg_weight=0`` drops the rejected answers and is RFT, with prompts weighted by
    ``omega``. No random counterpart is registered, so it takes no part in a sweep's choice.
    Source: Chen et al. 2025, arXiv 2505.18116.
    """

    name: str = "nft"
    doc: str = "likelihood of accepted answers and of the implicit policy behind rejected ones"
    params: tuple[Param, ...] = (
        K,
        Param("tau", None, "probability from which an answer is accepted; unset: 0.5", least=-inf),
        Param("target_rate", None, "pool quantile instead", above=0, most=1),
        Param("neg_weight", 1.0, "weight of rejected answers beside accepted ones", least=0),
        Param("epsilon", 1.0, "floor of the implicit ratio's value in the loss", above=0),
        Param("omega", "1-r", "weight of a prompt of pass rate r", choices=tuple(OMEGAS)),
        Param("lambda", inf, "weight of the pool against D; inf is the pool alone", least=0),
        ORACLE,
        TEMPERATURE,
    )
    requires: frozenset[Capability] = TRAINABLE

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """k, and the cut where it is set."""
        cuts = {name for name in ("tau", "target_rate") if params[name] is not None}
        return frozenset({"k"} | cuts)

    def check(self, params: Mapping[str, Json]) -> None:
        """Raise ConfigError for two cuts, one answer a prompt, or infinite settings."""
        if params["tau"] is not None and params["target_rate"] is not None:
            raise ConfigError(
                f"nft takes one cut: got tau={params['tau']:g} and "
                f"target_rate={params['target_rate']:g}; leave one out"
            )
        if params["k"] < 2:
            raise ConfigError("nft compares answers of a prompt: k must be at least 2")
        if inf in (params["neg_weight"], params["epsilon"]):
            raise ConfigError("nft needs a finite neg_weight and epsilon, such as 1")

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Pool, verdicts, fit, evaluate. Raises ConfigError where the pool is drawn otherwise."""
        drawn = graph.space.settings.pool
        if drawn["temperature"] != 1 or drawn["top_p"] != 1:
            raise ConfigError(
                "nft needs answers drawn from its reference itself: set pool.temperature, now "
                f"{drawn['temperature']:g}, and pool.top_p, now {drawn['top_p']:g}, to 1"
            )
        pool = default_pool(params, graph)
        read = {"omega": params["omega"], "neg_weight": float(params["neg_weight"])}
        learnt = target(
            graph,
            pool,
            "verdicts",
            read,
            params["k"],
            reward=reward_of(params),
            accepted=self._accepted(params, graph, pool),
        )
        settings = {"epsilon": float(params["epsilon"])}
        losses = {"A": {"loss": "nft", "settings": settings}}
        return arm_on_pool(params, graph, serving, pool, learnt, losses)

    def _accepted(self, params: Mapping[str, Json], graph: Graph, pool: Scored) -> Node:
        rate, tau = params["target_rate"], params["tau"]
        cut = {"tau": VERDICT if tau is None else float(tau)}
        if rate is not None:
            cut = {"target_rate": float(rate)}
        return graph.select(pool, "threshold", cut, k=params["k"], reward=reward_of(params))
