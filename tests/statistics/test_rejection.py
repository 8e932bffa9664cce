"""Rejection sampling: the accepted law, the rate 1/M, and errors that name the point."""

from __future__ import annotations

import itertools
from math import sqrt

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.statistics import (
    EnvelopeError,
    accepted_shares,
    clopper_pearson,
    coverage,
    pass_at_k,
    reject,
    reject_table,
    table_envelope,
)

TARGET = np.array([0.1, 0.4, 0.0, 0.3, 0.2])
PROPOSAL = np.array([0.3, 0.2, 0.2, 0.2, 0.1])
# max p/q: .33, 2, 0, 1.5, 2.
M = 2.0
DRAWS = 40_000


def z_of_chi_square(counts: np.ndarray, law: np.ndarray) -> float:
    """Normal approximation of the chi-square statistic over outcomes that can occur."""
    seen = law > 0
    expected = counts.sum() * law[seen]
    statistic = float((np.square(counts[seen] - expected) / expected).sum())
    return float(stats.norm.isf(stats.chi2.sf(statistic, seen.sum() - 1)))


def test_the_accepted_law_of_a_table_is_the_target_and_the_rate_is_one_over_m() -> None:
    found = reject_table(7 * TARGET, 3 * PROPOSAL, DRAWS, seed=0)
    counts = np.bincount(found.accepted, minlength=5)
    assert counts[2] == 0
    assert z_of_chi_square(counts, TARGET) < 4
    assert found.m == pytest.approx(M)
    assert found.expected == pytest.approx(1 / M)
    z = (found.rate - 1 / M) / sqrt(1 / M * (1 - 1 / M) / DRAWS)
    assert abs(z) < 4
    assert found.rate == len(found.accepted) / found.proposals
    assert found.interval.lo < found.rate < found.interval.hi
    assert not found.estimated
    # The test has power: the proposal's own draws are not from the target.
    raw = np.random.default_rng(0).choice(5, size=DRAWS, p=PROPOSAL)
    assert z_of_chi_square(np.bincount(raw[raw != 2], minlength=5), TARGET) > 10


def test_a_larger_m_costs_draws_and_leaves_the_law() -> None:
    found = reject_table(TARGET, PROPOSAL, DRAWS, seed=1, m=5.0)
    assert z_of_chi_square(np.bincount(found.accepted, minlength=5), TARGET) < 4
    assert abs((found.rate - 0.2) / sqrt(0.2 * 0.8 / DRAWS)) < 4


def beta_log(points: np.ndarray) -> np.ndarray:
    """Log density of Beta(2, 2): 6 x (1 - x), largest 1.5."""
    return np.log(6 * points * (1 - points))


def flat_log(points: np.ndarray) -> np.ndarray:
    return np.zeros(len(points))


