"""Methods that learn from every scored answer of the pool, not from an accepted set alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from rsft_bench.baselines.common import pool_charges, proxy_charges, trained
from rsft_bench.baselines.proposal import proposal
from rsft_bench.harness.arms import Arm, Charge, Scored, Serving
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.training.weights import coefficients
from rsft_bench.harness.types import Json, Param

Params: TypeAlias = Mapping[str, Json]
K = Param("k", 16, "candidates for each training prompt", least=1)
ORACLE = Param("oracle", False, "score by gold instead of the proxy; marked everywhere")


def default_pool(params: Params, graph: Graph) -> Scored:
    """The start's pool at the config's temperature, which the rsft arms of the run share."""
    return graph.pool(params["k"], proposal({"k": params["k"]}, graph))


def reward_of(params: Params) -> str:
    """Which score decides: ``gold`` for an oracle."""
    return "gold" if params["oracle"] else "proxy"


def arm_on_pool(
    params: Params,
    graph: Graph,
    serving: Serving,
    pool: Scored,
    learnt: Node,
    losses: Mapping[str, Mapping[str, Json]],
) -> Arm:
    """Fit on D and ``learnt`` as set A, weighted by lambda; charged as ``rsft`` is.

    With lambda = 0 this is ``sft_more``, and nothing of the pool is paid for.
    """
    share_d, share_a = coefficients(float(params["lambda"]))
    fitted = graph.fit(
        graph.sft(),
        [("D", graph.train_set(), share_d, "train-D"), ("A", learnt, share_a, "train-A")],
        losses=losses,
    )
    charges: tuple[Charge, ...] = ()
    if share_a > 0:
        charges = pool_charges(pool, params["k"], scored=True)
        charges += () if params["oracle"] else proxy_charges(graph)
    return trained(
        graph,
        fitted,
        params["temperature"],
        serving,
        charges,
        selected=learnt,
        pool=pool,
        proxy=graph.proxy(),
        gold_labels=_labels(params, graph) if share_a > 0 else 0,
    )


def _labels(params: Params, graph: Graph) -> int:
    if params["oracle"]:
        return len(graph.space.examples["train"]) * int(params["k"])
    labels: Any = graph.space.gold_labels
    return int(labels)
