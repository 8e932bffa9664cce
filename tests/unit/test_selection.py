"""Acceptance rules: hand-worked rows, independence of rows, parameters that are refused.

Laws at finite k: tests/statistics/test_acceptance_laws.py.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsft_bench.baselines.rules import RULE_PARAMS, RULES, check_rule, reads
from rsft_bench.baselines.rules.common import within_prompt_sd
from rsft_bench.baselines.rules.pointwise import quantile_cut
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.types import FloatArray, IntArray, ScoredPool


def make_pool(
    scores: list[list[float]],
    match: dict[str, int] | None = None,
    texts: list[list[int]] | None = None,
) -> ScoredPool:
    array: FloatArray = np.array(scores, dtype=np.float64)
    ids: IntArray = np.arange(array.size).reshape(array.shape)
    texts_ = ids if texts is None else np.array(texts, dtype=np.int64)
    return ScoredPool(array, texts_, tuple(f"p{i}" for i in range(len(scores))), 7, match)


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


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"tau": 0.1, "target_rate": 0.2},
        {"prompt_rate": 0.1, "target_rate": 0.2},
        {"target_rate": 0.0},
        {"prompt_rate": 1.5},
    ],
)
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


def test_top_m_takes_the_best_m_or_all_there_are() -> None:
    pool = make_pool([[0.1, 0.9, 0.3, 0.8], [0.2, math.nan, 0.1, math.nan], [math.nan] * 4])
    assert counts("top_m", pool, m=2).tolist() == [[0, 1, 0, 1], [1, 0, 1, 0], [0] * 4]
    assert counts("top_m", pool, m=3).tolist() == [[0, 1, 1, 1], [1, 0, 1, 0], [0] * 4]


def test_top_1_is_argmax_draw_by_draw() -> None:
    pool = make_pool([[0.5, 0.5, 0.1, 0.5]] * 50)
    assert (counts("top_m", pool, m=1) == counts("argmax", pool)).all()


def test_ties_at_the_last_place_are_split_evenly() -> None:
    """Of three tied draws two are kept, every one in two rows of three."""
    kept = counts("top_m", make_pool([[0.5, 0.5, 0.5, 0.9]] * 4000), m=3).sum(axis=0)
    assert kept[3] == 4000
    for n in kept[:3]:
        assert abs((n - 8000 / 3) / math.sqrt(4000 * 2 / 9)) < 4


def test_prompt_rate_takes_its_share_of_every_prompt_and_at_least_one() -> None:
    row, ragged = [0.1, 0.9, 0.3, 0.8, 0.2, 0.4], [0.2, math.nan, 0.1, math.nan, math.nan, 0.3]
    pool = make_pool([row, ragged, [math.nan] * 6])
    # round(0.25 * 6) = round(1.5) = 2 of six, at least one of three, none of none.
    assert counts("threshold", pool, prompt_rate=0.25).tolist() == [
        [0, 1, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 1],
        [0] * 6,
    ]
    assert counts("threshold", pool, prompt_rate=0.1).sum(axis=1).tolist() == [1, 1, 0]
    assert (counts("threshold", pool, prompt_rate=1) == counts("all", pool)).all()


def test_best_and_distinct_keeps_each_text_once_best_first() -> None:
    scores = [[0.9, 0.9, 0.8, 0.5, 0.1]] * 2
    pool = make_pool(scores, texts=[[7, 7, 7, 3, 3], [7, 8, 7, 3, 8]])
    # Text 7 at its better place, then text 3; in the second row 7 and 8 are best.
    one = counts("best_and_distinct", pool, m=2)
    assert one[0, :2].sum() == 1
    assert one[0, 2:].tolist() == [0, 1, 0]
    assert one[1].tolist() == [1, 1, 0, 0, 0]
    assert counts("best_and_distinct", pool, m=5).sum(axis=1).tolist() == [2, 3]
    assert counts("best_and_distinct", pool, m=5, tau=0.8).sum(axis=1).tolist() == [1, 2]


def test_statistical_at_the_ends_of_beta_is_top_m_and_random() -> None:
    scores = [[0.4, 0.9, 0.3, 0.8], [0.2, math.nan, 0.1, 0.15]] * 40
    pool = make_pool(scores)
    assert (counts("statistical", pool, m=2, beta=0) == counts("top_m", pool, m=2)).all()
    loose = counts("statistical", pool, m=2, beta=math.inf)
    assert (loose.sum(axis=1) == 2).all()
    assert (loose[::2].sum(axis=0) > 0).all()


def test_statistical_with_nothing_to_choose_takes_all_there_are() -> None:
    pool = make_pool([[0.5, math.nan], [math.nan, math.nan]])
    assert counts("statistical", pool, m=2, beta=1).tolist() == [[1, 0], [0, 0]]


def test_the_unit_of_beta_is_the_pooled_sd_within_prompts() -> None:
    # Sums of squares 2 and 0.5 on 1 + 1 degrees of freedom; a lone score and an empty row add none.
    pool = make_pool([[1, 3, math.nan], [0, 1, math.nan], [5, math.nan, math.nan], [math.nan] * 3])
    assert within_prompt_sd(pool.scores) == pytest.approx(math.sqrt(2.5 / 2))
    assert within_prompt_sd(pool.scores[2:]) == 0


@given(st.floats(0.1, 100), st.floats(-50, 50))
def test_beta_in_sds_does_not_see_the_scale_of_a_reward(factor: float, shift: float) -> None:
    scores = [[0.0, 1.0, 2.0, 4.0], [1.0, 1.0, 3.0, 0.0]] * 5
    moved = [[shift + factor * x for x in row] for row in scores]
    for name, params in (("statistical", {"m": 2}), ("rejection", {})):
        plain = counts(name, make_pool(scores), beta=0.8, **params)
        assert (plain == counts(name, make_pool(moved), beta=0.8, **params)).all()


def test_rejection_always_takes_the_pools_best_and_at_beta_0_nothing_else() -> None:
    pool = make_pool([[0.9, 0.3], [0.2, 0.9], [0.1, math.nan]])
    assert counts("rejection", pool, beta=0).tolist() == [[1, 0], [0, 1], [0, 0]]
    assert (counts("rejection", pool, beta=math.inf) == counts("all", pool)).all()


def test_random_by_rate_takes_the_same_total_anywhere() -> None:
    scores = [[0.1, 0.9, math.nan]] * 300
    match = {f"p{i}": 2 if i < 100 else 0 for i in range(300)}
    taken = counts("random", make_pool(scores, match), by="rate")
    assert taken.sum() == 200
    # By prompt the last 200 rows would have none; by rate they hold two thirds of the total.
    late = int(taken[100:].sum())
    variance = 200 * (2 / 3) * (1 / 3) * (400 / 599)
    assert abs((late - 200 * 2 / 3) / math.sqrt(variance)) < 4


@pytest.mark.parametrize("by", ["prompt", "rate"])
def test_random_refuses_counts_of_a_larger_pool(by: str) -> None:
    pool = make_pool([[0.1, math.nan], [0.2, math.nan]], match={"p0": 3, "p1": 0})
    with pytest.raises(ConfigError, match="same k"):
        counts("random", pool, by=by)


def rule_params(**given: object) -> dict[str, object]:
    return {"k": 8, **{p.name: p.default for p in RULE_PARAMS}, **given}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"accept": "top_m"}, "needs m="),
        ({"accept": "top_m", "m": 2.5}, "whole number"),
        ({"accept": "top_m", "m": 9}, "m=9 exceeds the k=8"),
        ({"accept": "statistical", "m": 2}, "needs beta="),
        ({"accept": "statistical", "beta": 1.0}, "needs m="),
        ({"accept": "best_and_distinct"}, "needs m="),
        ({"accept": "rejection"}, "needs beta="),
        ({"accept": "random"}, "needs match="),
        ({"accept": "random", "match": "random"}, "cannot match itself"),
        ({"accept": "random", "match": "top_m"}, "accept=top_m needs m="),
        ({"accept": "threshold", "tau": 0.1, "prompt_rate": 0.1}, "exactly one of tau"),
        ({"accept": "argmax", "m": 2}, "does not read m=2; leave it out .*: none"),
        ({"accept": "all", "by": "rate"}, "does not read by=rate"),
        ({"accept": "top_m", "m": 2, "beta": 0.5}, "does not read beta=0.5.*reads: m"),
        ({"accept": "random", "match": "argmax", "tau": 0.5}, "does not read tau=0.5"),
        # By id the other variant's own parameters count.
        ({"accept": "random", "match": "rsft[accept=top_m,m=2]", "m": 2}, "does not read m=2"),
    ],
)
def test_parameters_that_are_missing_or_do_nothing_are_refused(
    given: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        check_rule(rule_params(**given))
    assert "\n" not in str(caught.value)


def test_random_reads_what_the_rule_that_it_matches_reads() -> None:
    asked = rule_params(accept="random", match="statistical", m=2, beta=0.5)
    check_rule(asked)
    assert set(reads(asked)) == {"match", "by", "m", "beta"}


def test_every_rule_reads_declared_parameters_only() -> None:
    declared = {p.name for p in RULE_PARAMS}
    read = {name for rule in RULES for name in rule.reads}
    assert read == declared


#: Every rule, in every way it can be asked; what a target rate means is fixed by the whole pool.
INDEPENDENT: list[tuple[str, dict[str, object]]] = [
    ("argmax", {}),
    ("all", {}),
    ("random", {}),
    ("random", {"by": "rate"}),
    ("top_m", {"m": 2}),
    ("statistical", {"m": 2, "beta": 0.5}),
    ("statistical", {"m": 3, "beta": math.inf}),
    ("best_and_distinct", {"m": 2}),
    ("best_and_distinct", {"m": 3, "tau": 0.25}),
    ("rejection", {"beta": 0.7}),
    ("threshold", {"tau": 0.25}),
    ("threshold", {"target_rate": 0.4}),
    ("threshold", {"prompt_rate": 0.4}),
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
    scores: list[list[float]], rule: tuple[str, dict[str, object]], data: st.DataObject
) -> None:
    """Permuting and dropping rows of a resolved rule changes no other row."""
    name, params = rule
    # Never more than a row holds, as counts of a rule over the same pool are.
    match = {f"p{i}": min(i % 3, int(np.isfinite(row).sum())) for i, row in enumerate(scores)}
    texts = [[(i + j) % 3 for j in range(4)] for i in range(len(scores))]
    pool = make_pool(scores, match if name == "random" else None, texts)
    resolved = RULES.get(name).resolve(params, pool)
    whole = resolved.select(pool.scores, pool.text_ids, pool.keys)
    kept = data.draw(st.integers(1, len(scores)))
    order = list(data.draw(st.permutations(range(len(scores)))))[:kept]
    part = resolved.select(pool.scores[order], pool.text_ids[order], [pool.keys[i] for i in order])
    assert (part == whole[order]).all()
    assert (whole[np.isnan(pool.scores)] == 0).all()
    assert whole.min() >= 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_raising_tau_never_accepts_more(scores: list[float], a: float, b: float) -> None:
    pool = make_pool([scores])
    low, high = sorted((a, b))
    assert (counts("threshold", pool, tau=high) <= counts("threshold", pool, tau=low)).all()
