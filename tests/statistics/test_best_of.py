"""The exact best-of-n law, its divergence and win rate; entropy and KL from log-probabilities."""

from __future__ import annotations

import itertools
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsft_bench.harness.errors import NotComparableError
from rsft_bench.harness.statistics import (
    best_of_curve,
    best_of_k_mean,
    best_of_n_kl_bound,
    best_of_n_kl_gap_bound,
    best_of_n_kl_terms,
    best_of_n_law,
    binomial_mean,
    collision_entropy,
    kl_terms,
    pass_at_k,
    pass_hat_k,
    sequence_entropy,
    sequence_kl,
    table_entropy,
    table_kl,
    win_rate,
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, some of them 0, and scores with ties."""
    size = draw(st.integers(1, 6))
    weights = draw(st.lists(st.integers(0, 9), min_size=size, max_size=size).filter(any))
    scores = draw(st.lists(st.integers(-3, 3), min_size=size, max_size=size))
    p = np.array(weights, dtype=float)
    return p / p.sum(), np.array(scores, dtype=float)


def enumerated(p: np.ndarray, scores: np.ndarray, n: int) -> np.ndarray:
    """The first best of n draws, over all m^n sequences."""
    law = np.zeros(p.size)
    for drawn in itertools.product(range(p.size), repeat=n):
        law[max(drawn, key=lambda i: scores[i])] += np.prod(p[list(drawn)])
    return law


@settings(deadline=None, derandomize=True, max_examples=60)
@given(tables(), st.integers(1, 4))
def test_the_law_is_that_of_the_first_best_of_n(
    table: tuple[np.ndarray, np.ndarray], n: int
) -> None:
    law = best_of_n_law(*table, n)
    assert law == pytest.approx(enumerated(*table, n), abs=1e-12)
    assert law.sum() == pytest.approx(1, abs=1e-12)
    assert (law >= 0).all()


@settings(deadline=None, derandomize=True)
@given(tables(), st.integers(1, 200))
def test_bounds_of_win_rate_and_divergence(table: tuple[np.ndarray, np.ndarray], n: int) -> None:
    p, scores = table
    law = best_of_n_law(p, scores, n)
    assert win_rate(law, p, scores) <= n / (n + 1) + 1e-12
    assert win_rate(law, p, scores) >= 0.5 - 1e-12
    assert table_kl(law, p) <= best_of_n_kl_bound(n) + 1e-9
    distinct = np.arange(p.size, dtype=float)
    apart = table_kl(best_of_n_law(p, distinct, n), p)
    gap = best_of_n_kl_bound(n) - apart
    assert -1e-9 <= gap <= best_of_n_kl_gap_bound(collision_entropy(p), n) + 1e-9


@settings(deadline=None, derandomize=True)
@given(tables(), st.integers(2, 40))
def test_a_strictly_monotone_transform_changes_nothing(
    table: tuple[np.ndarray, np.ndarray], n: int
) -> None:
    p, scores = table
    law = best_of_n_law(p, scores, n)
    for moved in (np.exp(scores), scores**3 + scores, 1e3 * scores - 7):
        assert np.array_equal(best_of_n_law(p, moved, n), law)
    draws, gold = np.resize(scores, (1, 40)), np.arange(40.0)[None]
    assert np.array_equal(best_of_curve(draws, gold, [n]), best_of_curve(np.exp(draws), gold, [n]))


def test_a_transform_that_is_only_monotone_makes_ties_and_another_law() -> None:
    p, scores = np.full(3, 1 / 3), np.array([0.0, 1.0, 2.0])
    assert best_of_n_law(p, scores, 2) == pytest.approx([1 / 9, 3 / 9, 5 / 9])
    assert best_of_n_law(p, np.minimum(scores, 1), 2) == pytest.approx([1 / 9, 4 / 9, 4 / 9])


@settings(deadline=None, derandomize=True)
@given(tables())
def test_the_expected_maximum_rises_and_is_concave_in_k(
    table: tuple[np.ndarray, np.ndarray],
) -> None:
    p, scores = table
    exact = np.array([best_of_n_law(p, scores, k) @ scores for k in range(1, 12)])
    assert (np.diff(exact) >= -1e-12).all()
    assert (np.diff(exact, 2) <= 1e-12).all()
    # And so is its estimate from one pool, at every pool.
    pool = np.resize(scores, (1, 13))
    (curve,) = best_of_curve(pool, pool, range(1, 13))
    assert (np.diff(curve, 2) <= 1e-12).all()


def test_composed_rounds_are_one_round_of_the_product() -> None:
    p = np.array([0.2, 0.3, 0.1, 0.4])
    scores = np.array([1.0, 2.0, 2.0, 0.0])
    twice = best_of_n_law(best_of_n_law(p, scores, 3), scores, 4)
    assert twice == pytest.approx(best_of_n_law(p, scores, 12), abs=1e-12)


def test_the_divergence_of_a_fair_binary_answer() -> None:
    p, scores = np.array([0.5, 0.5]), np.array([0.0, 1.0])
    law = best_of_n_law(p, scores, 64)
    assert table_kl(law, p) == pytest.approx(log(2))
    assert best_of_n_kl_bound(64) == pytest.approx(3.17, abs=0.005)
    assert law @ best_of_n_kl_terms(np.log(p), 64) == pytest.approx(log(2))


def test_the_divergence_estimator_by_hand_and_at_its_ends() -> None:
    # e = .5, n = 2: (1/4)(log 2 + log .5 - 1/2) + (3/4) log(1.5).
    by_hand = 0.25 * -0.5 + 0.75 * log(1.5)
    found = best_of_n_kl_terms(np.array([log(0.5), 0.0, -30.0, -800.0, -np.inf, np.nan]), 2)
    assert found[:2] == pytest.approx([by_hand, 0.0])
    assert found[2:5] == pytest.approx([best_of_n_kl_bound(2)] * 3)
    assert np.isnan(found[5])


@settings(deadline=None, derandomize=True)
@given(tables(), st.integers(1, 100))
def test_the_divergence_estimator_lies_between_truth_and_bound(
    table: tuple[np.ndarray, np.ndarray], n: int
) -> None:
    p = table[0][table[0] > 0]
    law = best_of_n_law(p, np.arange(p.size, dtype=float), n)
    mean = law @ best_of_n_kl_terms(np.log(p), n)
    assert table_kl(law, p) - 1e-9 <= mean <= best_of_n_kl_bound(n) + 1e-9


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        best_of_n_law(np.array([0.5, 0.4]), np.zeros(2), 2)
    with pytest.raises(ValueError, match="no NaN"):
        best_of_n_law(np.array([0.5, 0.5]), np.array([0.0, np.nan]), 2)
    with pytest.raises(ValueError, match="shapes"):
        best_of_n_law(np.array([1.0]), np.zeros(2), 2)
    for bound in (best_of_n_kl_bound, lambda n: best_of_n_law(np.ones(1), np.zeros(1), n)):
        with pytest.raises(ValueError, match="n >= 1"):
            bound(0)


def test_curves_agree_with_the_mean_of_one_prompt_and_with_enumeration() -> None:
    rng = np.random.default_rng(0)
    proxy = rng.integers(0, 4, (3, 7)).astype(float)
    proxy[0, 2] = np.nan
    gold = rng.random((3, 7))
    curve = best_of_curve(proxy, gold, [1, 3, 7])
    known = np.where(np.isnan(proxy), -np.inf, proxy)
    for unit in range(3):
        assert curve[unit, 0] == pytest.approx(gold[unit].mean())
        for j, n in enumerate([1, 3, 7]):
            assert curve[unit, j] == pytest.approx(best_of_k_mean(proxy[unit], n, gold[unit]))
            picks = []
            for subset in itertools.combinations(range(7), n):
                top = max(known[unit, i] for i in subset)
                picks.append(np.mean([gold[unit, i] for i in subset if known[unit, i] == top]))
            assert curve[unit, j] == pytest.approx(np.mean(picks))
    with pytest.raises(ValueError, match="<= 7 draws"):
        best_of_curve(proxy, gold, [8])


def test_a_long_curve_is_exact() -> None:
    scores = np.arange(1.0, 513.0)[None]
    # E of the largest of n numbers drawn from 1..N without replacement: n (N + 1) / (n + 1).
    sizes = [1, 2, 100, 512]
    assert best_of_curve(scores, scores, sizes)[0] == pytest.approx(
        [n * 513 / (n + 1) for n in sizes], rel=1e-12
    )


def test_pass_at_k_and_pass_hat_k_through_the_exact_expectation() -> None:
    for n, k, p in ((5, 4, 0.3), (16, 3, 0.05), (7, 7, 0.6)):
        at = binomial_mean(lambda c, n=n, k=k: pass_at_k(n, c, k), n, p)
        hat = binomial_mean(lambda c, n=n, k=k: pass_hat_k(n, c, k), n, p)
        assert (at, hat) == pytest.approx((1 - (1 - p) ** k, p**k))


P = np.array([0.6, 0.3, 0.1])
Q = np.array([0.2, 0.5, 0.3])


def test_both_estimators_of_a_divergence_are_unbiased_by_enumeration() -> None:
    exact = 0.6 * log(3) + 0.3 * log(0.6) + 0.1 * log(1 / 3)
    assert table_kl(P, Q) == pytest.approx(exact)
    for name in ("k1", "k3"):
        assert P @ kl_terms(np.log(P), np.log(Q), name) == pytest.approx(exact)
    assert (kl_terms(np.log(P), np.log(Q), "k3") >= 0).all()
    assert kl_terms(np.array([-1.0]), np.array([-3.0]), "k1") == pytest.approx([2.0])
    assert kl_terms(np.array([-1.0]), np.array([-3.0]), "k3") == pytest.approx([exp(-2) + 1])
    with pytest.raises(ValueError, match="use one of k1, k3"):
        kl_terms(np.log(P), np.log(Q), "k2")  # type: ignore[arg-type]


def test_k3_is_biased_where_the_policy_cannot_draw_what_the_reference_can() -> None:
    narrow = np.array([0.5, 0.5])
    terms = kl_terms(np.log(narrow), np.log(np.array([0.4, 0.4])), "k3")
    assert narrow @ terms == pytest.approx(log(0.5 / 0.4) - 0.2)


def test_entropies_of_tables_by_hand() -> None:
    assert table_entropy(np.array([0.5, 0.25, 0.25, 0.0])) == pytest.approx(1.5 * log(2))
    assert collision_entropy(np.array([0.5, 0.25, 0.25])) == pytest.approx(-log(0.375))
    assert table_kl(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == float("inf")


def draws(seed: int) -> tuple[np.ndarray, list[str], list[int]]:
    """Answers drawn from P: 30 clusters of 8, one seed."""
    at = np.random.default_rng(seed).choice(3, size=240, p=P)
    return at, [f"c{i // 8}" for i in range(240)], [0] * 240


def test_intervals_of_sampled_entropy_and_divergence_cover_the_exact_value() -> None:
    hits = {"k1": 0, "k3": 0, "entropy": 0}
    truth = {"k1": table_kl(P, Q), "k3": table_kl(P, Q), "entropy": table_entropy(P)}
    for seed in range(300):
        at, cluster, seeds = draws(seed)
        lp, lq = np.log(P)[at], np.log(Q)[at]
        found = {"entropy": sequence_entropy(lp, cluster, seeds)}
        for name in ("k1", "k3"):
            kl = sequence_kl(lp, lq, cluster, seeds, name)
            assert kl.estimator == name
            found[name] = kl.effect
        for name, effect in found.items():
            assert effect.lo is not None
            assert effect.hi is not None
            hits[name] += effect.lo <= truth[name] <= effect.hi
    # 95 % of 300 is 285 with SD 3.8; |z| < 4.
    assert all(abs(h - 285) < 15.1 for h in hits.values()), hits


def test_an_unknown_log_probability_is_no_divergence() -> None:
    at, cluster, seeds = draws(0)
    lp = np.log(P)[at]
    with pytest.raises(NotComparableError, match="1 of 240 values are missing"):
        sequence_kl(lp, np.where(np.arange(240) == 5, np.nan, lp), cluster, seeds)
