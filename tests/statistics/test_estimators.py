"""Estimators by enumeration, corrections and intervals against statsmodels, resampling."""

from __future__ import annotations

import itertools
from math import comb, inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from rsft_bench.harness.statistics import (
    auc,
    benjamini_hochberg,
    best_of_k_mean,
    best_of_n_weights,
    bootstrap_interval,
    holm,
    jeffreys,
    leave_one_seed_out_winner,
    pass_at_k,
    pass_hat_k,
    percentile_interval,
    wilson,
    within_prompt_auc,
    zero_count_upper,
)


@pytest.mark.parametrize(("n", "k"), [(5, 1), (5, 4), (5, 5), (8, 3)])
def test_pass_at_k_and_pass_hat_k_are_unbiased(n: int, k: int) -> None:
    p = 0.3
    law = [comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
    at = sum(w * pass_at_k(n, c, k) for c, w in enumerate(law))
    hat = sum(w * pass_hat_k(n, c, k) for c, w in enumerate(law))
    assert at == pytest.approx(1 - (1 - p) ** k)
    assert hat == pytest.approx(p**k)


def test_the_plug_in_estimate_would_be_biased() -> None:
    # science notes: n=5, p=.3, k=4 gives .641 by plug-in against .760.
    law = [comb(5, c) * 0.3**c * 0.7 ** (5 - c) for c in range(6)]
    plug_in = sum(w * (1 - (1 - c / 5) ** 4) for c, w in enumerate(law))
    assert plug_in == pytest.approx(0.641, abs=5e-4)
    assert sum(w * pass_at_k(5, c, 4) for c, w in enumerate(law)) == pytest.approx(0.7599)


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_best_of_k_is_the_mean_over_all_subsets_with_ties_shared(k: int) -> None:
    proxy = np.array([0.2, 0.9, 0.9, 0.1, 0.5, 0.5])
    gold = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.25])
    expected = []
    for subset in itertools.combinations(range(6), k):
        top = max(proxy[i] for i in subset)
        expected.append(np.mean([gold[i] for i in subset if proxy[i] == top]))
    # Within one subset ties are shared among those present; over all subsets that is the same.
    assert best_of_k_mean(proxy, k, gold) == pytest.approx(np.mean(expected))
    maxima = [max(proxy[list(s)]) for s in itertools.combinations(range(6), k)]
    assert best_of_k_mean(proxy, k) == pytest.approx(np.mean(maxima))


def test_missing_proxy_ranks_last_and_too_many_draws_raise() -> None:
    assert best_of_n_weights(np.array([nan, 0.1, 0.2]), 2) == pytest.approx([0, 1 / 3, 2 / 3])
    with pytest.raises(ValueError, match="best of 4 needs"):
        best_of_n_weights(np.zeros(3), 4)
    with pytest.raises(ValueError, match="need 0 <= c <= n"):
        pass_at_k(3, 4, 1)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.data())
def test_best_of_n_weights_sum_to_one_and_grow_with_rank(
    scores: list[int], data: st.DataObject
) -> None:
    n = data.draw(st.integers(1, len(scores)))
    proxy = np.array(scores, dtype=float)
    weights = best_of_n_weights(proxy, n)
    assert weights.sum() == pytest.approx(1)
    assert (np.diff(weights[np.argsort(proxy, kind="stable")]) >= -1e-12).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_corrections_agree_with_statsmodels(p: list[float]) -> None:
    values = np.array(p)
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])
    assert benjamini_hochberg(values) == pytest.approx(multipletests(values, method="fdr_bh")[1])


def test_corrections_work_along_the_last_axis_and_refuse_nonsense() -> None:
    p = np.array([[0.01, 0.04, 0.03], [0.5, 0.001, 0.2]])
    assert holm(p) == pytest.approx(np.stack([holm(row) for row in p]))
    assert holm(p)[0] == pytest.approx([0.03, 0.06, 0.06])
    with pytest.raises(ValueError, match="p-values"):
        holm(np.array([0.1, nan]))


