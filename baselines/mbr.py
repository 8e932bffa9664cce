"""Minimum-Bayes-risk decoding: of n answers, the one most like the others."""

from __future__ import annotations

from dataclasses import dataclass

from rsft_bench.harness.serving import Drawn
from rsft_bench.harness.similarity import ngram_f1
from rsft_bench.harness.statistics.serving import mbr_weights
from rsft_bench.harness.types import FloatArray


@dataclass(frozen=True, slots=True)
class Mbr:
    """The highest mean F1 of word uni- and bigrams to the n - 1 others. Needs no proxy.

    Source: Kumar & Byrne 2004 (N04-1022); Bertsch et al. 2023, arXiv 2310.01387.
    """

    name: str = "mbr"
    doc: str = "draw n answers for each request and serve the one most like the others"
    reads_proxy: bool = False
    code: tuple[str, ...] = ("rsft_bench.baselines.mbr", "rsft_bench.harness.statistics.serving")

    def weights(self, drawn: Drawn, n: int) -> FloatArray:
        """See ``mbr_weights``."""
        return mbr_weights(ngram_f1(drawn.texts), n, drawn.rng(n))
