"""What acceptance rules share: their protocols, keyed numbers, ranking, checks of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import FloatArray, IntArray, Json, ScoredPool

#: Modules whose source joins the key of every selection: a package stands for all its files.
RULE_CODE: tuple[str, ...] = ("rsft_bench.baselines.rules",)
#: Purpose of the keyed numbers that order tied candidates, one for all rules that rank, so that
#: ``top_m[m=1]`` and ``argmax`` accept the same draws.
RANK_TIE = "argmax-tie"


class ResolvedRule(Protocol):
    """A rule with everything pool-wide fixed. ``tau`` is its threshold, NaN if it has none."""

    @property
    def tau(self) -> float:
        """Threshold on the proxy, or NaN."""

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        """Counts (m, k) >= 0 for scores (m, k), texts (m, k) and example ids (m,)."""


class Rule(Protocol):
    """An acceptance rule by name."""

    @property
    def name(self) -> str:
        """Value of ``accept`` in a config."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Parameters it reads; any other that is set is refused."""

    @property
    def blind(self) -> bool:
        """Whether it needs no score at all, so that it owes nothing for a proxy."""

    @property
    def code(self) -> tuple[str, ...]:
        """Modules whose source is part of every key made with this rule."""

    def check(self, params: Mapping[str, Json]) -> None:
        """Raise ConfigError for parameters that lack something or contradict each other."""

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Fix pool-wide quantities. Raises ConfigError as ``check`` does."""


def keyed_uniforms(seed: int, purpose: str, keys: Sequence[str], k: int) -> FloatArray:
    """One uniform per candidate, shape (m, k), from (seed, purpose, example id) alone."""
    out: FloatArray = np.empty((len(keys), k))
    for i, key in enumerate(keys):
        out[i] = stream(seed, purpose, key).random(k)
    return out


def ranked(scores: FloatArray, seed: int, keys: Sequence[str]) -> IntArray:
    """Places of each row's candidates from best to worst, shape (m, k); NaN comes last.

    Tied candidates are ordered by their keyed numbers: evenly over draws, so that over answers
    ties split in proportion to pi.
    """
    numbers = keyed_uniforms(seed, RANK_TIE, keys, scores.shape[1])
    low = np.where(np.isfinite(scores), -scores, np.inf)
    order: IntArray = np.lexsort((-numbers, low), axis=1).astype(np.int64)
    return order


def first(order: IntArray, sizes: IntArray) -> IntArray:
    """Counts (m, k): 1 for the first ``sizes`` (m,) places of each row's ``order`` (m, k)."""
    places = np.argsort(order, axis=1)
    counts: IntArray = (places < sizes[:, None]).astype(np.int64)
    return counts


def scored_sizes(scores: FloatArray) -> IntArray:
    """How many candidates of each row have a score, shape (m,)."""
    sizes: IntArray = np.isfinite(scores).sum(axis=1).astype(np.int64)
    return sizes


def within_prompt_sd(scores: FloatArray) -> float:
    """Pooled SD of scores (m, k) around their prompts' means; 0 where no prompt has two.

    sqrt(sum_x sum_i (r_xi - mean_x)^2 / sum_x (n_x - 1)) over the finite scores.
    """
    rows = [row[np.isfinite(row)] for row in scores]
    freedom = sum(row.size - 1 for row in rows if row.size)
    if freedom == 0:
        return 0.0
    return math.sqrt(sum(float(((r - r.mean()) ** 2).sum()) for r in rows if r.size) / freedom)


def tilt(gaps: FloatArray, scale: float) -> FloatArray:
    """exp(gap / scale) for gaps <= 0; scale 0 keeps gap 0 alone, an infinite one keeps all."""
    if scale == 0:
        return np.asarray(gaps == 0, dtype=np.float64)
    return np.asarray(np.exp(gaps / scale), dtype=np.float64)


def scale_of(params: Mapping[str, Json], pool: ScoredPool) -> float:
    """``beta`` in the pool's own units of score: beta times its within-prompt SD."""
    beta = float(params["beta"])
    return math.inf if math.isinf(beta) else beta * within_prompt_sd(pool.scores)


def check_number(rule: str, params: Mapping[str, Json]) -> None:
    """Raise ConfigError unless ``m`` is a whole number from 1 to k, where k is known."""
    m, k = params.get("m"), params.get("k")
    if m is None:
        raise ConfigError(f"accept={rule} needs m=<answers to accept for each prompt>, such as m=4")
    if float(m) != int(m) or m < 1:
        raise ConfigError(f"accept={rule}: m={m} must be a whole number of at least 1")
    if k is not None and m > k:
        raise ConfigError(f"accept={rule}: m={m} exceeds the k={k} candidates; lower m or raise k")


def check_beta(rule: str, params: Mapping[str, Json]) -> None:
    """Raise ConfigError without ``beta``."""
    if params.get("beta") is None:
        raise ConfigError(
            f"accept={rule} needs beta=<temperature of acceptance, in SDs of the proxy within a "
            "prompt>, such as beta=0.5; 0 takes only the best, inf ignores the score"
        )
