"""Best-of-n at inference: all n from one set of test draws, by order-statistic weights."""

from __future__ import annotations

from dataclasses import dataclass

from rsft_bench.harness.serving import Drawn
from rsft_bench.harness.statistics.estimators import best_of_n_weights
from rsft_bench.harness.types import FloatArray


@dataclass(frozen=True, slots=True)
class BestOfN:
    """The answer with the highest proxy."""

    name: str = "best_of_n"
    doc: str = "draw n answers for each request and serve the one the proxy likes best"
    reads_proxy: bool = True
    code: tuple[str, ...] = (
        "rsft_bench.baselines.best_of_n",
        "rsft_bench.harness.statistics.estimators",
    )

    def weights(self, drawn: Drawn, n: int) -> FloatArray:
        """See ``best_of_n_weights``."""
        return best_of_n_weights(drawn.proxy, n)
