"""Weights of serving rules: against brute force over subsets, and unbiased by full enumeration."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from math import comb, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import (
    best_of_n_weights,
    majority_vote_weights,
    mbr_weights,
    serving,
    weighted_vote_weights,
)

RNG = stream(0, "serving-tests")
SIMILAR = np.array(
    [
        [1.0, 0.5, 0.1, 0.1],
        [0.5, 1.0, 0.2, 0.1],
        [0.1, 0.2, 1.0, 0.9],
        [0.1, 0.1, 0.9, 1.0],
    ]
)
#: Four answers that a policy can give: class, proxy (one is 0), gold and probability.
CLASS = np.array([0, 0, 1, 2])
PROXY = np.array([0.25, 0.5, 0.75, 0.0])
GOLD = np.array([1.0, 0.25, 0.0, 0.5])
LAW = np.array([0.1, 0.2, 0.3, 0.4])

Served = Callable[[Sequence[int]], dict[int, float]]


def even(positions: Sequence[int]) -> dict[int, float]:
    return {i: 1 / len(positions) for i in positions}


def voted(drawn: Sequence[int], vote: Callable[[int], float]) -> dict[int, float]:
    """Positions served by a vote among the answers ``drawn``, with their probabilities."""
    sums: dict[int, float] = {}
    for answer in drawn:
        sums[int(CLASS[answer])] = sums.get(int(CLASS[answer]), 0.0) + vote(answer)
    top = [c for c, total in sums.items() if total == max(sums.values())]
    out: dict[int, float] = {}
    for c in top:
        members = [i for i, answer in enumerate(drawn) if CLASS[answer] == c]
        out |= {i: p / len(top) for i, p in even(members).items()}
    return out


def majority(drawn: Sequence[int]) -> dict[int, float]:
    return voted(drawn, lambda _: 1.0)


def weighted(drawn: Sequence[int]) -> dict[int, float]:
    return voted(drawn, lambda answer: float(PROXY[answer]))


def nearest(drawn: Sequence[int]) -> dict[int, float]:
    """Exact in tenths, so that equal sums are equal."""
    sums = [
        sum(round(10 * SIMILAR[a, b]) for j, b in enumerate(drawn) if j != i)
        for i, a in enumerate(drawn)
    ]
    return even([i for i, total in enumerate(sums) if total == max(sums)])


def weights(rule: str, answers: Sequence[int], n: int) -> np.ndarray:
    at = np.array(answers)
    if rule == "majority":
        return majority_vote_weights(CLASS[at], n)
    if rule == "weighted":
        return weighted_vote_weights(CLASS[at], PROXY[at], n, RNG)
    return mbr_weights(SIMILAR[np.ix_(at, at)], n, RNG)


RULES: dict[str, Served] = {"majority": majority, "weighted": weighted, "mbr": nearest}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 6])
def test_weights_are_the_mean_over_all_subsets(rule: str, n: int) -> None:
    answers = [0, 1, 1, 2, 3, 3]
    expected = np.zeros(len(answers))
    for subset in itertools.combinations(range(len(answers)), n):
        for i, p in RULES[rule]([answers[j] for j in subset]).items():
            expected[subset[i]] += p / comb(len(answers), n)
    assert weights(rule, answers, n) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("total", "n"), [(4, 1), (4, 2), (5, 3), (5, 5)])
def test_the_weighted_mean_is_unbiased(rule: str, total: int, n: int) -> None:
    """Over all sequences a policy can draw: E[weighted mean of N] = E[gold served from n]."""
    estimate = sum(
        LAW[list(a)].prod() * (weights(rule, a, n) @ GOLD[list(a)])
        for a in itertools.product(range(4), repeat=total)
    )
    truth = sum(
        LAW[list(a)].prod() * sum(p * GOLD[a[i]] for i, p in RULES[rule](a).items())
        for a in itertools.product(range(4), repeat=n)
    )
    assert estimate == pytest.approx(truth, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=9), st.data())
def test_weights_are_a_law_and_two_draws_change_nothing(
    answers: list[tuple[int, int]], data: st.DataObject
) -> None:
    classes, votes = np.array(answers).T
    n = data.draw(st.integers(1, len(answers)))
    same = (classes[:, None] == classes[None, :]).astype(float)
    found = [
        majority_vote_weights(classes, n),
        weighted_vote_weights(classes, votes.astype(float), n, RNG),
        mbr_weights(same, n, RNG),
    ]
    for law in found:
        assert (law >= 0).all()
        assert law.sum() == pytest.approx(1)
    # A vote is the risk-minimal answer under the similarity "in one class".
    assert found[2] == pytest.approx(found[0], abs=1e-12)
    if n <= 2:
        assert found[0] == pytest.approx(np.full(len(answers), 1 / len(answers)))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_votes_reduce_to_their_special_cases(n: int) -> None:
    rng = np.random.default_rng(n)
    alone, votes = np.arange(8), rng.random(8)
    plain = np.full(8, 1 / 8)
    assert majority_vote_weights(alone, n) == pytest.approx(plain)
    assert majority_vote_weights(np.zeros(8, dtype=int), n) == pytest.approx(plain)
    one_each = weighted_vote_weights(alone, votes, n, rng)
    assert one_each == pytest.approx(best_of_n_weights(votes, n), abs=1e-12)
    classes = rng.integers(0, 3, 8)
    equal = weighted_vote_weights(classes, np.full(8, 0.3), n, rng)
    assert equal == pytest.approx(majority_vote_weights(classes, n), abs=1e-12)


def test_a_hand_worked_vote() -> None:
    # Classes a a b. Of the three pairs, aa serves a; ab, ab tie: a and b one half each.
    assert majority_vote_weights(np.array([7, 7, 9]), 2) == pytest.approx([1 / 3] * 3)
    # All three: a has two of three votes.
    assert majority_vote_weights(np.array([7, 7, 9]), 3) == pytest.approx([0.5, 0.5, 0])
    # Votes .2 + .2 against .5, and an unknown or negative vote counts nothing.
    votes = np.array([0.2, 0.2, 0.5])
    assert weighted_vote_weights(np.array([7, 7, 9]), votes, 3, RNG) == pytest.approx([0, 0, 1])
    lost = np.array([0.2, nan, -3.0])
    assert weighted_vote_weights(np.array([7, 7, 9]), lost, 3, RNG) == pytest.approx([0.5, 0.5, 0])
    none = np.array([nan, nan, nan])
    assert weighted_vote_weights(np.array([7, 8, 9]), none, 2, RNG) == pytest.approx([1 / 3] * 3)


def test_rounding_breaks_no_tie() -> None:
    # .1 + .2 is not .3 in binary; both classes must tie.
    votes = np.array([0.1, 0.2, 0.3])
    found = weighted_vote_weights(np.array([0, 0, 1]), votes, 3, RNG)
    assert found == pytest.approx([0.25, 0.25, 0.5])


def test_beyond_enumeration_random_subsets_agree_with_the_exact_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    classes, votes = rng.integers(0, 4, 12), rng.random(12)
    similarity = rng.random((12, 12))
    similarity = (similarity + similarity.T) / 2
    exact = [weighted_vote_weights(classes, votes, 5, RNG), mbr_weights(similarity, 5, RNG)]
    monkeypatch.setattr(serving, "ENUMERATED", 100)
    found = [
        weighted_vote_weights(classes, votes, 5, stream(1, "s")),
        mbr_weights(similarity, 5, stream(1, "s")),
    ]
    for law, right in zip(found, exact, strict=True):
        assert law.sum() == pytest.approx(1)
        error = np.sqrt(right * (1 - right) / serving.SUBSETS)
        assert (np.abs(law - right) < 4 * np.maximum(error, 1e-9)).all()
        assert not np.array_equal(law, right)
    again = weighted_vote_weights(classes, votes, 5, stream(1, "s"))
    other = weighted_vote_weights(classes, votes, 5, stream(2, "s"))
    assert np.array_equal(again, found[0])
    assert not np.array_equal(other, found[0])


def test_the_closed_form_of_a_vote_holds_where_nobody_can_enumerate() -> None:
    """32 draws, 16 a request: 6e8 subsets. Against 40,000 simulated requests."""
    classes = np.repeat([0, 1, 2, 3], [12, 11, 6, 3])
    found = majority_vote_weights(classes, 16)
    rng = stream(3, "votes")
    won = Counter[int]()
    for _ in range(40_000):
        counts = np.bincount(classes[rng.permutation(32)[:16]], minlength=4)
        top = np.flatnonzero(counts == counts.max())
        for c in top:
            won[int(c)] += 1 / len(top)
    for c in range(4):
        p = found[classes == c].sum()
        assert abs(won[c] / 40_000 - p) < 4 * np.sqrt(max(p * (1 - p), 1e-6) / 40_000)
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize("n", [0, 4])
def test_too_many_or_no_draws_raise(n: int) -> None:
    three = np.zeros(3, dtype=int)
    for call in (
        lambda: majority_vote_weights(three, n),
        lambda: weighted_vote_weights(three, np.zeros(3), n, RNG),
        lambda: mbr_weights(np.eye(3), n, RNG),
    ):
        with pytest.raises(ValueError, match=f"one of {n} needs 1 <= n <= 3"):
            call()
