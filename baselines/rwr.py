"""Reward-weighted regression: every answer of the pool, weighted by e^{r / beta}."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.baselines.common import TEMPERATURE, TRAINABLE
from rsft_bench.baselines.pooled import ORACLE, K, arm_on_pool, default_pool, reward_of
from rsft_bench.baselines.terms import target
from rsft_bench.harness.arms import Arm, Serving
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.types import Capability, Json, Param
from rsft_bench.harness.variants import format_id


@dataclass(frozen=True, slots=True)
class Rwr:
    """R(A) over all k answers with weights e^{r / (beta s)}, normalised within their prompt.

    s is the pool's within-prompt SD of the proxy, so beta has the units of RSO's. The optimum of
    an unrestricted policy at lambda = inf is the pool's own law tilted, pi e^{r / (beta s)} for
    large k; beta = inf is ``rsft[accept=all]``, beta to 0 is ``argmax`` with its ties shared.
    Source: Peters and Schaal 2007, Reinforcement learning by reward-weighted regression.
    """

    name: str = "rwr"
    doc: str = "train on D and on all k answers, each weighted by e^(reward/beta)"
    params: tuple[Param, ...] = (
        Param("beta", 1.0, "temperature of the weights, in SDs of the proxy in a prompt", above=0),
        K,
        Param("lambda", 1.0, "weight of the pool; 0 is sft_more, inf is the pool alone", least=0),
        ORACLE,
        TEMPERATURE,
    )
    requires: frozenset[Capability] = TRAINABLE

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """Beta and k."""
        return frozenset({"beta", "k"})

    def control(self, params: Mapping[str, Json], variant: str) -> str | None:
        """The same answers at even weights: what a shuffle of the weights gives on average.

        None for what takes no part in a sweep, as for ``rsft``.
        """
        if params["oracle"] or params["temperature"] != 1 or params["lambda"] == 0:
            return None
        return format_id("rsft", {"accept": "all", "k": params["k"], "lambda": params["lambda"]})

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Pool, weights, fit, evaluate."""
        pool = default_pool(params, graph)
        beta = float(params["beta"])
        learnt = target(
            graph, pool, "tilted", {"beta": beta}, params["k"], reward=reward_of(params)
        )
        return arm_on_pool(params, graph, serving, pool, learnt, {})
