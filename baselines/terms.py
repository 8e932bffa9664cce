"""Terms that RSFT's objective may have beside D and A: an anchor, and rejected answers.

theta* = argmin [L(D) + lambda (R(A) + w U(N))] / (1 + lambda) + a K, with N the rejected answers,
U their clipped unlikelihood and K the divergence KL(start || trained) at the answer positions of D
and A, weighted there as the likelihood is (``harness.training.objectives``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from rsft_bench.baselines.targets import TARGET_CODE
from rsft_bench.harness.arms import Scored
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.types import Json, Param

Params: TypeAlias = Mapping[str, Json]
#: A term of the unlikelihood is at most -log(FLOOR) = 4.6 nats, see ``objectives.unlikelihood``.
FLOOR = 0.01
TERM_PARAMS = (
    Param("anchor", 0.0, "weight a of KL(start || trained) on the rows of D and A", least=0.0),
    Param("negative", None, "loss on rejected answers; unset: none", choices=("unlikelihood",)),
    Param("negative_weight", 0.1, "weight of the rejected answers beside A's", least=0.0),
)
NEGATIVE_WEIGHT = TERM_PARAMS[2].default


def shown_terms(params: Params) -> frozenset[str]:
    """Term parameters that an id always shows: the weight where rejected answers are learnt."""
    return frozenset({"negative", "negative_weight"} if params["negative"] else ())


def check_terms(params: Params) -> None:
    """Raise ConfigError for a weight of nothing, or a rule that rejects nothing."""
    if params["negative"] is None:
        if params["negative_weight"] != NEGATIVE_WEIGHT:
            raise ConfigError(
                f"negative_weight={params['negative_weight']:g} weighs nothing: give "
                "negative=unlikelihood beside it, or leave it out"
            )
    elif params["accept"] == "all":
        raise ConfigError(
            "accept=all rejects nothing, so it takes no negative=unlikelihood; use another rule, "
            "such as accept=argmax"
        )


def losses_of(params: Params) -> dict[str, Mapping[str, Json]]:
    """By set name what is not trained by likelihood, for ``Graph.fit``."""
    found: dict[str, Mapping[str, Json]] = {}
    if params["anchor"] > 0:
        settings = {"anchor": float(params["anchor"])}
        found = {name: {"loss": "anchored", "settings": settings} for name in ("D", "A")}
    if params["negative"]:
        found["N"] = {"loss": params["negative"], "settings": {"floor": FLOOR}}
    return found


def rejected_weight(params: Params, share_a: float) -> float:
    """Coefficient of N where A has ``share_a``; 0 where no rejected answers are asked for."""
    return share_a * float(params["negative_weight"]) if params["negative"] else 0.0


def rejected(params: Params, graph: Graph, pool: Scored, selected: Node, seed: int) -> Node:
    """The rejected answers of a pool.

    The random rule's are drawn without looking, as its accepted ones are.
    """
    blind = {"blind": params["accept"] == "random"}
    reward = "gold" if params["oracle"] else "proxy"
    return target(
        graph, pool, "rejected", blind, params["k"], reward=reward, accepted=selected, seed=seed
    )


def target(
    graph: Graph,
    pool: Scored,
    name: str,
    params: Params,
    k: int,
    *,
    reward: str = "proxy",
    accepted: Node | None = None,
    seed: int | None = None,
) -> Node:
    """Node of what an objective learns from the first ``k`` draws of a pool (``targets``)."""
    part = pool.first(k)
    inputs = {"data": (graph.space.data,), "samples": part.samples, "scores": part.scores}
    if accepted is not None:
        inputs["accepted"] = (accepted,)
    given = {
        "target": name,
        "target_params": dict(params),
        "k": k,
        "seed": graph.space.seed if seed is None else seed,
        "reward": reward,
    }
    return Node("target", given, inputs, code=tuple(TARGET_CODE))
