"""Split raters give an unbiased value of what all but one choose; the naive value is too good."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rsft_bench.harness.statistics.raters import human_best

#: Chance of a rating of 1 rather than 0 for each answer; raters are independent.
CHANCES = [(0.5, 0.5), (0.8, 0.3), (0.6, 0.5, 0.2)]


@pytest.mark.parametrize("chances", CHANCES)
def test_by_enumeration_of_every_rating(chances: tuple[float, ...]) -> None:
    k, raters = len(chances), 3
    split = naive = 0.0
    for ratings in itertools.product((0, 1), repeat=k * raters):
        table = np.array(ratings, dtype=float).reshape(k, raters)
        chance = np.prod(
            [p if r else 1 - p for row, p in zip(table, chances, strict=True) for r in row]
        )
        found = human_best(table)
        split += chance * found.split
        naive += chance * found.naive
    # What two raters choose is worth its true mean, whatever the third says.
    worth = 0.0
    for ratings in itertools.product((0, 1), repeat=k * 2):
        table = np.array(ratings, dtype=float).reshape(k, 2)
        chance = np.prod(
            [p if r else 1 - p for row, p in zip(table, chances, strict=True) for r in row]
        )
        sums = table.sum(axis=1)
        best = sums == sums.max()
        worth += chance * float(np.array(chances)[best].mean())
    assert split == pytest.approx(worth, abs=1e-12)
    assert split <= max(chances) + 1e-12 <= naive


def test_equal_answers_gain_nothing_by_split_raters_and_something_naively() -> None:
    rng = np.random.default_rng(5)
    found = [human_best(rng.integers(1, 6, (3, 3))) for _ in range(4000)]
    split = np.array([f.split for f in found])
    naive = np.array([f.naive for f in found])
    assert abs(split.mean() - 3) < 4 * split.std() / np.sqrt(len(split))
    assert naive.mean() > 3 + 20 * naive.std() / np.sqrt(len(naive))


def test_ties_are_shared_and_few_raters_refused() -> None:
    assert human_best(np.array([[4.0, 4.0], [4.0, 4.0], [1.0, 1.0]])) == (4.0, 4.0)
    with pytest.raises(ValueError, match="raters >= 2"):
        human_best(np.array([[1.0], [2.0]]))
