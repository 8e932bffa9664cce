"""Set rules that rank a prompt's candidates: the best, the best m, the best m distinct texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rsft_bench.baselines.rules.common import (
    RULE_CODE,
    ResolvedRule,
    check_number,
    first,
    ranked,
    scored_sizes,
)
from rsft_bench.harness.types import FloatArray, IntArray, Json, ScoredPool


@dataclass(frozen=True, slots=True)
class _Best:
    """The best ``m`` scored candidates of a row, or all where it has fewer."""

    seed: int
    m: int
    tau: float = math.nan

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        sizes = np.minimum(scored_sizes(scores), self.m)
        return first(ranked(scores, self.seed, keys), sizes)


@dataclass(frozen=True, slots=True)
class Argmax:
    """One best candidate a prompt (RAFT); exact law F^k - F-^k, ties uniform over tied draws.

    Source: Dong et al. 2023, arXiv 2304.06767.
    """

    name: str = "argmax"
    reads: tuple[str, ...] = ()
    blind: bool = False
    code: tuple[str, ...] = RULE_CODE

    def check(self, params: Mapping[str, Json]) -> None:
        """Nothing to check."""

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Nothing pool-wide but the tie stream's seed."""
        return _Best(pool.seed, 1)


@dataclass(frozen=True, slots=True)
class TopM:
    """The best ``m`` candidates a prompt, copies of one text included; ties uniform over draws."""

    name: str = "top_m"
    reads: tuple[str, ...] = ("m",)
    blind: bool = False
    code: tuple[str, ...] = RULE_CODE

    def check(self, params: Mapping[str, Json]) -> None:
        """Raises ConfigError unless ``m`` is a whole number from 1 to k."""
        check_number(self.name, params)

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Nothing pool-wide but the tie stream's seed. Raises ConfigError as ``check``."""
        self.check(params)
        return _Best(pool.seed, int(params["m"]))


def accept_share(scores: FloatArray, rate: float, seed: int, keys: Sequence[str]) -> IntArray:
    """Counts (m, k): each row's best round(rate * n) of its n scored candidates, at least one.

    Halves round to even. A row without a scored candidate accepts nothing.
    """
    seen = scored_sizes(scores)
    wanted = np.maximum(np.rint(rate * seen).astype(np.int64), 1)
    return first(ranked(scores, seed, keys), np.minimum(seen, wanted))


@dataclass(frozen=True, slots=True)
class _Distinct:
    seed: int
    m: int
    tau: float

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        counts: IntArray = np.zeros(scores.shape, dtype=np.int64)
        able = np.isfinite(scores) if math.isnan(self.tau) else scores >= self.tau
        for i, order in enumerate(ranked(scores, self.seed, keys)):
            kept: set[int] = set()
            for j in order:
                text = int(text_ids[i, j])
                if able[i, j] and text not in kept and len(kept) < self.m:
                    kept.add(text)
                    counts[i, j] = 1
        return counts


@dataclass(frozen=True, slots=True)
class BestAndDistinct:
    """The best ``m`` distinct texts a prompt, each once (de-duplication as in RFT).

    Candidates are ordered by score, ties by a keyed number a draw, and the first ``m`` texts that
    differ by ``text_id`` are accepted, each at its first place; fewer where a prompt has fewer. A
    text drawn more often is no more likely to be accepted unless it is tied with others at the
    last place, where texts are drawn one after the other in proportion to their copies. With
    ``tau`` only scores of at least tau count; RFT itself keeps every distinct correct answer:
    ``m`` = k with ``tau`` = 1 on a reward of correctness.

    Source: Yuan et al. 2023, arXiv 2308.01825; there equal means equal lists of equations, here
    equal text.
    """

    name: str = "best_and_distinct"
    reads: tuple[str, ...] = ("m", "tau")
    blind: bool = False
    code: tuple[str, ...] = RULE_CODE

    def check(self, params: Mapping[str, Json]) -> None:
        """Raises ConfigError unless ``m`` is a whole number from 1 to k."""
        check_number(self.name, params)

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Nothing pool-wide but the tie stream's seed. Raises ConfigError as ``check``."""
        self.check(params)
        tau = params.get("tau")
        return _Distinct(pool.seed, int(params["m"]), math.nan if tau is None else float(tau))
