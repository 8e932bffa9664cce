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
TrainedSet: TypeAlias = tuple[str, Node, float, str]
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


def rejected_sets(
    params: Params, graph: Graph, pool: Scored, selected: Node, share_a: float
) -> list[TrainedSet]:
    """The set N of rejected answers, weighted as part of R(A); nothing where none is asked for.

    The random rule's rejected answers are drawn without looking, as its accepted ones are.
    """
    weight = share_a * float(params["negative_weight"])
    if not params["negative"] or weight == 0:
        return []
    blind = params["accept"] == "random"
    reward = "gold" if params["oracle"] else "proxy"
    rows = target(
        graph, pool, "rejected", {"blind": blind}, params["k"], reward=reward, accepted=selected
    )
    return [("N", rows, weight, "train-N")]


def target(
    graph: Graph,
    pool: Scored,
    name: str,
    params: Params,
    k: int,
    *,
    reward: str = "proxy",
    accepted: Node | None = None,
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
        "seed": graph.space.seed,
        "reward": reward,
    }
    return Node("target", given, inputs, code=tuple(TARGET_CODE))
