"""Pointwise rules: a candidate's chance depends on its own score alone, so pi_A is pi times A."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsft_bench.baselines.rules.best import accept_share
from rsft_bench.baselines.rules.common import (
    RULE_CODE,
    ResolvedRule,
    check_beta,
    keyed_uniforms,
    scale_of,
    tilt,
)
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.types import FloatArray, IntArray, Json, ScoredPool

#: Purpose of the keyed numbers that part candidates tied at a quantile.
TIE = "threshold-tie"
CUTS = ("tau", "target_rate", "prompt_rate")


@dataclass(frozen=True, slots=True)
class _All:
    tau: float = math.nan

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        return np.isfinite(scores).astype(np.int64)


@dataclass(frozen=True, slots=True)
class All:
    """Every candidate once: ``all[k=j]`` takes the first j answers. pi_A = pi."""

    name: str = "all"
    reads: tuple[str, ...] = ()
    blind: bool = True
    code: tuple[str, ...] = RULE_CODE

    def check(self, params: Mapping[str, Json]) -> None:
        """Nothing to check."""

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Nothing to fix."""
        return _All()


@dataclass(frozen=True, slots=True)
class _Threshold:
    """``below`` cuts the keyed numbers of candidates tied at ``tau``; infinite keeps them all."""

    tau: float
    below: float
    seed: int

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        above = scores > self.tau
        tied: NDArray[np.bool_] = scores == self.tau
        if self.below < math.inf and tied.any():
            tied &= keyed_uniforms(self.seed, TIE, keys, scores.shape[1]) < self.below
        accepted: IntArray = (np.isfinite(scores) & (above | tied)).astype(np.int64)
        return accepted


@dataclass(frozen=True, slots=True)
class _PromptRate:
    rate: float
    seed: int
    tau: float = math.nan

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        return accept_share(scores, self.rate, self.seed, keys)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Candidates at or above ``tau``, or the best ``target_rate`` share of the pool (a quantile).

    With a target rate q exactly round(q N) of the N scored candidates are accepted (halves to
    even). Those tied at the quantile draw a keyed number each, and ``resolve`` fixes the number
    below which they are kept, so rows stay independent. pi_A is proportional to pi * 1[r >= tau].

    ``prompt_rate`` q is the quantile of each prompt instead: of its n scored candidates the best
    round(q n), at least one. That is a set rule, with the law of ``top_m`` at that number; it
    covers every prompt, where a pool-wide cut passes over the hard ones.
    """

    name: str = "threshold"
    reads: tuple[str, ...] = CUTS
    blind: bool = False
    code: tuple[str, ...] = RULE_CODE

    def check(self, params: Mapping[str, Json]) -> None:
        """Raises ConfigError unless exactly one cut is given."""
        given = {name: params.get(name) for name in CUTS}
        if sum(value is not None for value in given.values()) != 1:
            told = ", ".join(f"{name}={value}" for name, value in given.items())
            raise ConfigError(
                "accept=threshold needs exactly one of tau (a probability, or -inf), target_rate "
                f"(a share of the pool in (0, 1]) and prompt_rate (of each prompt); got {told}"
            )

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Raises ConfigError unless exactly one cut is given, or for a rate outside (0, 1]."""
        self.check(params)
        rate, own = params.get("target_rate"), params.get("prompt_rate")
        if own is not None:
            _check_rate(float(own))
            return _PromptRate(float(own), pool.seed)
        if rate is None:
            return _Threshold(float(params["tau"]), math.inf, pool.seed)
        tau, kept = quantile_cut(pool.scores[np.isfinite(pool.scores)], float(rate))
        numbers = keyed_uniforms(pool.seed, TIE, pool.keys, pool.scores.shape[1])
        ties = np.append(np.sort(numbers[pool.scores == tau]), math.inf)
        return _Threshold(tau, float(ties[kept]), pool.seed)


def quantile_cut(scores: FloatArray, rate: float) -> tuple[float, int]:
    """(tau, how many of the scores equal to tau to accept) so that round(rate * n) are accepted.

    ``scores`` (n,) finite, n >= 1; ``rate`` in (0, 1]. Raises ConfigError outside. Where nothing
    is to be accepted tau is the highest score, of which none is.
    """
    _check_rate(rate)
    wanted = round(rate * scores.size)
    descending = np.sort(scores)[::-1]
    tau = float(descending[max(wanted, 1) - 1])
    return tau, wanted - int((scores > tau).sum())


def _check_rate(rate: float) -> None:
    if not 0 < rate <= 1:
        raise ConfigError(f"a rate of {rate} is outside (0, 1]; give the share to accept")


@dataclass(frozen=True, slots=True)
class _Rejection:
    bound: float
    scale: float
    seed: int
    tau: float = math.nan

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        seen = np.isfinite(scores)
        chance = tilt(np.where(seen, np.minimum(scores - self.bound, 0.0), 0.0), self.scale)
        numbers = keyed_uniforms(self.seed, "rejection", keys, scores.shape[1])
        accepted: IntArray = (seen & (numbers < chance)).astype(np.int64)
        return accepted


@dataclass(frozen=True, slots=True)
class Rejection:
    """Rejection sampling of pi e^{r/beta}: accept with exp((r - bound)/beta), each on its own.

    The bound is the highest score of the pool, so no chance exceeds 1, and every prompt's accepted
    answers follow pi e^{r/beta} at any k; the price is that prompts far below the bound accept
    nothing. ``beta`` is in units of the pool's within-prompt SD of the score.

    Source: von Neumann 1951, with target p = pi e^{r/beta}, proposal q = pi and M = e^{bound/beta}.
    """

    name: str = "rejection"
    reads: tuple[str, ...] = ("beta",)
    blind: bool = False
    code: tuple[str, ...] = RULE_CODE

    def check(self, params: Mapping[str, Json]) -> None:
        """Raises ConfigError without ``beta``."""
        check_beta(self.name, params)

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Fix the bound and the unit of beta. Raises ConfigError without ``beta``."""
        self.check(params)
        seen = pool.scores[np.isfinite(pool.scores)]
        bound = float(seen.max()) if seen.size else 0.0
        return _Rejection(bound, scale_of(params, pool), pool.seed)
