"""Rejection-sampling fine-tuning: sample k, score, accept by a rule, train on D + lambda A."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsft_bench.baselines.common import (
    TEMPERATURE,
    TRAINABLE,
    pool_charges,
    proxy_charges,
    trained,
)
from rsft_bench.baselines.online import judged, online_charges, online_fit, segments_of
from rsft_bench.baselines.proposal import (
    PROPOSAL_PARAMS,
    check_proposal,
    labels_spent,
    proposal,
    source_arms,
    source_charges,
)
from rsft_bench.baselines.rules import RULE_PARAMS, RULES, check_rule, given, reads
from rsft_bench.baselines.schedules import ONLINE, SCHEDULE_PARAMS, Select, check_schedule, play
from rsft_bench.baselines.terms import TERM_PARAMS, check_terms, shown_terms
from rsft_bench.harness.arms import Arm, Charge, Round, Scored, Serving
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.types import Capability, Json, Param
from rsft_bench.harness.variants import format_id


@dataclass(frozen=True, slots=True)
class Rsft:
    """theta* = argmin [L(theta; D) + lambda R(theta; A)] / (1 + lambda), from sft.

    Offline: one pool, one fit; ``schedules`` has the others.
    """

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
        *SCHEDULE_PARAMS,
        ONLINE,
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
        if params["online"] is not None:
            # Segments draw answers of their own, so only the rule's counts can be copied.
            return self._id({**params, "accept": "random", "match": rule.name})
        defaults = {p.name: p.default for p in self.params}
        unread = {name: defaults[name] for name in rule.reads}
        match = variant if rule.reads else rule.name
        return self._id({**params, **unread, "accept": "random", "match": match})

    def _id(self, params: Mapping[str, Json]) -> str:
        shown = self.identity(params)
        told = {p.name for p in self.params if p.name in shown or params[p.name] != p.default}
        return format_id(self.name, {name: params[name] for name in told})

    def check(self, params: Mapping[str, Json]) -> None:
        """Raise ConfigError for parameters that are missing or do nothing."""
        check_rule(params)
        check_proposal(params)
        check_terms(params)
        check_schedule(params)

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Pool, select, fit, and again each round; evaluate what the last one trained.

        An arm waits where one that it builds on has a choice.
        """
        drawn = proposal({**params, "online": None}, graph)
        sources = source_arms(drawn, graph)
        if any(arm.open for arm in sources) or self._match_waits(params, graph):
            return Arm(graph.start(), (), waits=True)
        # Every serving temperature of an arm draws the same pools.
        name = self._id({**params, "temperature": 1.0})
        later = drawn._replace(sources=(name,))
        if params["online"] is None:
            rounds = play(params, graph, graph.pool(params["k"], drawn), later, self.select(graph))
        else:
            rounds = segments_of(params, online_fit(params, graph, later), later.name)
        last = rounds[-1]
        assert last.fitted is not None
        learns = params["lambda"] > 0
        return trained(
            graph,
            last.fitted,
            params["temperature"],
            serving,
            self._charges(params, graph, sources, rounds) if learns else (),
            selected=last.selected,
            pool=last.pool,
            proxy=graph.proxy(),
            gold_labels=self._labels(params, graph, sources) if learns else 0,
            rounds=rounds if len(rounds) > 1 or params["online"] is not None else (),
        )

    def _charges(
        self, params: Mapping[str, Json], graph: Graph, sources: list[Arm], rounds: Sequence[Round]
    ) -> tuple[Charge, ...]:
        """What the served policy's own fit stands on: sources, pools, earlier fits, the proxy."""
        rule = RULES.get(params["accept"])
        proxy = () if rule.blind or params["oracle"] else proxy_charges(graph)
        if params["online"] is not None and rounds[0].fitted is not None:
            return (*online_charges(rounds[0].fitted, scored=not rule.blind), *proxy)
        charges = source_charges(sources, graph)
        for turn in rounds:
            assert turn.pool is not None
            charges += pool_charges(turn.pool, params["k"], scored=not rule.blind)
        earlier = tuple(Charge("train", r.fitted) for r in rounds[:-1] if r.fitted is not None)
        return (*charges, *earlier, *proxy)

    def select(self, graph: Graph) -> Select:
        """What accepts from the pool of a round."""
        return lambda params, pool, turn, seed: self._select(params, graph, pool, turn, seed)

    def _select(
        self, params: Mapping[str, Json], graph: Graph, pool: Scored, turn: int, seed: int
    ) -> Node:
        rule = RULES.get(params["accept"])
        match: Node | None = None
        if "match" in rule.reads:
            match = self._matched(params, graph, pool, turn, seed)
        # What a matched rule reads is in the selection that is matched, and so is its id.
        read = given(params, tuple(name for name in rule.reads if name != "match"))
        return graph.select(
            pool,
            rule.name,
            read,
            k=params["k"],
            reward="gold" if params["oracle"] else "proxy",
            match=match,
            seed=seed,
        )

    def _matched(
        self, params: Mapping[str, Json], graph: Graph, pool: Scored, turn: int, seed: int
    ) -> Node:
        """What a round's counts are copied from: a rule on its own pool, or a variant's round."""
        target = params["match"]
        if target in RULES:
            alike = {**params, "accept": target, "match": None}
            return self._select(alike, graph, pool, turn, seed)
        turns = graph.arm(target).turns
        if len(turns) != params["rounds"]:
            raise ConfigError(
                f"match={target!r} accepts {len(turns)} times and rounds={params['rounds']}; "
                "give both as many rounds"
            )
        selected = turns[turn].selected
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
            asked = len(graph.space.examples["train"]) * int(params["k"] * params["rounds"])
            own = asked if params["online"] is None else judged(params, graph)
            return labels_spent(own, sources, graph, proxy=False)
        labels: Any = graph.space.gold_labels
        return labels_spent(int(labels), sources, graph, proxy=True)
