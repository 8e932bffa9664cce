"""Rejection-sampling fine-tuning: sample k, score, accept by a rule, train on D + lambda A."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rsft_bench.baselines.common import (
    TEMPERATURE,
    TRAINABLE,
    pool_charges,
    proxy_charges,
    trained,
)
from rsft_bench.baselines.proposal import (
    PROPOSAL_PARAMS,
    check_proposal,
    labels_spent,
    proposal,
    source_arms,
    source_charges,
)
from rsft_bench.baselines.rules import RULE_PARAMS, RULES, check_rule, given, reads
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


@dataclass(frozen=True, slots=True)
class Rsft:
    """theta* = argmin [L(theta; D) + lambda R(theta; A)] / (1 + lambda), from sft, offline."""

    name: str = "rsft"
    doc: str = "train on D and on accepted answers out of k samples a prompt"
    params: tuple[Param, ...] = (
        Param("accept", "argmax", "acceptance rule", choices=tuple(RULES.names())),
        Param("k", 16, "candidates for each training prompt", least=1),
        Param("lambda", 1.0, "weight of the accepted set; 0 is sft_more, inf is A alone", least=0),
        *RULE_PARAMS,
        *PROPOSAL_PARAMS,
        Param("normalise", "prompt", "row weights", choices=("prompt", "token")),
        *TERM_PARAMS,
        Param("oracle", False, "accept by gold instead of the proxy; marked everywhere"),
        TEMPERATURE,
    )
    requires: frozenset[Capability] = TRAINABLE

    def identity(self, params: Mapping[str, Json]) -> frozenset[str]:
        """accept, k and lambda always; what the rule reads where it is set."""
        read = given(params, reads(params))
        return frozenset({"accept", "k", "lambda", *read}) | shown_terms(params)

    def control(self, params: Mapping[str, Json], variant: str) -> str | None:
        """Id of the matched random control of a setting that a sweep compares, else None.

        A sweep compares settings that accept by the proxy and answer at temperature 1.
        """
        rule = RULES.get(params["accept"])
        if params["oracle"] or params["temperature"] != 1 or rule.blind or rule.name == "random":
            return None
        if params["lambda"] == 0:
            return None
        defaults = {p.name: p.default for p in self.params}
        unread = {name: defaults[name] for name in rule.reads}
        match = variant if rule.reads else rule.name
        wanted = {**params, **unread, "accept": "random", "match": match}
        shown = self.identity(wanted)
        return format_id(
            self.name, {n: v for n, v in wanted.items() if n in shown or v != defaults[n]}
        )

    def check(self, params: Mapping[str, Json]) -> None:
        """Raise ConfigError for rule or proposal parameters that are missing or do nothing."""
        check_rule(params)
        check_proposal(params)
        check_terms(params)

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Pool, select, fit, evaluate; an arm waits where one that it builds on has a choice."""
        drawn = proposal(params, graph)
        sources = source_arms(drawn, graph)
        if any(arm.open for arm in sources) or self._match_waits(params, graph):
            return Arm(graph.start(), (), waits=True)
        rule = RULES.get(params["accept"])
        pool = graph.pool(params["k"], drawn)
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
        charges: tuple[Charge, ...] = ()
        if share_a > 0:
            charges = source_charges(sources, graph)
            charges += pool_charges(pool, params["k"], scored=not rule.blind)
            charges += () if rule.blind or params["oracle"] else proxy_charges(graph)
        return trained(
            graph,
            fitted,
            params["temperature"],
            serving,
            charges,
            selected=selected,
            pool=pool,
            proxy=graph.proxy(),
            gold_labels=self._labels(params, graph, sources) if share_a > 0 else 0,
        )

    def select(self, params: Mapping[str, Json], graph: Graph, pool: Scored) -> Node:
        """The accepted set of these parameters on a pool."""
        rule = RULES.get(params["accept"])
        match: Node | None = None
        if "match" in rule.reads:
            match = self._matched(params, graph, pool)
        # What a matched rule reads is in the selection that is matched, and so is its id.
        read = given(params, tuple(name for name in rule.reads if name != "match"))
        return graph.select(
            pool,
            rule.name,
            read,
            k=params["k"],
            reward="gold" if params["oracle"] else "proxy",
            match=match,
        )

    def _matched(self, params: Mapping[str, Json], graph: Graph, pool: Scored) -> Node:
        target = params["match"]
        if target in RULES:
            return self.select({**params, "accept": target, "match": None}, graph, pool)
        selected = graph.arm(target).selected
        if selected is None:
            raise ConfigError(f"match={target!r} accepts nothing to match; name an rsft variant")
        return selected

    def _match_waits(self, params: Mapping[str, Json], graph: Graph) -> bool:
        target = params["match"]
        return target is not None and target not in RULES and graph.arm(target).waits

    def _labels(self, params: Mapping[str, Json], graph: Graph, sources: list[Arm]) -> int:
        if RULES.get(params["accept"]).blind:
            return labels_spent(0, sources, graph, proxy=False)
        if params["oracle"]:
            judged = len(graph.space.examples["train"]) * int(params["k"])
            return labels_spent(judged, sources, graph, proxy=False)
        labels: Any = graph.space.settings.reward["n_label"]
        return labels_spent(int(labels), sources, graph, proxy=True)
