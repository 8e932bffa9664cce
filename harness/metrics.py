"""Metrics by name: the columns that every run has, and those that other packages bring.

A metric of another package, and a similarity to the references, is measured where ``gate.metrics``
names it; what a suite's judge measures (its parts) is stated by the suite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.harness.reference_metrics import REFERENCE_METRICS
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.satisfaction_metrics import PredictedSatisfaction, SatisfactionIndex
from rsft_bench.harness.types import Example, Json, Metric


@dataclass(frozen=True, slots=True)
class Column:
    """A number that the engine itself writes."""

    name: str
    doc: str
    bounded: bool = False

    def measure(self, example: Example, row: Mapping[str, Json]) -> float:
        """The value that is there already."""
        return float(row[self.name])


METRICS: Registry[Metric] = Registry(
    "metric",
    [
        Column(
            "gold_pass",
            "share of answers that pass every hard check of the suite; blocks in the gate",
            bounded=True,
        ),
        Column("gold", "mean graded gold score in [0, 1]", bounded=True),
        Column("proxy", "mean proxy reward in (0, 1)", bounded=True),
        Column("tokens_out", "answer tokens, the stop token included"),
        Column("logprob", "sum over answer tokens and stop, nats, temperature 1"),
        SatisfactionIndex(),
        PredictedSatisfaction(),
        Column("latency_s", "seconds to serve one request, by serve nodes only"),
        *REFERENCE_METRICS,
    ],
    group="rsft_bench.metrics",
)
