"""The matched control: as many answers as another rule accepted, chosen without looking."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rsft_bench.baselines.rules.common import (
    RULE_CODE,
    ResolvedRule,
    first,
    keyed_uniforms,
    scored_sizes,
)
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.types import FloatArray, IntArray, Json, ScoredPool

PURPOSE = "random-accept"


@dataclass(frozen=True, slots=True)
class _ByPrompt:
    seed: int
    match: Mapping[str, int]
    tau: float = math.nan

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        numbers = keyed_uniforms(self.seed, PURPOSE, keys, scores.shape[1])
        order = np.argsort(np.where(np.isfinite(scores), numbers, np.inf), axis=1)
        wanted = np.array([self.match.get(key, 0) for key in keys], dtype=np.int64)
        return first(order.astype(np.int64), np.minimum(wanted, scored_sizes(scores)))


@dataclass(frozen=True, slots=True)
class _ByRate:
    """``below`` cuts the keyed numbers of the whole pool."""

    seed: int
    below: float
    tau: float = math.nan

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        numbers = keyed_uniforms(self.seed, PURPOSE, keys, scores.shape[1])
        accepted: IntArray = (np.isfinite(scores) & (numbers < self.below)).astype(np.int64)
        return accepted


@dataclass(frozen=True, slots=True)
class Random:
    """As many answers as the matched rule accepted, chosen without looking at a score.

    ``by=prompt``: as many for each prompt, drawn without replacement from its candidates, which
    isolates the choice of answer. ``by=rate``: the same total anywhere in the pool, every set of
    that many candidates equally likely, which shows what coverage costs.
    """

    name: str = "random"
    reads: tuple[str, ...] = ("match", "by")
    blind: bool = False
    code: tuple[str, ...] = RULE_CODE

    def check(self, params: Mapping[str, Json]) -> None:
        """Raises ConfigError without ``match``, or where it names this rule."""
        match = params.get("match")
        if match is None:
            raise ConfigError(
                "accept=random needs match=<rule or variant id>, such as match=argmax"
            )
        if match == self.name:
            raise ConfigError("accept=random cannot match itself; name another rule or variant")

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Take over the matched counts.

        Raises:
            ConfigError: no counts to match, or more than there are scored candidates to choose
                from (the matched variant accepted from a larger pool).
        """
        if pool.match is None:
            raise ConfigError(
                "accept=random needs match=<rule or variant id>, such as match=argmax"
            )
        sizes = dict(zip(pool.keys, scored_sizes(pool.scores).tolist(), strict=True))
        if params.get("by", "prompt") == "rate":
            return _ByRate(pool.seed, _cut(pool, sum(pool.match.values())))
        for key, wanted in pool.match.items():
            if wanted > sizes.get(key, 0):
                raise ConfigError(
                    f"accept=random, match: {wanted} answers were accepted of {key!r}, which has "
                    f"{sizes.get(key, 0)} scored candidates here; give both variants the same k"
                )
        return _ByPrompt(pool.seed, pool.match)


def _cut(pool: ScoredPool, total: int) -> float:
    """The number below which exactly ``total`` scored candidates of the pool lie."""
    numbers = keyed_uniforms(pool.seed, PURPOSE, pool.keys, pool.scores.shape[1])
    ordered = np.append(np.sort(numbers[np.isfinite(pool.scores)]), math.inf)
    if total >= ordered.size:
        raise ConfigError(
            f"accept=random, by=rate: {total} answers were accepted, more than the "
            f"{ordered.size - 1} scored candidates here; give both variants the same k"
        )
    return float(ordered[total])
