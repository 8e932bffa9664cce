"""Acceptance rules: hand-worked rows, independence of rows, exact laws by enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsft_bench.baselines.selection import RULES, quantile_cut
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.types import FloatArray, IntArray, ScoredPool


def make_pool(scores: list[list[float]], match: dict[str, int] | None = None) -> ScoredPool:
    array: FloatArray = np.array(scores, dtype=np.float64)
    texts: IntArray = np.arange(array.size).reshape(array.shape)
    return ScoredPool(array, texts, tuple(f"p{i}" for i in range(len(scores))), 7, match)


def counts(rule: str, pool: ScoredPool, **params: object) -> IntArray:
    resolved = RULES.get(rule).resolve(params, pool)
    return resolved.select(pool.scores, pool.text_ids, pool.keys)


def test_argmax_takes_the_one_best_and_never_nan() -> None:
    pool = make_pool([[0.1, 0.9, 0.3], [0.2, math.nan, 0.1], [math.nan] * 3])
    assert counts("argmax", pool).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_argmax_breaks_ties_evenly_over_prompts() -> None:
    pool = make_pool([[0.5, 0.5, 0.1]] * 4000)
    first = counts("argmax", pool).sum(axis=0)
    assert first[2] == 0
    z = (first[0] - 2000) / math.sqrt(4000 * 0.25)
    assert abs(z) < 4


def test_threshold_by_tau_includes_equality() -> None:
    pool = make_pool([[0.2, 0.5, 0.7]])
    assert counts("threshold", pool, tau=0.5).tolist() == [[0, 1, 1]]


def test_threshold_minus_infinity_equals_all() -> None:
    pool = make_pool([[0.2, 0.5, math.nan], [0.1, 0.4, 0.9]])
    assert (counts("threshold", pool, tau=-math.inf) == counts("all", pool)).all()


def test_target_rate_keeps_exactly_its_share_with_ties() -> None:
    pool = make_pool([[0.5, 0.5, 0.5, 0.9]] * 2000)
    kept = counts("threshold", pool, target_rate=0.5)
    assert kept[:, 3].all()
    assert kept.sum() == 4000
    # Of the 6000 tied a third is kept, without a favourite place among a prompt's draws.
    for column in kept[:, :3].T:
        z = (column.sum() - 2000 / 3) / math.sqrt(2000 * (1 / 3) * (2 / 3))
        assert abs(z) < 4


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, math.nan]), min_size=4, max_size=4),
        min_size=1,
        max_size=6,
    ).filter(lambda rows: any(score == score for row in rows for score in row)),
    st.floats(0.01, 1),
)
def test_target_rate_keeps_the_best_and_exactly_so_many(
    scores: list[list[float]], rate: float
) -> None:
    pool = make_pool(scores)
    kept = counts("threshold", pool, target_rate=rate).astype(bool)
    finite = np.isfinite(pool.scores)
    assert kept.sum() == round(rate * finite.sum())
    assert not kept[~finite].any()
    if kept.any() and (finite & ~kept).any():
        assert pool.scores[kept].min() >= pool.scores[finite & ~kept].max()


def test_quantile_cut_by_hand() -> None:
    assert quantile_cut(np.array([1.0, 2.0, 3.0, 4.0]), 0.5) == (3.0, 1)
    assert quantile_cut(np.array([1.0, 1.0, 1.0, 4.0]), 0.5) == (1.0, 1)
    assert quantile_cut(np.array([1.0, 1.0, 1.0, 4.0]), 0.1) == (4.0, 0)


@pytest.mark.parametrize("params", [{}, {"tau": 0.1, "target_rate": 0.2}, {"target_rate": 0.0}])
def test_threshold_refuses_missing_or_double_parameters(params: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        counts("threshold", make_pool([[0.1, 0.2]]), **params)


def test_random_copies_the_matched_counts() -> None:
    pool = make_pool([[0.1, 0.9, 0.3]] * 3, match={"p0": 2, "p1": 0, "p2": 1})
    assert counts("random", pool).sum(axis=1).tolist() == [2, 0, 1]


def test_random_needs_something_to_match() -> None:
    with pytest.raises(ConfigError, match="match"):
        counts("random", make_pool([[0.1]]))


def test_random_matched_to_argmax_has_the_law_of_all_k1() -> None:
    """The built-in A/A check: both accept answers by the policy's own law, whatever the scores."""
    n, k, probabilities = 20000, 4, [0.5, 0.3, 0.2]
    rng = np.random.default_rng(3)
    answers = rng.choice(3, size=(n, k), p=probabilities)
    # The third answer wins most often: a rule that looked at scores would be far from the law.
    scores = np.array([0.1, 0.3, 0.8])[answers] + rng.uniform(0, 0.4, size=(n, k))
    pool = make_pool(scores.tolist())
    match = dict(zip(pool.keys, counts("argmax", pool).sum(axis=1).tolist(), strict=True))
    random = answers[counts("random", make_pool(scores.tolist(), match)).astype(bool)]
    first = answers[:, :1][counts("all", make_pool(scores[:, :1].tolist())).astype(bool)]
    assert random.shape == first.shape == (n,)
    for y, p in enumerate(probabilities):
        variance = n * p * (1 - p)
        for chosen in (random, first):
            assert abs(((chosen == y).sum() - n * p) / math.sqrt(variance)) < 4
        # The two agree on the draw once in k, so the difference has 2 (1 - 1/k) times the variance.
        difference = int((random == y).sum()) - int((first == y).sum())
        assert abs(difference / math.sqrt(2 * (1 - 1 / k) * variance)) < 4


