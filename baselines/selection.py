"""Acceptance rules as pure functions over a scored pool (protocol.md section 2).

``resolve`` fixes what depends on the whole pool (tau from a target rate, another rule's counts);
the resolved rule then treats every prompt's row on its own: permuting or dropping other rows
changes nothing. Ties are broken by keyed streams, never by gold. NaN scores are never accepted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import FloatArray, IntArray, Json, ScoredPool

#: Purpose of the keyed numbers that part candidates tied at a quantile.
TIE = "threshold-tie"


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

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Fix pool-wide quantities. Raises ConfigError where a needed parameter is missing."""


def check_rule(name: str, params: Mapping[str, Json]) -> None:
    """What can be said about a rule's parameters before there is a pool.

    Raises:
        ConfigError: ``threshold`` without exactly one cut, or ``random`` with nothing to match.
    """
    tau, rate = params.get("tau"), params.get("target_rate")
    if name == "threshold" and (tau is None) == (rate is None):
        raise ConfigError(
            "accept=threshold needs exactly one of tau (a probability, or -inf) and "
            f"target_rate (a share in (0, 1]); got tau={tau}, target_rate={rate}"
        )
    match = params.get("match")
    if name == "random" and match is None:
        raise ConfigError("accept=random needs match=<rule or variant id>, such as match=argmax")
    if name == "random" and match == "threshold":
        check_rule("threshold", params)


def keyed_uniforms(seed: int, purpose: str, keys: Sequence[str], k: int) -> FloatArray:
    """One uniform per candidate, shape (m, k), from (seed, purpose, example id) alone."""
    out: FloatArray = np.empty((len(keys), k))
    for i, key in enumerate(keys):
        out[i] = stream(seed, purpose, key).random(k)
    return out


@dataclass(frozen=True, slots=True)
class _All:
    tau: float = math.nan

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        return np.isfinite(scores).astype(np.int64)


@dataclass(frozen=True, slots=True)
class All:
    """Every candidate once: ``all[k=j]`` takes the first j answers. pi_A = pi."""

    name: str = "all"

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Nothing to fix."""
        return _All()


@dataclass(frozen=True, slots=True)
class _Argmax:
    seed: int
    tau: float = math.nan

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        counts: IntArray = np.zeros(scores.shape, dtype=np.int64)
        ties = keyed_uniforms(self.seed, "argmax-tie", keys, scores.shape[1])
        some = np.isfinite(scores).any(axis=1)
        best = np.max(np.where(np.isfinite(scores), scores, -np.inf), axis=1, keepdims=True)
        order = np.where(scores == best, ties, -1.0)
        winners = np.argmax(order, axis=1)
        counts[np.flatnonzero(some), winners[some]] = 1
        return counts


@dataclass(frozen=True, slots=True)
class Argmax:
    """One best candidate a prompt (RAFT); exact law F^k - F-^k, ties uniform over tied draws."""

    name: str = "argmax"

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Nothing pool-wide but the tie stream's seed."""
        return _Argmax(pool.seed)


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
class Threshold:
    """Candidates at or above ``tau``, or the pool's best ``target_rate`` share (a quantile).

    With a target rate q exactly round(q N) of the N scored candidates are accepted (halves to
    even). Those tied at the quantile draw a keyed number each, and ``resolve`` fixes the number
    below which they are kept, so rows stay independent. pi_A is proportional to pi * 1[r >= tau].
    """

    name: str = "threshold"

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Raises ConfigError unless exactly one of ``tau`` and ``target_rate`` is given."""
        check_rule(self.name, params)
        rate = params.get("target_rate")
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
    if not 0 < rate <= 1:
        raise ConfigError(f"target rate {rate} is outside (0, 1]")
    wanted = round(rate * scores.size)
    descending = np.sort(scores)[::-1]
    tau = float(descending[max(wanted, 1) - 1])
    return tau, wanted - int((scores > tau).sum())


@dataclass(frozen=True, slots=True)
class _Random:
    seed: int
    match: Mapping[str, int]
    tau: float = math.nan

    def select(self, scores: FloatArray, text_ids: IntArray, keys: Sequence[str]) -> IntArray:
        counts: IntArray = np.zeros(scores.shape, dtype=np.int64)
        order = keyed_uniforms(self.seed, "random-accept", keys, scores.shape[1])
        ranked = np.argsort(np.where(np.isfinite(scores), order, np.inf), axis=1)
        for i, key in enumerate(keys):
            counts[i, ranked[i, : self.match.get(key, 0)]] = 1
        return counts


@dataclass(frozen=True, slots=True)
class Random:
    """As many answers a prompt as the matched rule accepted there, chosen without looking.

    The law given the counts is that of drawing without replacement from the prompt's candidates.
    """

    name: str = "random"

    def resolve(self, params: Mapping[str, Json], pool: ScoredPool) -> ResolvedRule:
        """Raises ConfigError where no matched counts are given."""
        if pool.match is None:
            raise ConfigError(
                "accept=random needs match=<rule or variant id>, such as match=argmax"
            )
        return _Random(pool.seed, pool.match)


RULES: Registry[Rule] = Registry("rule", [All(), Argmax(), Threshold(), Random()])
