"""Best of n by a noisy proxy (laws L11 to L13), and the gold-against-proxy curve of a pool."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import pytest

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import (
    best_by_noisy_proxy,
    best_of_k_mean,
    best_of_n_kl_bound,
    normal_best_of_mean,
    proxy_gold_curve,
    reward_per_root_kl,
    simulate_picks,
)

SIZES = [1, 2, 4, 8, 16, 32]


def z(values: np.ndarray, expected: float) -> float:
    return float((values.mean() - expected) / (values.std(ddof=1) / sqrt(values.size)))


def test_the_expected_maximum_of_normal_draws_by_its_closed_forms() -> None:
    assert normal_best_of_mean(1) == pytest.approx(0, abs=1e-9)
    assert normal_best_of_mean(2) == pytest.approx(1 / sqrt(pi), abs=1e-7)
    assert normal_best_of_mean(3) == pytest.approx(1.5 / sqrt(pi), abs=1e-7)
    # Tabulated (Harter 1961): 1.42360 for 8, 2.50759 for 100, 3.24144 for 1000.
    for n, expected in ((8, 1.42360), (100, 2.50759), (1000, 3.24144)):
        assert normal_best_of_mean(n) == pytest.approx(expected, abs=6e-6)


def test_gaussian_rewards_follow_the_square_root_of_the_divergence() -> None:
    ratios = [reward_per_root_kl(n) for n in (2, 3, 10, 100, 1000, 10_000)]
    assert ratios[0] == pytest.approx(1.28, abs=0.005)
    assert max(ratios) == pytest.approx(1.34, abs=0.005)
    assert all(1.28 <= round(r, 2) <= 1.34 for r in ratios)
    with pytest.raises(ValueError, match="n >= 2"):
        reward_per_root_kl(1)


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_normal_noise_shares_the_gain_by_the_closed_form(scale: float) -> None:
    for n in (1, 8, 1000):
        found = best_by_noisy_proxy(n, "normal", scale)
        top, sd = normal_best_of_mean(n), sqrt(1 + scale**2)
        assert found[:2] == pytest.approx((top * sd, top / sd), abs=1e-6)


def test_normal_noise_never_turns_gold_down_and_heavy_tails_do() -> None:
    sizes = [1, 4, 16, 64, 256, 1024, 8192]
    normal = [best_by_noisy_proxy(n, "normal").gold for n in sizes]
    heavy = [best_by_noisy_proxy(n, "student_t2").gold for n in sizes]
    assert (np.diff(normal) > 0).all()
    assert sizes[int(np.argmax(heavy))] == 16
    assert (np.diff(heavy[2:]) < 0).all()
    # science notes, by simulation: .55, .69, .47, .23, .11, -.03 for n = 4 to 8192.
    assert heavy[1:6] == pytest.approx([0.55, 0.69, 0.47, 0.23, 0.11], abs=0.03)
    assert abs(heavy[-1]) < 0.06
    proxies = [best_by_noisy_proxy(n, "student_t2").proxy for n in sizes]
    assert (np.diff(proxies) > 0).all()


@pytest.mark.parametrize("noise", ["normal", "student_t2"])
@pytest.mark.parametrize("n", [4, 64])
def test_quadrature_agrees_with_simulation(noise: str, n: int) -> None:
    picks = simulate_picks(n, 20_000, 0, noise)  # type: ignore[arg-type]
    assert abs(z(picks.gold, best_by_noisy_proxy(n, noise).gold)) < 4  # type: ignore[arg-type]


def test_the_selected_proxy_overstates_gold_and_fresh_scoring_does_not() -> None:
    exact = best_by_noisy_proxy(8)
    assert exact[:2] == pytest.approx((2.02, 1.01), abs=0.01)
    picks = simulate_picks(8, 20_000, seed=1)
    assert abs(z(picks.proxy, exact.proxy)) < 4
    assert abs(z(picks.fresh, exact.fresh)) < 4
    assert abs(z(picks.fresh - picks.gold, 0)) < 4
    assert z(picks.proxy - picks.gold, 0) > 20


def test_seeds_and_noises_of_the_simulation_are_their_own() -> None:
    assert np.array_equal(simulate_picks(4, 50, 1).gold, simulate_picks(4, 50, 1).gold)
    assert not np.array_equal(simulate_picks(4, 50, 1).gold, simulate_picks(4, 50, 2).gold)
    for bad in ({"noise": "cauchy"}, {"scale": 0.0}):
        with pytest.raises(ValueError, match=r"noise"):
            simulate_picks(4, 5, 0, **bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n >= 1"):
        best_by_noisy_proxy(0)


def pool(seed: int, noise: str, units: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Gold and proxy of 64 draws for each unit; ``none``: gold knows nothing of the proxy."""
    rng = stream(seed, "pool", noise)
    gold = rng.normal(size=(units, 64))
    error = {
        "normal": lambda: rng.normal(size=gold.shape),
        "heavy": lambda: 4 * rng.standard_t(1.2, size=gold.shape) - 0.02 * gold**3,
        "none": lambda: rng.normal(size=gold.shape) - gold,
    }[noise]()
    return gold + error, gold