def flat(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.random(n)


def test_the_accepted_law_of_a_density_is_the_target() -> None:
    found = reject(beta_log, flat_log, flat, DRAWS, seed=0, m=1.5)
    z = (found.rate - 1 / 1.5) / sqrt(1 / 1.5 * (1 - 1 / 1.5) / DRAWS)
    assert abs(z) < 4
    assert found.expected == pytest.approx(1 / 1.5)
    # Kolmogorov's limit law has its 1 - 6e-5 quantile, that of |z| = 4, at 2.28.
    distance = stats.kstest(found.accepted, stats.beta(2, 2).cdf).statistic
    assert distance * sqrt(len(found.accepted)) < 2.28
    wrong = stats.kstest(found.accepted, stats.uniform.cdf).statistic
    assert wrong * sqrt(len(found.accepted)) > 2.28


def test_an_estimated_m_is_too_small_and_says_that_it_is_estimated() -> None:
    few = reject(beta_log, flat_log, flat, 20, seed=0)
    many = reject(beta_log, flat_log, flat, DRAWS, seed=0)
    assert few.estimated
    assert few.m < many.m < 1.5
    assert many.m == pytest.approx(1.5, abs=1e-4)
    assert few.expected == pytest.approx(1 / few.m)


def test_an_estimated_m_from_few_draws_biases_the_law() -> None:
    # Three draws from a fair coin, p = (.9, .1), true M = 1.8: where all three are tails, M is
    # estimated as .2 and tails are always accepted.
    share = np.mean(
        [
            reject(
                lambda x: np.log(np.where(x == 1, 0.9, 0.1)),
                lambda x: np.log(np.full(len(x), 0.5)),
                lambda rng, n: rng.integers(0, 2, n),
                3,
                seed,
            ).accepted.tolist()
            == [0, 0, 0]
            for seed in range(400)
        ]
    )
    # Exactly: P(three tails) = 1/8; with the true M three accepted tails have probability 1/5832.
    assert abs((share - 0.125) / sqrt(0.125 * 0.875 / 400)) < 4


def test_densities_need_not_be_normalised_but_then_no_rate_is_expected() -> None:
    found = reject(
        lambda x: beta_log(x) + 3.0, flat_log, flat, 1000, 0, m=1.5 * np.exp(3), normalised=False
    )
    same = reject(beta_log, flat_log, flat, 1000, seed=0, m=1.5)
    assert np.array_equal(found.accepted, same.accepted)
    assert np.isnan(found.expected)


def test_m_too_small_names_the_point_and_the_ratio() -> None:
    with pytest.raises(EnvelopeError, match=r"M = 1\.4 is too small: at 0\.\d+ .* is 1\.[45]"):
        reject(beta_log, flat_log, flat, 1000, seed=0, m=1.4)
    with pytest.raises(UserError, match=r"M = 1\.9 is too small: at outcome 1 .* is 2; give M >="):
        reject_table(TARGET, PROPOSAL, 1, seed=0, m=1.9)


def test_regions_that_the_proposal_cannot_reach_raise() -> None:
    with pytest.raises(EnvelopeError, match="outcome 1 has target probability 0.4 .* infinite"):
        table_envelope(TARGET, np.array([0.5, 0.0, 0.0, 0.3, 0.2]))
    with pytest.raises(EnvelopeError, match="gives it density 0"):
        reject(beta_log, lambda x: np.where(x < 0.5, 0.0, -np.inf), flat, 100, seed=0, m=3)
    with pytest.raises(ValueError, match="log_target is nan"):
        reject(lambda x: x * np.nan, flat_log, flat, 100, seed=0, m=3)
    with pytest.raises(ValueError, match="0 at every draw"):
        reject(lambda x: np.full(len(x), -np.inf), flat_log, flat, 10, seed=0)
    with pytest.raises(ValueError, match="at least 1 proposal"):
        reject_table(TARGET, PROPOSAL, 0, seed=0)
    with pytest.raises(ValueError, match="finite weights"):
        table_envelope(np.array([0.5, -0.5]), np.array([0.5, 0.5]))


def test_equal_seeds_give_equal_draws_and_others_do_not() -> None:
    first, again, other = (reject_table(TARGET, PROPOSAL, 200, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.accepted, again.accepted)
    assert not np.array_equal(first.accepted, other.accepted)


@pytest.mark.parametrize(("count", "n"), [(0, 20), (3, 20), (20, 20)])
def test_the_exact_interval_agrees_with_statsmodels(count: int, n: int) -> None:
    lo, hi = proportion_confint(count, n, method="beta")
    assert clopper_pearson(count, n)[:2] == pytest.approx((lo, hi))


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.93])
def test_the_exact_interval_covers_at_least_its_level(rate: float) -> None:
    n = 40
    law = stats.binom.pmf(np.arange(n + 1), n, rate)
    spans = [clopper_pearson(c, n) for c in range(n + 1)]
    assert sum(w for w, s in zip(law, spans, strict=True) if s.lo <= rate <= s.hi) >= 0.95


def test_coverage_by_enumeration_and_from_counts() -> None:
    rates, k = np.array([0.0, 0.3, 1.0]), 3
    for rate, found in zip(rates, coverage(rates, k), strict=True):
        none = sum(
            np.prod([rate if hit else 1 - rate for hit in hits])
            for hits in itertools.product([0, 1], repeat=k)
            if not any(hits)
        )
        assert found == pytest.approx(1 - none)
    # From 5 draws of which c are accepted, pass@k is unbiased for it.
    law = stats.binom.pmf(np.arange(6), 5, 0.3)
    assert sum(w * pass_at_k(5, c, k) for c, w in enumerate(law)) == pytest.approx(1 - 0.7**3)


def test_keeping_all_answers_gives_easy_prompts_more_weight() -> None:
    found = accepted_shares(np.array([0.1, 0.9]), k=4)
    # One a prompt: .3439 and .9999; all: .1 and .9.
    assert found.one == pytest.approx([0.3439 / 1.3438, 0.9999 / 1.3438])
    assert found.every == pytest.approx([0.1, 0.9])
    assert np.isnan(accepted_shares(np.zeros(2), k=4).every).all()
