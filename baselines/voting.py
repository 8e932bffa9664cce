"""Votes among n answers: the class of equivalent answers with most of them, or with most proxy.

Which answers are equivalent is ``harness.serving.answer_key``'s to say. Answers that say nothing
are a class like any other: a server cannot know that they are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from rsft_bench.harness.serving import Drawn
from rsft_bench.harness.statistics.serving import (
    majority_vote_weights,
    weighted_vote_weights,
)
from rsft_bench.harness.types import FloatArray

_CODE = ("rsft_bench.baselines.voting", "rsft_bench.harness.statistics.serving")


@dataclass(frozen=True, slots=True)
class MajorityVote:
    """Self-consistency: one vote an answer. Needs no proxy, so no gold labels.

    Source: Wang et al. 2023, arXiv 2203.11171.
    """

    name: str = "majority_vote"
    doc: str = "draw n answers for each request and serve one that most of them agree with"
    reads_proxy: bool = False
    code: tuple[str, ...] = _CODE

    def weights(self, drawn: Drawn, n: int) -> FloatArray:
        """See ``majority_vote_weights``."""
        return majority_vote_weights(drawn.classes(), n)


@dataclass(frozen=True, slots=True)
class WeightedVote:
    """Weighted best-of-n: each answer votes with its calibrated proxy, a score below 0 with none.

    Source: Li et al. 2023, arXiv 2206.02336.
    """

    name: str = "weighted_vote"
    doc: str = "draw n answers for each request and vote, each vote weighted by the proxy"
    reads_proxy: bool = True
    code: tuple[str, ...] = _CODE

    def weights(self, drawn: Drawn, n: int) -> FloatArray:
        """See ``weighted_vote_weights``."""
        return weighted_vote_weights(drawn.classes(), drawn.proxy, n, drawn.rng(n))
