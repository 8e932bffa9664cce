"""Law L17: realised error of the two-way test by simulation, and the power that the MDE promises.

Data: x[c, s] = seed + cluster + cell, normal, no effect. ``share`` is the seeds' share of the
variance of x; the rest is split evenly between clusters and cells.

Known limits, measured once with more replicates than these tests can afford:

- 40,000 replicates, 3 seeds: the cell share .1, C=100 rejects .0754 (4.2 standard errors above
  .07), so the law does not hold there; share .5, C=30 rejects .0717. With no cell noise, or with
  ``share`` taken of the variance of the estimate, 3 seeds reach .078. The 2,000 replicates below
  cannot tell .075 from .07: they guard against a broken formula and do not certify 3 seeds.
  At 5 seeds the worst cell rejects .060 (20,000 replicates).
- 12,000 replicates, 30 clusters: an effect as large as the median printed MDE is found with power
  .64 to .72 at 3 seeds, .72 to .78 at 5 and .78 to .79 at 10 (seed shares .5 to .02), because the
  standard error behind the MDE is itself estimated from few seeds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import (
    Variance,
    minimum_detectable,
    one_way,
    two_sample,
    two_way,
)

GRID = [(s, share, c) for s in (3, 5, 10) for share in (0.1, 0.5, 0.9) for c in (10, 30, 100)]
REPLICATES = 2000
ALLOWED = 0.07
CHUNK = 500


def draw(rng: np.random.Generator, count: int, share: float, shape: tuple[int, int]) -> np.ndarray:
    clusters, seeds = shape
    rest = (1 - share) / 2
    return np.asarray(
        rng.normal(size=(count, 1, seeds)) * share**0.5
        + rng.normal(size=(count, clusters, 1)) * rest**0.5
        + rng.normal(size=(count, clusters, seeds)) * rest**0.5
    )


def p_values(v: Variance, shift: float = 0.0) -> np.ndarray:
    return np.asarray(2 * stats.t.sf(np.abs((v.estimate + shift) / v.se), v.df))


def rejected(seeds: int, share: float, clusters: int) -> float:
    rng = stream(0, "L17", seeds, share, clusters)
    weights = np.full(clusters, 1 / clusters)
    found = 0
    for _ in range(REPLICATES // CHUNK):
        x = draw(rng, CHUNK, share, (clusters, seeds))
        found += int((p_values(two_way(x, weights)) < 0.05).sum())
    return found / REPLICATES


def test_no_cell_of_the_grid_rejects_more_than_allowed(
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    rates = {cell: rejected(*cell) for cell in GRID}
    lines = [f"S={s} share={v} C={c}: {rate:.4f}" for (s, v, c), rate in rates.items()]
    low = sum(rate < 0.03 for rate in rates.values())
    grid = "\n".join([*lines, f"conservative cells (under .03): {low}"])
    record_testsuite_property("L17", grid)
    spread = (ALLOWED * (1 - ALLOWED) / REPLICATES) ** 0.5
    worst = max(rates.values())
    assert (worst - ALLOWED) / spread < 4, grid
    assert min(rates.values()) > 0.01, grid


@pytest.mark.parametrize("sizes", [np.ones(30), np.arange(30) % 6 + 1.0])
def test_unequal_clusters_and_two_samples_keep_their_level(sizes: np.ndarray) -> None:
    rng = stream(0, "unequal", float(sizes.sum()))
    weights = sizes / sizes.sum()
    paired = two_way(draw(rng, REPLICATES, 0.1, (30, 5)), weights)
    cluster = rng.normal(size=(REPLICATES, 30, 1))
    sides = [draw(rng, REPLICATES, 0.1, (30, seeds)) + cluster for seeds in (5, 10)]
    two = two_sample(sides[0], sides[1], weights)
    spread = (ALLOWED * (1 - ALLOWED) / REPLICATES) ** 0.5
    for v in (paired, two):
        rate = float((p_values(v) < 0.05).mean())
        assert (rate - ALLOWED) / spread < 4
        assert rate > 0.02


def test_the_minimum_detectable_effect_is_found_four_times_in_five() -> None:
    rng = stream(0, "mde")
    clusters = 30
    # Clusters only: SE = 1/sqrt(C) exactly, 29 degrees of freedom.
    mde = minimum_detectable(clusters**-0.5, clusters - 1.0)
    x = rng.normal(size=(20_000, clusters))
    power = float((p_values(one_way(x, np.full(clusters, 1 / clusters)), mde) < 0.05).mean())
    # The sum of two t quantiles is itself an approximation, good to one point at 29 df.
    assert power == pytest.approx(0.80, abs=0.01 + 4 * (0.16 / 20_000) ** 0.5)


def power_at_the_median_mde(seeds: int, share: float) -> float:
    x = draw(stream(0, "mde-two-way", seeds, share), REPLICATES, share, (30, seeds))
    v = two_way(x, np.full(30, 1 / 30))
    printed = [minimum_detectable(se, df) for se, df in zip(v.se, v.df, strict=True)]
    return float((p_values(v, float(np.median(printed))) < 0.05).mean())


@pytest.mark.parametrize("seeds", [5, 10])
def test_the_two_way_minimum_detectable_effect_delivers_its_power(seeds: int) -> None:
    assert power_at_the_median_mde(seeds, 0.02) == pytest.approx(0.80, abs=0.06)


def test_at_three_seeds_the_minimum_detectable_effect_promises_too_much() -> None:
    # Recorded so that nobody reads the printed number as 80 % there; a mend would fail this test.
    assert 0.55 < power_at_the_median_mde(3, 0.1) < 0.75
