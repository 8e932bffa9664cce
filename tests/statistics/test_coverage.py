"""Law L17: realised error of the two-way test by simulation, and the power that the MDE promises.

The grid is measured with tools/aa_grid.py and committed as docs/aa-grid.md; here it is judged by
the contract's rule and simulated again with fewer replicates and another stream. Known limits:

- 40,000 replicates, 3 seeds: the cell share .1, C=100 rejects about .076, significantly above .07,
  so the law does not hold there; the page shows it as failing. At 5 seeds the worst cell is .056.
- 12,000 replicates, 30 clusters: an effect as large as the median printed MDE is found with power
  .64 to .72 at 3 seeds, .72 to .78 at 5 and .78 to .79 at 10 (seed shares .5 to .02), because the
  standard error behind the MDE is itself estimated from few seeds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tool import tool

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import (
    minimum_detectable,
    one_way,
    two_sample,
    two_way,
)
from rsft_bench.harness.statistics.aa_grid import draw, p_values

AA = tool("aa_grid")
PAGE = Path(__file__).parents[2] / "docs" / "aa-grid.md"
REPLICATES = 2000
ALLOWED = 0.07


def test_no_cell_of_five_or_more_seeds_rejects_significantly_more_than_allowed() -> None:
    rates, words = AA.parse(PAGE.read_text(encoding="utf-8"))
    assert list(rates) == AA.GRID
    assert len(rates) == 27
    for cell, word in words.items():
        assert cell.seeds == 3 or word != "fails", cell


def test_cells_of_three_seeds_that_fail_are_shown_as_failing() -> None:
    rates, words = AA.parse(PAGE.read_text(encoding="utf-8"))
    assert min(r.replicates for cell, r in rates.items() if cell.seeds == 3) >= 20_000
    # .07 + 3.5 standard errors at 40,000 replicates is .0745: no correction for 27 cells saves it.
    assert [tuple(c) for c, r in rates.items() if r.share > 0.0745] == [(3, 0.1, 100)]
    assert words[AA.Cell(3, 0.1, 100)] == "fails"
    assert AA.page(rates) == PAGE.read_text(encoding="utf-8")


def test_marks_of_the_grid_by_hand() -> None:
    rates = {
        AA.Cell(3, 0.1, 10): AA.Rate(800, 10_000),  # z = 3.9 above .07
        AA.Cell(3, 0.1, 30): AA.Rate(710, 10_000),  # above .07, z = .4
        AA.Cell(3, 0.1, 100): AA.Rate(299, 10_000),
        AA.Cell(5, 0.1, 10): AA.Rate(300, 10_000),
    }
    assert list(AA.judge(rates).values()) == ["fails", "holds", "conservative", "holds"]
    text = AA.page(rates)
    assert "2 cells hold, 1 fail (all of them at S = 3), 1 are conservative; 2 lie above" in text


def test_the_committed_rates_are_those_of_this_code() -> None:
    rates, _ = AA.parse(PAGE.read_text(encoding="utf-8"))
    for cell, told in rates.items():
        found = AA.measure(cell, REPLICATES, seed=1)
        spread = (told.share * (1 - told.share) * (1 / REPLICATES + 1 / told.replicates)) ** 0.5
        assert abs(found.share - told.share) / spread < 4, cell


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
