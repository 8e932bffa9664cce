"""Brier score and its parts, reliability bins, and the interval of ECE by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import brier, brier_interval, ece, reliability_table
from rsft_bench.harness.statistics.calibration import equal_mass


def test_the_brier_score_and_its_parts_by_hand() -> None:
    # Two forecasts: .25 with 1 of 4 passes, .75 with 1 of 2. Rate 1/3.
    p = np.array([0.25] * 4 + [0.75] * 2)
    y = np.array([1, 0, 0, 0, 1, 0.0])
    found = brier(p, y, bins=2)
    assert found.reliability == pytest.approx((4 * 0 + 2 * 0.25**2) / 6)
    assert found.resolution == pytest.approx((4 * (1 / 12) ** 2 + 2 * (1 / 6) ** 2) / 6)
    assert found.uncertainty == pytest.approx(2 / 9)
    assert found.within == pytest.approx(0, abs=1e-12)
    assert found.score == pytest.approx((0.75**2 + 3 * 0.25**2 + 0.25**2 + 0.75**2) / 6)


def test_the_brier_score_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    p, y = rng.random(200), rng.random(200) < 0.4
    found = brier(p, y)
    assert found.score == pytest.approx(brier_score_loss(y, p))
    parts = found.reliability - found.resolution + found.uncertainty + found.within
    assert parts == pytest.approx(found.score)
    assert found.within != pytest.approx(0, abs=1e-6)


def test_bins_hold_equal_numbers_and_never_split_ties() -> None:
    rng = np.random.default_rng(0)
    assert np.bincount(equal_mass(rng.random(100), 10)).tolist() == [10] * 10
    tied = np.array([0.1] * 5 + [0.2] * 2 + [0.3, 0.4, 0.5])
    group = equal_mass(tied, 5)
    assert len(set(group[:5])) == 1
    assert np.array_equal(np.unique(group), np.arange(group.max() + 1))
    assert (np.diff(group) >= 0).all()
    assert equal_mass(np.full(4, 0.5)).tolist() == [0] * 4
    table = reliability_table(tied, [True] * 5 + [False] * 5, bins=2)
    assert table.size.tolist() == [5, 5]
    assert table.forecast == pytest.approx([0.1, 0.32])
    assert table.observed == pytest.approx([1.0, 0.0])


def test_ece_by_hand_and_over_groups() -> None:
    p, y = np.array([0.25] * 4 + [0.75] * 2), [1, 0, 0, 0, 1, 0.0]
    assert ece(p, y, list("abcabc"), bins=2).estimate == pytest.approx(2 * 0.25 / 6)
    # A second forecaster that says .5 and is always right: gap .5. Mean over the two.
    two = ece(
        np.concatenate([p, [0.5, 0.5]]),
        [*y, 1.0, 1.0],
        list("abcabcab"),
        [0] * 6 + [1] * 2,
        bins=2,
    )
    assert two.estimate == pytest.approx((0.5 / 6 + 0.5) / 2)
    assert two.interval is None
    assert np.isnan(two.debiased)


def sample(seed: int, slope: float, clusters: int = 40, each: int = 8) -> tuple:
    """Forecasts p and outcomes whose log-odds are ``slope`` times those of p, 3 in 10 shared."""
    rng = stream(seed, "calibration")
    p = rng.beta(1.2, 1.2, clusters * each)
    truth = 1 / (1 + ((1 - p) / p) ** slope)
    shared = np.repeat(rng.random(clusters), each)
    chance = np.where(rng.random(p.size) < 0.3, shared, rng.random(p.size))
    bins = equal_mass(p)
    true = np.abs(np.bincount(bins, weights=p - truth)).sum() / p.size
    return p, chance < truth, [f"c{i // each}" for i in range(p.size)], true


@pytest.mark.parametrize(("slope", "least"), [(1.0, 0.90), (0.6, 0.88), (0.2, 0.88)])
def test_the_interval_of_ece_covers_the_true_error(slope: float, least: float) -> None:
    covered, low, plain, debiased, truth = 0, [], [], [], []
    for seed in range(200):
        p, y, cluster, true = sample(seed, slope)
        found = ece(p, y, cluster, seed=seed)
        assert found.interval is not None
        covered += found.interval.lo <= true <= found.interval.hi
        low.append(found.interval.lo)
        plain.append(found.estimate)
        debiased.append(found.debiased)
        truth.append(true)
    assert covered / 200 >= least, covered
    # It tells no error from a large one: 0 where there is none, never 0 where there is much.
    assert np.mean(np.array(low) == 0) > 0.9 if slope == 1 else slope == 0.6 or min(low) > 0
    # The plain estimate is biased up; the other one less so.
    assert np.mean(plain) > np.mean(truth)
    assert abs(np.mean(debiased) - np.mean(truth)) < np.mean(plain) - np.mean(truth)


def test_the_upward_bias_of_ece_falls_with_size() -> None:
    few, many = ([ece(*sample(s, 1.0, 40, n)[:3]).estimate for s in range(20)] for n in (4, 64))
    assert np.mean(few) > 2 * np.mean(many)


def test_ece_resamples_clusters_with_its_seed() -> None:
    p, y, cluster, _ = sample(0, 0.6)
    first, again, other = (ece(p, y, cluster, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first.interval != other.interval
    # Eight copies of each row are no more evidence where the cluster is the same.
    copies = ece(np.repeat(p, 8), np.repeat(y, 8), np.repeat(cluster, 8), seed=1)
    assert copies.interval is not None
    assert first.interval is not None
    assert copies.interval[:2] == pytest.approx(first.interval[:2], abs=0.01)


def test_groups_that_a_replicate_may_miss_have_no_interval() -> None:
    p, y, cluster, _ = sample(0, 0.6)
    lone = [0] * (p.size - 8) + [1] * 8  # the last cluster alone has the second forecaster
    found = ece(p, y, cluster, lone)
    assert np.isfinite(found.estimate)
    assert found.interval is None
    assert np.isnan(found.debiased)


def test_the_interval_of_the_brier_score_is_that_of_its_mean() -> None:
    p, y, cluster, _ = sample(0, 0.6)
    found = brier_interval(p, y, cluster, [0] * p.size)
    assert found.estimate == pytest.approx(brier(p, y).score)
    by_cluster = np.square(p - y).reshape(40, 8).mean(axis=1)
    assert found.se == pytest.approx(by_cluster.std(ddof=1) / 40**0.5)


@pytest.mark.parametrize(
    ("p", "y"), [([1.2], [1.0]), ([0.5], [0.5]), ([], []), ([0.5, 0.5], [1.0])]
)
def test_what_is_no_forecast_is_refused(p: list[float], y: list[float]) -> None:
    with pytest.raises(ValueError, match="forecasts"):
        brier(np.array(p), np.array(y))
