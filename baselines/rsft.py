"""Rejection-sampling fine-tuning: sample k, score, accept by a rule, train on D + lambda A."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from rsft_bench.baselines.common import (
    HOTTEST,
    TEMPERATURE,
    TRAINABLE,
    pool_charges,
    proxy_charges,
    trained,
)
from rsft_bench.baselines.filtered import RULE_CODE
from rsft_bench.baselines.selection import RULES, check_rule
from rsft_bench.baselines.terms import (
    TERM_PARAMS,
    check_terms,
    losses_of,
    rejected_sets,
    shown_terms,
)
from rsft_bench.harness.arms import Arm, Charge, Scored, Serving
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.training.weights import coefficients
from rsft_bench.harness.types import Capability, Json, Param
from rsft_bench.harness.variants import format_id

#: Parameters that a rule reads; they are shown in an id for that rule only.
READ_BY_RULE: Mapping[str, tuple[str, ...]] = {
    "threshold": ("tau", "target_rate"),
    "random": ("match",),
}
#: Rules that never look at a score, so that they owe nothing for a proxy.
BLIND = frozenset({"all"})


@dataclass(frozen=True, slots=True)
class Rsft:
    """theta* = argmin [L(theta; D) + lambda R(theta; A)] / (1 + lambda), from sft, offline."""

    name: str = "rsft"
    doc: str = "train on D and on accepted answers out of k samples a prompt"
    params: tuple[Param, ...] = (
        Param("accept", "argmax", "acceptance rule", choices=tuple(RULES.names())),
        Param("k", 16, "candidates for each training prompt", least=1),
        Param("lambda", 1.0, "weight of the accepted set; 0 is sft_more, inf is A alone", least=0),
        Param("tau", None, "threshold on the calibrated proxy, for accept=threshold", least=-inf),
        Param("target_rate", None, "pool quantile instead, for accept=threshold", above=0, most=1),
        Param("match", None, "rule or variant whose counts accept=random copies"),
        Param("pool_temperature", None, "the pool's; default the config's", above=0, most=HOTTEST),
        Param("normalise", "prompt", "row weights", choices=("prompt", "token")),
        *TERM_PARAMS,
        Param("oracle", False, "accept by gold instead of the proxy; marked everywhere"),
        TEMPERATURE,
    )
    requires: frozenset[Capability] = TRAINABLE

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """accept, k and lambda always; what the rule reads where it is set."""
        read = READ_BY_RULE.get(params["accept"], ())
        shown = {p for p in read if params[p] is not None} | shown_terms(params)
        return frozenset({"accept", "k", "lambda"} | shown)

    def control(self, params: Mapping[str, Json], variant: str) -> str | None:
        """Id of the matched random control of a setting that a sweep compares, else None.

        A sweep compares settings that accept by the proxy and answer at temperature 1.
        """
        rule = params["accept"]
        if params["oracle"] or params["temperature"] != 1 or rule in BLIND | {"random"}:
            return None
        if params["lambda"] == 0:
            return None
        match = variant if rule in READ_BY_RULE else rule
        given = {**params, "accept": "random", "match": match, "tau": None, "target_rate": None}
        shown = self.identity(given)
        defaults = {p.name: p.default for p in self.params}
        return format_id(
            self.name, {n: v for n, v in given.items() if n in shown or v != defaults[n]}
        )

    def check(self, params: Mapping[str, Json]) -> None:
        """Raise ConfigError where the rule lacks a parameter that it reads."""
        check_rule(params["accept"], params)
        check_terms(params)

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Pool, select, fit, evaluate."""
        settings = graph.space.settings
        heat = params["pool_temperature"]
        pool = graph.pool(params["k"], settings.pool["temperature"] if heat is None else heat)
        selected = self.select(params, graph, pool)
        share_d, share_a = coefficients(float(params["lambda"]))
        fitted = graph.fit(
            graph.sft(),
            [
                ("D", graph.train_set(), share_d, "train-D"),
                ("A", selected, share_a, "train-A"),
                *rejected_sets(params, graph, pool, selected, share_a),
            ],
            normalise=params["normalise"],
            losses=losses_of(params),
        )
        blind = params["accept"] in BLIND
        charges: tuple[Charge, ...] = ()
        if share_a > 0:
            charges += pool_charges(pool, params["k"], scored=not blind)
            charges += () if blind or params["oracle"] else proxy_charges(graph)
        return trained(
            graph,
            fitted,
            params["temperature"],
            serving,
            charges,
            selected=selected,
            pool=pool,
            proxy=graph.proxy(),
            gold_labels=0 if blind or share_a == 0 else self._labels(params, graph),
        )

    def select(self, params: Mapping[str, Json], graph: Graph, pool: Scored) -> Node:
        """The accepted set of these parameters on a pool."""
        rule = params["accept"]
        match: Node | None = None
        if rule == "random":
            match = self._matched(params, graph, pool)
        read = {name: params[name] for name in READ_BY_RULE.get(rule, ()) if name != "match"}
        return graph.select(
            pool,
            rule,
            read,
            k=params["k"],
            reward="gold" if params["oracle"] else "proxy",
            match=match,
            code=RULE_CODE,
        )

    def _matched(self, params: Mapping[str, Json], graph: Graph, pool: Scored) -> Node:
        target = params["match"]
        if target in RULES and target != "random":
            return self.select({**params, "accept": target, "match": None}, graph, pool)
        selected = graph.arm(target).selected
        if selected is None:
            raise ConfigError(f"match={target!r} accepts nothing to match; name an rsft variant")
        return selected

    def _labels(self, params: Mapping[str, Json], graph: Graph) -> int:
        if params["oracle"]:
            return len(graph.space.examples["train"]) * int(params["k"])
        labels: Any = graph.space.settings.reward["n_label"]
        return int(labels)
