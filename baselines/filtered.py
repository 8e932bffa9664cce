"""Rivals that spend the proxy's labels without a pool: filtered D, and the labels themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.baselines.common import TEMPERATURE, Plain, proxy_charges, trained
from rsft_bench.harness.arms import Arm, Charge, Serving
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.types import Json, Param

KEEP = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class SftFiltered(Plain):
    """The same steps on the share q of D with the highest proxy, q chosen on ``select``."""

    name: str = "sft_filtered"
    doc: str = "further steps on the share of D that the proxy likes best; share chosen on select"

    params: tuple[Param, ...] = (
        Param(
            "keep",
            None,
            "share of D kept; unset: chosen on select from 0.25, 0.5 and 0.75",
            above=0,
            most=1,
        ),
        TEMPERATURE,
    )

    @property
    def tuned(self) -> Mapping[str, tuple[float, ...]]:
        """The shares among which ``select`` rows choose where none is given."""
        return {"keep": KEEP}

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Score D's answers, keep the share, fit."""
        keep = params["keep"]
        scored = graph.score_logs()
        kept = graph.select(scored, "threshold", {"target_rate": float(keep)}, k=None)
        fitted = graph.fit(graph.sft(), [("D", kept, 1.0, "train-D")])
        logs = tuple(Charge("score", node) for node in scored.scores)
        return trained(
            graph,
            fitted,
            params["temperature"],
            serving,
            proxy_charges(graph) + logs,
            selected=kept,
            proxy=graph.proxy(),
            gold_labels=graph.space.gold_labels,
        )


@dataclass(frozen=True, slots=True)
class SftLabelled(Plain):
    """The same steps on the proxy's own correct labelled answers: the labels without a proxy."""

    name: str = "sft_labelled"
    doc: str = "further steps on the gold-labelled answers that passed"

    def plan(self, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
        """Fit on the proxy artifact's rows: its labelled answers that passed gold.

        Raises:
            ConfigError: the labels are of another data set.
        """
        if graph.space.labels:
            raise ConfigError(
                "sft_labelled trains on the reward's own gold-labelled answers, and reward.labels "
                "brings those of another data set; leave sft_labelled or reward.labels out"
            )
        fitted = graph.fit(graph.sft(), [("D", graph.proxy(), 1.0, "train-D")])
        return trained(
            graph,
            fitted,
            params["temperature"],
            serving,
            proxy_charges(graph),
            gold_labels=graph.space.gold_labels,
        )
