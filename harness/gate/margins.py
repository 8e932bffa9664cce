"""Simulated gate runs, the smallest margin an unchanged program passes, and what would lower it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import NamedTuple

import numpy as np
from scipy import stats

from rsft_bench.harness.gate.components import Components, Matrix
from rsft_bench.harness.gate.decision import ALPHA, MIN_SEEDS
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import Variance, one_way, two_sample
from rsft_bench.harness.statistics.effects import MIN_CLUSTERS
from rsft_bench.harness.types import FloatArray

REPLICATES = 2000
PASS_RATE = 0.90
_CHUNK = 250  # replicates simulated at a time, which bounds memory
MAX_FACTOR = 100


class Simulated(NamedTuple):
    """Estimates, one-sided lower bounds and p of "not worse", each (R, K) over blocking checks."""

    estimate: FloatArray
    lower: FloatArray
    p: FloatArray


@dataclass(frozen=True)
class Size:
    """Seeds of the run and of the baseline."""

    run: int
    baseline: int


def simulate_recipe(
    fitted: Sequence[Components],
    size: Size,
    seed: int,
    replicates: int = REPLICATES,
    damage: Mapping[tuple[str, str], float] | None = None,
) -> Simulated:
    """Gate runs of a retrained program against its baseline.

    Args:
        fitted: components of every (suite, policy); checks of one are drawn jointly.
        size: seeds of the two sides, each at least 2.
        seed: seed of the simulation.
        replicates: number of simulated gate runs R.
        damage: what is taken from the run's value, by (suite, variant); nothing if None.
    """
    loss = damage or {}
    parts = []
    for c in fitted:
        rng = stream(seed, "gate-recipe", c.suite, c.policy)
        drop = np.array([loss.get((c.suite, variant), 0.0) for variant, _ in c.checks])
        for start in range(0, replicates, _CHUNK):
            count = min(_CHUNK, replicates - start)
            a = _side(c, size.run, count, rng) - drop[:, None, None]
            b = _side(c, size.baseline, count, rng)
            parts.append((c, _bounds(two_sample(a, b, c.weights))))
    return _join(fitted, parts)


def simulate_artifact(
    fitted: Sequence[Components], seeds: int, seed: int, replicates: int = REPLICATES
) -> Simulated:
    """Gate runs of the same weights answering with other draws (another sampler or machine)."""
    parts = []
    for c in fitted:
        rng = stream(seed, "gate-artifact", c.suite, c.policy)
        variance = 2.0 * np.array(c.draw) / np.array(c.draws) / seeds  # (M,) of one example
        spread = np.sqrt(variance[:, None] / np.array(c.sizes))  # (M, C)
        for start in range(0, replicates, _CHUNK):
            count = min(_CHUNK, replicates - start)
            gap = rng.standard_normal((count, *spread.shape)) * spread
            parts.append((c, _bounds(one_way(gap, c.weights))))
    return _join(fitted, parts)


def smallest_margin(simulated: Simulated) -> float:
    """Smallest margin that at least 90 in 100 of the simulated runs pass, at least 0."""
    needed = -simulated.lower.min(axis=-1)
    return max(0.0, float(np.quantile(needed, PASS_RATE, method="higher")))


def recipe_margin(fitted: Sequence[Components], size: Size, seed: int = 0) -> float:
    """Smallest margin of scope recipe; infinite under 3 seeds a side or 10 clusters."""
    clusters = min(len(c.sizes) for c in fitted)
    if min(size.run, size.baseline) < MIN_SEEDS or clusters < MIN_CLUSTERS:
        return inf
    return smallest_margin(simulate_recipe(fitted, size, seed))


def artifact_margin(fitted: Sequence[Components], seeds: int, seed: int = 0) -> float:
    """Smallest margin of scope artifact; infinite under 10 clusters."""
    if min(len(c.sizes) for c in fitted) < MIN_CLUSTERS:
        return inf
    return smallest_margin(simulate_artifact(fitted, seeds, seed))


def remedies(c: Components, check: int, size: Size, ratio: float) -> str:
    """What would shrink the standard error of one recipe check to ``ratio`` of what it is.

    Each remedy alone, from the fitted components; factors above 100 are not offered.
    """
    a, e, d = _shares(c, check, size)
    total, goal = a + e, ratio**2 * (a + e)
    if total <= 0 or ratio >= 1:
        return "rerun: the components show no reason"
    factor = 1.0 / ratio**2
    found = [f"seeds: {ceil(size.run * factor)} in the run and {ceil(size.baseline * factor)} in"]
    found[0] += f" the baseline (now {size.run} and {size.baseline})"
    if factor > MAX_FACTOR:
        found = ["seeds: no practical number"]
    g = e / (goal - a) if goal > a else inf
    n = sum(c.sizes)
    if g <= MAX_FACTOR:
        found.append(f"examples: {ceil(n * g)} in {ceil(len(c.sizes) * g)} clusters (now {n})")
    else:
        found.append("examples: no number alone, the seeds limit")
    h = d / (goal - total + d) if goal > total - d else inf
    if h <= MAX_FACTOR:
        now = c.draws[check]
        found.append(f"draws: {ceil(now * h)} per example (now {now:g})")
    else:
        found.append("draws: no number alone")
    return "; or ".join(found)


def standard_error(c: Components, check: int, size: Size) -> float:
    """Expected standard error of one recipe check."""
    a, e, _ = _shares(c, check, size)
    return float(np.sqrt(a + e))


def _shares(c: Components, check: int, size: Size) -> tuple[float, float, float]:
    """Variance of the difference from seeds, from cells, and the part of cells from draws."""
    scale = 1.0 / size.run + 1.0 / size.baseline
    w2, n = c.weights**2, np.array(c.sizes, dtype=np.float64)
    m = check
    cells = float(w2.sum()) * c.seed_cluster[m][m] + float((w2 / n).sum()) * c.residual[m][m]
    draws = float((w2 / n).sum()) * min(c.draw[m] / c.draws[m], c.residual[m][m])
    return c.seed[m][m] * scale, cells * scale, draws * scale


def _side(c: Components, seeds: int, count: int, rng: np.random.Generator) -> FloatArray:
    """Cluster means of one side without the effects that cancel, shape (count, M, C, seeds)."""
    m, clusters = len(c.checks), len(c.sizes)
    seed = rng.standard_normal((count, 1, seeds, m)) @ _root(c.seed).T
    cell = rng.standard_normal((count, clusters, seeds, m)) @ _root(c.seed_cluster).T
    inner = rng.standard_normal((count, clusters, seeds, m)) @ _root(c.residual).T
    scale = 1.0 / np.sqrt(np.array(c.sizes, dtype=np.float64))[:, None, None]
    return np.asarray(np.moveaxis(seed + cell + inner * scale, -1, 1))


def _root(matrix: Matrix) -> FloatArray:
    """A square root of a covariance that may be singular."""
    values, vectors = np.linalg.eigh(np.array(matrix, dtype=np.float64))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _bounds(v: Variance) -> Simulated:
    lower = v.estimate - stats.t.ppf(1 - ALPHA, v.df) * v.se
    ratio = np.divide(v.estimate, v.se, out=np.full_like(v.se, np.inf), where=v.se > 0)
    return Simulated(v.estimate, lower, np.asarray(stats.t.cdf(ratio, v.df)))


def _join(fitted: Sequence[Components], parts: Sequence[tuple[Components, Simulated]]) -> Simulated:
    """Stack chunks along replicates and suites along checks."""
    columns = [
        [np.concatenate([s[field] for c, s in parts if c is one], axis=0) for one in fitted]
        for field in range(3)
    ]
    return Simulated(*(np.concatenate(column, axis=-1) for column in columns))