def test_argmax_law_is_f_k_minus_f_minus_k_by_enumeration() -> None:
    """Over all 3^3 candidate triples of a three-answer policy with a tie in the reward."""
    probabilities, rewards = [0.5, 0.3, 0.2], [0.1, 0.8, 0.8]
    law = np.zeros(3)
    for triple in itertools.product(range(3), repeat=3):
        weight = math.prod(probabilities[y] for y in triple)
        best = max(rewards[y] for y in triple)
        winners = [y for y in triple if rewards[y] == best]
        for y in winners:
            law[y] += weight / len(winners)
    f_top, f_low = 1.0, 0.5
    top = f_top**3 - f_low**3
    assert law[0] == pytest.approx(0.5**3)
    assert law[1:] == pytest.approx([top * 0.6, top * 0.4])
    rng = np.random.default_rng(5)
    draws = rng.choice(3, size=(20000, 3), p=probabilities)
    pool = make_pool(np.array(rewards)[draws].tolist())
    chosen = draws[counts("argmax", pool).astype(bool)]
    for y in range(3):
        z = ((chosen == y).sum() - 20000 * law[y]) / math.sqrt(20000 * law[y] * (1 - law[y]))
        assert abs(z) < 4


#: Every rule, and threshold both ways; what a target rate means is fixed by the whole pool.
INDEPENDENT: list[tuple[str, dict[str, float]]] = [
    ("argmax", {}),
    ("all", {}),
    ("random", {}),
    ("threshold", {"tau": 0.25}),
    ("threshold", {"target_rate": 0.4}),
]


def test_every_rule_has_the_property_below() -> None:
    assert {name for name, _ in INDEPENDENT} == set(RULES.names())


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, math.nan]), min_size=4, max_size=4),
        min_size=2,
        max_size=6,
    ).filter(lambda scores: bool(np.isfinite(scores).any())),
    st.sampled_from(INDEPENDENT),
    st.data(),
)
def test_rows_are_independent(
    scores: list[list[float]], rule: tuple[str, dict[str, float]], data: st.DataObject
) -> None:
    """Permuting and dropping rows of a resolved rule changes no other row."""
    name, params = rule
    # Never more than a row holds, as counts of a rule over the same pool are.
    match = {f"p{i}": min(i % 3, int(np.isfinite(row).sum())) for i, row in enumerate(scores)}
    pool = make_pool(scores, match if name == "random" else None)
    resolved = RULES.get(name).resolve(params, pool)
    whole = resolved.select(pool.scores, pool.text_ids, pool.keys)
    kept = data.draw(st.integers(1, len(scores)))
    order = list(data.draw(st.permutations(range(len(scores)))))[:kept]
    part = resolved.select(pool.scores[order], pool.text_ids[order], [pool.keys[i] for i in order])
    assert (part == whole[order]).all()
    assert (whole[np.isnan(pool.scores)] == 0).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_raising_tau_never_accepts_more(scores: list[float], a: float, b: float) -> None:
    pool = make_pool([scores])
    low, high = sorted((a, b))
    assert (counts("threshold", pool, tau=high) <= counts("threshold", pool, tau=low)).all()
