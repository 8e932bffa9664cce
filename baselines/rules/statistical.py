"""Statistical rejection sampling (RSO) over the candidates of one prompt, multiplicity kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rsft_bench.baselines.rules.common import (
    RULE_CODE,
    ResolvedRule,
    check_beta,
    check_number,
    scale_of,
    tilt,
)
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import FloatArray, IntArray, Json, ScoredPool


@dataclass(frozen=True, slots=True)
class _Statistical:
    seed: int
    m: int
    scale: float
    tau: float = math.nan

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        counts: IntArray = np.zeros(scores.shape, dtype=np.int64)
        for i, key in enumerate(keys):
            counts[i, self._accepted(scores[i], key)] = 1
        return counts

    def _accepted(self, scores: FloatArray, key: str) -> list[int]:
        """Places accepted in one row: passes over what remains, until ``m`` or nothing is left."""
        rng = stream(self.seed, "statistical", key)
        left = rng.permutation(np.flatnonzero(np.isfinite(scores)))
        accepted: list[int] = []
        while left.size and len(accepted) < self.m:
            chance = tilt(scores[left] - scores[left].max(), self.scale)
            hit = rng.random(left.size) < chance
            accepted += left[hit][: self.m - len(accepted)].tolist()
            left = left[~hit]
        return accepted


@dataclass(frozen=True, slots=True)
class Statistical:
    """``m`` candidates a prompt towards pi e^{r/beta}: passes that accept with e^{(r - max)/beta}.

    A pass goes over the remaining candidates in a keyed random order, accepts each with probability
    exp((r - r_max)/beta), r_max the best remaining score at the start of the pass, stops at ``m``
    accepted, and removes the accepted before the next pass. The best remaining is always accepted,
    so there are at most m passes. beta -> 0 is ``top_m``, beta = inf is ``m`` at random; pi
    e^{r/beta} is the limit for many candidates and few accepted. ``beta`` is in units of the pool's
    within-prompt SD of the score.

    Source: Liu et al. 2024 (RSO), arXiv 2309.06657, algorithm 1, which differs in one point: it
    keys candidates by their text, so that copies collapse and the proposal becomes near-uniform
    over distinct texts. Here every draw is a candidate of its own.
    """

    name: str = "statistical"
    reads: tuple[str, ...] = ("beta", "m")
    blind: bool = False
    code: tuple[str, ...] = RULE_CODE

    def check(self, params: Mapping[str, Json]) -> None:
        """Raises ConfigError without ``beta``, or unless ``m`` is a whole number from 1 to k."""
        check_beta(self.name, params)
        check_number(self.name, params)

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Fix the unit of beta. Raises ConfigError as ``check``."""
        self.check(params)
        return _Statistical(pool.seed, int(params["m"]), scale_of(params, pool))
