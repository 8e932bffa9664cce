"""Rivals that spend the proxy's labels without a pool: filtered D, and the labels themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rsft_bench.baselines.common import Plain, proxy_charges, trained
from rsft_bench.harness.arms import Arm, Charge, Serving
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.types import Json

KEEP = ("0.25", "0.5", "0.75")
RULE_CODE = ("rsft_bench.baselines.selection",)


@dataclass(frozen=True, slots=True)
class SftFiltered(Plain):
    """The same steps on the share q of D with the highest proxy, q chosen on ``select``."""

    name: str = "sft_filtered"
    doc: str = "further steps on the share of D that the proxy likes best; share chosen on select"

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Three trials evaluated on ``select``; ``settle`` makes the arm once one is chosen."""
        trial = replace(serving, splits=("select",))
        arms = {keep: self._arm(params, graph, trial, keep) for keep in KEEP}
        return Arm(graph.sft(), (), trials=arms)

    def settle(
        self, params: Mapping[str, Json], graph: Graph, serving: Serving, choice: str
    ) -> Arm:
        """The chosen trial on all splits; it pays for every trial's training."""
        arm = self._arm(params, graph, serving, choice)
        others = [self._arm(params, graph, serving, keep).fitted for keep in KEEP if keep != choice]
        trials = tuple(Charge("train", node) for node in others if node is not None)
        return replace(arm, charges=arm.charges + trials)

    def _arm(self, params: Mapping[str, Json], graph: Graph, serving: Serving, keep: str) -> Arm:
        scored = graph.score_logs()
        kept = graph.select(
            scored, "threshold", {"target_rate": float(keep)}, k=None, code=RULE_CODE
        )
        fitted = graph.fit(graph.sft(), [("D", kept, 1.0, "train-D")])
        logs = tuple(Charge("score", node) for node in scored.scores)
        return trained(
            graph,
            fitted,
            params["temperature"],
            serving,
            proxy_charges(graph) + logs,
            proxy=graph.proxy(),
            gold_labels=graph.space.settings.reward["n_label"],
        )


@dataclass(frozen=True, slots=True)
class SftLabelled(Plain):
    """The same steps on the proxy's own correct labelled answers: the labels without a proxy."""

    name: str = "sft_labelled"
    doc: str = "further steps on the gold-labelled answers that passed"

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Fit on the proxy artifact's rows: its labelled answers that passed gold."""
        fitted = graph.fit(graph.sft(), [("D", graph.proxy(), 1.0, "train-D")])
        return trained(
            graph,
            fitted,
            params["temperature"],
            serving,
            proxy_charges(graph),
            gold_labels=graph.space.settings.reward["n_label"],
        )
