"""Two-way effects: unbiased by enumeration, agreement with statsmodels and scipy, properties."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rsft_bench.harness.errors import NotComparableError
from rsft_bench.harness.statistics import (
    Sample,
    cluster_effect,
    cluster_interval,
    cluster_weights,
    lower_bound,
    minimum_detectable,
    p_not_worse,
    two_sample,
    two_sample_effect,
    two_way,
    two_way_effect,
)


def long_form(x: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, list[str], list[int]]:
    """Constant values within clusters: cluster means are exactly ``x`` (C, S)."""
    values, cluster, seed = [], [], []
    for c, size in enumerate(sizes):
        for s in range(x.shape[1]):
            values += [x[c, s]] * size
            cluster += [f"c{c:03d}"] * size
            seed += [s] * size
    return np.array(values), cluster, seed


def table(seed: int, clusters: int = 12, seeds: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (clusters, seeds)
    return rng.normal(0.1, 1, shape) + rng.normal(size=(clusters, 1)) + rng.normal(size=(1, seeds))


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 2, 5)])
def test_components_are_unbiased_by_enumeration_for_unequal_clusters(
    sizes: tuple[int, ...],
) -> None:
    # Every sign of 3 cluster effects (SD 2), 2 seed effects (SD 3) and 6 cells (SD 1): 2^11 tables,
    # equally likely, so the mean of the estimator over them is its exact expectation.
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=11)))
    cluster, seed, cell = signs[:, :3], signs[:, 3:5], signs[:, 5:].reshape(-1, 3, 2)
    x = 2 * cluster[:, :, None] + 3 * seed[:, None, :] + cell
    w = cluster_weights(np.array(sizes, dtype=float))
    v = two_way(x, w)
    w2 = float((w**2).sum())
    assert np.mean(v.v_seed) == pytest.approx((9 + 1 * w2) / 2)
    assert np.mean(v.v_cluster) == pytest.approx((4 + 1 / 2) * w2)
    assert np.mean(v.v_cell) == pytest.approx(w2 / 2)
    exact = 9 / 2 + 4 * w2 + w2 / 2
    assert np.mean(v.v_seed + v.v_cluster - v.v_cell) == pytest.approx(exact)
    assert np.var(v.estimate) == pytest.approx(exact)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 2, 5)])
def test_two_sample_components_are_unbiased_by_enumeration(sizes: tuple[int, ...]) -> None:
    # Side a: 2 seeds (SD 3), 6 cells (SD 1); side b: 2 seeds (SD 2), 6 cells (SD 2): 2^16 equally
    # likely tables of signs. Both sides share cluster effects, which must cancel exactly, so their
    # signs may be made of the others.
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=16)))
    cluster = 5 * signs[:, :3]
    a = 3 * signs[:, None, :2] + signs[:, 4:10].reshape(-1, 3, 2) + cluster[:, :, None]
    b = 2 * signs[:, None, 2:4] + 2 * signs[:, 10:].reshape(-1, 3, 2) + cluster[:, :, None]
    w = cluster_weights(np.array(sizes, dtype=float))
    w2 = float((w**2).sum())
    v = two_sample(a, b, w)
    cells = (1 + 4) * w2 / 2
    assert np.mean(v.v_seed) == pytest.approx((9 + 1 * w2) / 2 + (4 + 4 * w2) / 2)
    assert np.mean(v.v_cell) == pytest.approx(cells)
    assert np.mean(v.v_cluster) == pytest.approx(cells)  # cells alone: cluster effects cancel
    exact = 9 / 2 + 4 / 2 + cells
    assert np.mean(v.v_seed + v.v_cluster - v.v_cell) == pytest.approx(exact)
    assert np.var(v.estimate) == pytest.approx(exact)


def test_two_sample_by_hand() -> None:
    # Cluster gaps 4, 2, 0 - (0, 0, 0); seed means of a 1.5 and 2.5, of b 0 and 0, cells of a ±.5.
    a = np.array([[3.0, 5.0], [1.5, 2.5], [0.0, 0.0]])
    b = np.zeros((3, 2))
    v = two_sample(a, b, np.full(3, 1 / 3))
    assert float(v.estimate) == pytest.approx(2.0)
    assert float(v.v_seed) == pytest.approx(0.5 / 2)  # var(1.5, 2.5) / 2
    assert float(v.v_cluster) == pytest.approx(4.0 / 3)  # var(4, 2, 0) / 3
    # Residuals -.5, .5 / 0, 0 / .5, -.5: sum of squares 1, mean square 1/2, over C S = 6.
    assert float(v.v_cell) == pytest.approx(1 / 12)
    total = 1 / 4 + 4 / 3 - 1 / 12
    assert float(v.se) ** 2 == pytest.approx(total)
    assert float(v.df) == pytest.approx(total**2 / (0.25**2 / 1 + (4 / 3) ** 2 / 2))


def test_degrees_of_freedom_fall_no_lower_than_the_seeds_leave() -> None:
    # Two seeds, two clusters. Seed means 0 and 2: V_seed = 1. Cluster means 0 and 2: V_cluster = 1.
    # Residuals +-1: V_cell = 4 / 1 / 4 = 1. V = 1 + 1 - 1 = 1, and V^2 / (1/1 + 1/1) = .5 < S - 1.
    x = np.array([[-2.0, 2.0], [2.0, 2.0]])
    v = two_way(x, np.full(2, 0.5))
    assert (float(v.v_seed), float(v.v_cluster), float(v.v_cell)) == (1.0, 1.0, 1.0)
    assert float(v.se) == 1.0
    assert float(v.df) == 1.0


def test_unequal_clusters_keep_their_number_less_one_as_degrees_of_freedom() -> None:
    sizes = np.array([11] + [1] * 11)
    effect = cluster_effect(*long_form(table(7), sizes))
    assert effect.df == 11
    v = two_way(table(7), cluster_weights(sizes.astype(float)))
    total = max(float(v.v_seed + v.v_cluster - v.v_cell), float(v.v_seed), float(v.v_cluster))
    df = total**2 / (float(v.v_seed) ** 2 / 3 + float(v.v_cluster) ** 2 / 11)
    assert float(v.df) == pytest.approx(max(df, 3))


def test_mean_squares_agree_with_statsmodels() -> None:
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    x = table(0)
    clusters, seeds = x.shape
    frame = pd.DataFrame(
        [(f"c{c}", f"s{s}", x[c, s]) for c in range(clusters) for s in range(seeds)],
        columns=["c", "s", "y"],
    )
    squares = anova_lm(smf.ols("y ~ C(c) + C(s)", frame).fit())["mean_sq"] / x.size
    v = two_way(x, np.full(clusters, 1 / clusters))
    assert float(v.v_seed) == pytest.approx(squares["C(s)"])
    assert float(v.v_cluster) == pytest.approx(squares["C(c)"])
    assert float(v.v_cell) == pytest.approx(squares["Residual"])
    total = squares["C(s)"] + squares["C(c)"] - squares["Residual"]
    total = max(total, squares["C(s)"], squares["C(c)"])
    df = total**2 / (squares["C(s)"] ** 2 / (seeds - 1) + squares["C(c)"] ** 2 / (clusters - 1))
    assert float(v.se) == pytest.approx(total**0.5)
    assert float(v.df) == pytest.approx(max(df, seeds - 1))


def test_one_seed_is_the_t_test_on_clusters_and_says_so() -> None:
    x = table(1, seeds=1)
    effect = two_way_effect(*long_form(x, np.full(12, 3)))
    expected = stats.ttest_1samp(x[:, 0], 0.0)
    interval = expected.confidence_interval(0.95)
    assert effect.p == pytest.approx(expected.pvalue)
    assert (effect.lo, effect.hi) == pytest.approx((interval.low, interval.high))
    assert (effect.n, effect.clusters, effect.seeds) == (36, 12, 1)
    assert effect.scope == "this checkpoint"


def test_two_samples_without_cluster_differences_are_welch() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.3, 1.0, 5), rng.normal(0.0, 2.0, 9)
    cluster = rng.normal(size=(12, 1))
    effect = two_sample_effect(
        Sample(*long_form(cluster + a, np.ones(12, int))),
        Sample(*long_form(cluster + b, np.ones(12, int))),
    )
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert effect.p == pytest.approx(expected.pvalue)
    assert effect.df == pytest.approx(expected.df)
    assert effect.seeds == 5


def test_the_estimate_is_the_mean_over_examples() -> None:
    x = np.array([[1.0, 3.0]] + [[0.0, 0.0]] * 9)
    effect = two_way_effect(*long_form(x, np.array([11] + [1] * 9)))
    assert effect.estimate == pytest.approx(2 * 11 / 20)


def test_bounds_and_p_values_by_hand() -> None:
    # Cluster means 0..9, one seed: mean 4.5, SE = sqrt(55/6 / 10) = 0.957427, df 9.
    effect = two_way_effect(*long_form(np.arange(10.0)[:, None], np.ones(10, int)))
    assert effect.se == pytest.approx(0.9574271)
    assert lower_bound(effect) == pytest.approx(4.5 - 1.833113 * 0.9574271, abs=1e-5)
    assert p_not_worse(effect) == pytest.approx(1 - (effect.p or 0) / 2)
    # t_.975,9 = 2.262157, t_.80,9 = 0.883404
    assert effect.mde == pytest.approx((2.262157 + 0.883404) * 0.9574271, abs=1e-5)
    assert minimum_detectable(1.0, 1e9) == pytest.approx(1.959964 + 0.841621, abs=1e-5)


def test_zero_width_only_where_identical() -> None:
    nothing = long_form(np.zeros((12, 3)), np.ones(12, int))
    zeros = two_way_effect(*nothing, identical=True)
    assert (zeros.estimate, zeros.lo, zeros.hi, zeros.p) == (0.0, 0.0, 0.0, 1.0)
    assert zeros.scope == "identical"
    assert lower_bound(zeros) == 0.0
    # Equal averages of other answers: the difference is 0 and nothing says how sure that is.
    for effect in (two_way_effect(*nothing), cluster_effect(*nothing)):
        assert effect.scope == "no interval: no variation"
        assert effect.estimate == 0.0
        assert effect.lo is effect.hi is effect.p is lower_bound(effect) is None
    assert cluster_effect(*nothing, identical=True).scope == "identical"
    with pytest.raises(ValueError, match="said to be identical"):
        two_way_effect(*long_form(np.full((12, 3), 0.1), np.ones(12, int)), identical=True)
    constant = two_way_effect(*long_form(np.full((12, 3), 0.1), np.ones(12, int)))
    assert constant.lo is constant.p is constant.se is None
    assert constant.estimate == pytest.approx(0.1)
    assert constant.scope == "no interval: no variation"


def test_differences_that_cancel_within_clusters_are_not_identical() -> None:
    cluster = [f"c{i // 2}" for i in range(24)]
    effect = two_way_effect(np.tile([1.0, -1.0], 12), cluster, [0] * 24)
    assert effect.scope == "no interval: no variation"


def test_two_independent_sides_are_never_identical() -> None:
    rows = long_form(np.ones((12, 3)), np.ones(12, int))
    effect = two_sample_effect(Sample(*rows), Sample(*rows))
    assert (effect.estimate, effect.scope) == (0.0, "no interval: no variation")


def test_under_ten_clusters_there_is_no_interval() -> None:
    effect = two_way_effect(*long_form(table(3, clusters=9), np.ones(9, int)))
    assert effect.lo is effect.p is effect.mde is None
    assert effect.scope == "no interval: 9 clusters, 10 needed"


def test_missing_or_unpaired_values_raise() -> None:
    values, cluster, seed = long_form(table(4), np.ones(12, int))
    with pytest.raises(NotComparableError, match="1 of 48 values are missing"):
        two_way_effect(np.where(np.arange(48) == 7, np.nan, values), cluster, seed)
    with pytest.raises(NotComparableError, match="different examples in 1 clusters, first 'c011'"):
        two_way_effect(values[:-1], cluster[:-1], seed[:-1])
    other = [c.replace("c011", "elsewhere") for c in cluster]
    with pytest.raises(NotComparableError, match="different examples"):
        two_sample_effect(Sample(values, cluster, seed), Sample(values, other, seed))


def test_single_means_have_no_p() -> None:
    effect = cluster_interval(*long_form(table(5), np.ones(12, int)))
    assert effect.p is effect.mde is None
    assert effect.lo is not None
    assert effect.hi is not None
    assert effect.lo < effect.estimate < effect.hi


def test_fixed_seeds_use_cluster_degrees_of_freedom() -> None:
    x = table(6)
    effect = cluster_effect(*long_form(x, np.ones(12, int)))
    assert effect.p == pytest.approx(stats.ttest_1samp(x.mean(axis=1), 0.0).pvalue)
    assert (effect.df, effect.seeds) == (pytest.approx(11), 4)
    assert effect.scope == "this checkpoint"


tables = st.tuples(st.integers(0, 2**32 - 1), st.integers(10, 14), st.integers(1, 4))


@given(tables)
@settings(max_examples=40, deadline=None)
def test_swapping_the_sides_negates(shape: tuple[int, int, int]) -> None:
    values, cluster, seed = long_form(table(*shape), np.arange(shape[1]) % 3 + 1)
    one, other = two_way_effect(values, cluster, seed), two_way_effect(-values, cluster, seed)
    assert one.estimate == pytest.approx(-other.estimate)
    assert one.lo == pytest.approx(-(other.hi or 0))
    assert one.p == pytest.approx(other.p)
    assert one.mde == pytest.approx(other.mde)


@given(tables)
@settings(max_examples=40, deadline=None)
def test_order_and_names_are_irrelevant(shape: tuple[int, int, int]) -> None:
    values, cluster, seed = long_form(table(*shape), np.arange(shape[1]) % 3 + 1)
    order = np.random.default_rng(shape[0]).permutation(values.size)
    names = {c: f"{i * 7 % 101}" for i, c in enumerate(sorted(set(cluster)))}
    moved = two_way_effect(
        values[order], [names[cluster[i]] for i in order], [40 - seed[i] for i in order]
    )
    straight = two_way_effect(values, cluster, seed)
    assert moved[:5] == pytest.approx(straight[:5])
    assert moved.p == pytest.approx(straight.p)


@given(tables, st.floats(0.1, 10))
@settings(max_examples=40, deadline=None)
def test_scaling_scales(shape: tuple[int, int, int], factor: float) -> None:
    values, cluster, seed = long_form(table(*shape), np.ones(shape[1], int))
    one, scaled = (two_way_effect(v, cluster, seed) for v in (values, factor * values))
    assert scaled.se == pytest.approx(factor * (one.se or 0))
    assert scaled.df == pytest.approx(one.df)
    assert scaled.p == pytest.approx(one.p)


@given(tables)
@settings(max_examples=40, deadline=None)
def test_the_variance_is_never_below_its_parts(shape: tuple[int, int, int]) -> None:
    seed, clusters, seeds = shape
    v = two_way(table(seed, clusters, seeds + 1), np.full(clusters, 1 / clusters))
    assert float(v.se) ** 2 >= max(float(v.v_seed), float(v.v_cluster)) * (1 - 1e-12)
    assert float(v.df) >= seeds - 1e-9
