"""The A/A grid of law L17: how often the two-way test rejects at 5 % where nothing differs.

Data: x[c, s] = seed + cluster + cell, normal, no effect; ``share`` is the seeds' share of the
variance of x, the rest is split evenly between clusters and cells. A cell fails where its rate is
significantly above 5 % + 2 points: one-sided exact binomial test, Holm over the grid. Under 3 % it
is conservative, which is counted, not failed.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics.multiplicity import holm
from rsft_bench.harness.statistics.two_way import Variance, two_way
from rsft_bench.harness.types import FloatArray

ALPHA = 0.05
ALLOWED = 0.07
CONSERVATIVE = 0.03
CHUNK = 500
HOLDS, FAILS, LOW = "holds", "fails", "conservative"
# Three seeds are where the law is in doubt: .075 must be told from .07.
REPLICATES = {3: 40_000, 5: 20_000, 10: 20_000}


class Cell(NamedTuple):
    """Seeds, the seeds' share of the variance, clusters."""

    seeds: int
    share: float
    clusters: int


class Rate(NamedTuple):
    """Rejections among replicates."""

    rejected: int
    replicates: int

    @property
    def share(self) -> float:
        """Rejection rate."""
        return self.rejected / self.replicates


GRID = [Cell(*c) for c in itertools.product((3, 5, 10), (0.1, 0.5, 0.9), (10, 30, 100))]


def draw(rng: np.random.Generator, count: int, share: float, shape: tuple[int, int]) -> FloatArray:
    """``count`` tables of cluster means, (count, C, S), with unit variance and no effect."""
    clusters, seeds = shape
    rest = (1 - share) / 2
    return np.asarray(
        rng.normal(size=(count, 1, seeds)) * share**0.5
        + rng.normal(size=(count, clusters, 1)) * rest**0.5
        + rng.normal(size=(count, clusters, seeds)) * rest**0.5
    )


def p_values(v: Variance, shift: float = 0.0) -> FloatArray:
    """Two-sided p of every replicate, its estimate moved by ``shift``."""
    return np.asarray(2 * stats.t.sf(np.abs((v.estimate + shift) / v.se), v.df))


def measure(cell: Cell, replicates: int, seed: int = 0) -> Rate:
    """Simulate one cell."""
    rng = stream(seed, "L17", *cell)
    weights = np.full(cell.clusters, 1 / cell.clusters)
    found = 0
    for begin in range(0, replicates, CHUNK):
        count = min(CHUNK, replicates - begin)
        x = draw(rng, count, cell.share, (cell.clusters, cell.seeds))
        found += int((p_values(two_way(x, weights)) < ALPHA).sum())
    return Rate(found, replicates)


def judge(rates: Mapping[Cell, Rate]) -> dict[Cell, str]:
    """Whether L17 holds, cell by cell."""
    tail = [stats.binom.sf(r.rejected - 1, r.replicates, ALLOWED) for r in rates.values()]
    adjusted = holm(np.array(tail))
    return {
        cell: FAILS if p < ALPHA else LOW if rate.share < CONSERVATIVE else HOLDS
        for (cell, rate), p in zip(rates.items(), adjusted, strict=True)
    }