def groups(units: int) -> tuple[list[str], list[int]]:
    return [f"c{i % 25}" for i in range(units)], [i // 25 % 2 for i in range(units)]


def test_the_curve_of_a_pool_averages_both_scores_at_the_proxys_rank() -> None:
    proxy, gold = pool(0, "normal", 50)
    found = proxy_gold_curve(proxy, gold, *groups(50), SIZES, replicates=200)
    for j, n in enumerate(SIZES):
        by_unit = [best_of_k_mean(p, n, g) for p, g in zip(proxy, gold, strict=True)]
        assert found.gold[j] == pytest.approx(np.mean(by_unit))
        assert found.proxy[j] == pytest.approx(np.mean([best_of_k_mean(p, n) for p in proxy]))
    assert found.root_kl == pytest.approx([sqrt(best_of_n_kl_bound(n)) for n in SIZES])
    assert found.label == "clusters resampled, seeds fixed"
    again = proxy_gold_curve(proxy, gold, *groups(50), SIZES, replicates=200)
    other = proxy_gold_curve(proxy, gold, *groups(50), SIZES, replicates=200, resample_seed=1)
    assert again.gold_bands is not None
    assert other.gold_bands is not None
    assert found.gold_bands is not None
    assert np.array_equal(again.gold_bands.lo, found.gold_bands.lo)
    assert not np.array_equal(other.gold_bands.lo, found.gold_bands.lo)


def test_bands_of_the_curve_cover_its_expectation() -> None:
    truth = [best_by_noisy_proxy(n).gold for n in SIZES]
    inside = np.zeros(len(SIZES))
    for seed in range(200):
        bands = proxy_gold_curve(
            *pool(seed, "normal"), *groups(200), SIZES, replicates=200
        ).gold_bands
        assert bands is not None
        inside += (bands.lo <= truth) & (truth <= bands.hi)
    # 25 clusters: a percentile bootstrap covers about .93; 200 runs have an SD of .018.
    assert (inside / 200 > 0.86).all(), inside
    assert (inside < 200).all()


def test_a_turning_point_is_seen_where_there_is_one_and_seldom_where_there_is_none() -> None:
    def seen(noise: str, seeds: range) -> list[bool]:
        found = []
        for seed in seeds:
            curve = proxy_gold_curve(*pool(seed, noise), *groups(200), SIZES, replicates=100)
            assert curve.turning is not None
            assert curve.turning.lo <= curve.turning.n <= curve.turning.hi
            found.append(curve.turning.seen)
        return found

    rising, flat = seen("normal", range(200)), seen("none", range(200))
    assert not any(rising)
    # A flat curve has no turning point either: at most 5 % and 4 SD of 200.
    assert sum(flat) <= 0.05 * 200 + 4 * sqrt(0.05 * 0.95 * 200)
    bent = np.where(np.arange(64) < 60, 0.0, -3.0)
    turned = []
    for seed in range(20):
        proxy, gold = pool(seed, "normal")
        order = np.argsort(proxy, axis=1)
        # The highest proxies hide bad answers.
        spoilt = np.take_along_axis(gold, order, axis=1) + bent
        curve = proxy_gold_curve(
            np.take_along_axis(proxy, order, axis=1), spoilt, *groups(200), SIZES, replicates=100
        )
        assert curve.turning is not None
        turned.append(curve.turning.seen)
    assert all(turned)


def test_a_curve_needs_scores_rising_sizes_and_clusters() -> None:
    proxy, gold = pool(0, "normal", 20)
    few = proxy_gold_curve(proxy, gold, ["c"] * 20, [0] * 20, SIZES)
    assert few.gold_bands is few.turning is None
    assert few.label == "no bands: 1 clusters, 10 needed"
    with pytest.raises(ValueError, match="sizes must rise"):
        proxy_gold_curve(proxy, gold, *groups(20), [4, 2])
    with pytest.raises(ValueError, match="not finite"):
        proxy_gold_curve(proxy, gold * np.nan, *groups(20), SIZES)
    with pytest.raises(ValueError, match="shapes"):
        proxy_gold_curve(proxy, gold[:5], *groups(20), SIZES)