@pytest.mark.parametrize(("count", "n"), [(0, 20), (3, 20), (19, 20), (20, 20)])
def test_proportions_agree_with_statsmodels(count: int, n: int) -> None:
    assert wilson(count, n)[:2] == pytest.approx(proportion_confint(count, n, method="wilson"))
    lo, hi = proportion_confint(count, n, method="jeffreys")
    found = jeffreys(count, n)
    assert found.lo == (0.0 if count == 0 else pytest.approx(lo))
    assert found.hi == (1.0 if count == n else pytest.approx(hi))


def test_rule_of_three() -> None:
    assert zero_count_upper(100) == pytest.approx(1 - 0.05**0.01)
    assert zero_count_upper(1000) == pytest.approx(3 / 1000, rel=0.01)
    with pytest.raises(ValueError, match="n >= 1"):
        zero_count_upper(0)


def test_auc_agrees_with_scikit_learn_and_knows_when_it_is_undefined() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert auc(scores, np.ones(60)) is None
    # a: 1 of 1 pair right; b: half of a tie; c: only passes, says nothing.
    prompt = ["a", "a", "b", "b", "c", "c"]
    mixed = within_prompt_auc(
        np.array([0.9, 0.1, 0.5, 0.5, 0.1, 0.2]), [True, False, True, False, True, True], prompt
    )
    assert mixed == pytest.approx(0.75)
    assert within_prompt_auc(np.ones(2), [True, True], ["c", "c"]) is None


def test_the_winner_is_chosen_without_the_held_out_seed() -> None:
    select = np.array([[0.9, 0.1, 0.1], [0.4, 0.5, 0.6]])
    confirm = np.array([[0.8, 0.2, 0.3], [0.5, 0.6, 0.7]])
    # Means of the other seeds: variant 0: .1, .5, .5; variant 1: .55, .5, .45; ties to the first.
    found = leave_one_seed_out_winner(select, confirm)
    assert found.winners.tolist() == [1, 0, 0]
    assert found.values.tolist() == [0.5, 0.2, 0.3]
    assert found.estimate == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="at least 2 seeds"):
        leave_one_seed_out_winner(select[:, :1], confirm[:, :1])


def test_leaving_one_seed_out_removes_the_winners_curse() -> None:
    # 108 null variants whose checkpoints differ by luck; confirm keeps each checkpoint's luck.
    rng = np.random.default_rng(0)
    gain, naive = [], []
    for _ in range(400):
        luck = rng.normal(0, 0.02, (108, 3))
        gain.append(leave_one_seed_out_winner(luck, luck).estimate)
        naive.append(luck[np.argmax(luck.mean(axis=1))].mean())
    z = np.mean(gain) / (np.std(gain) / 20)
    assert abs(z) < 4
    assert np.mean(naive) > 0.02


def test_the_bootstrap_of_a_mean_matches_its_standard_error() -> None:
    rng = np.random.default_rng(0)
    cluster = [f"c{i // 3}" for i in range(120)]
    values = np.repeat(rng.normal(size=40), 3)
    found = bootstrap_interval(lambda rows: float(values[rows].mean()), cluster, 1, 800)
    assert found is not None
    se = values[::3].std(ddof=1) / 40**0.5
    assert found.hi - found.lo == pytest.approx(2 * 1.96 * se, rel=0.1)
    assert found.label == "clusters resampled, seeds fixed"
    again = bootstrap_interval(lambda rows: float(values[rows].mean()), cluster, 1, 800)
    other = bootstrap_interval(lambda rows: float(values[rows].mean()), cluster, 2, 800)
    assert found == again
    assert found != other


def test_the_bootstrap_knows_its_limits() -> None:
    assert bootstrap_interval(lambda rows: 0.0, [f"c{i}" for i in range(9)], seed=0) is None
    assert percentile_interval(np.array([1.0, nan])) is None
    unbounded = percentile_interval(np.array([1.0] * 90 + [inf] * 10))
    assert unbounded is not None
    assert unbounded[:2] == (1.0, inf)
