"""Distinct-n at a budget, BLEU against numbers worked by hand, Vendi's two ends."""

from __future__ import annotations

import itertools
from math import exp, log, sqrt

import numpy as np
import pytest

from rsft_bench.harness.statistics import (
    bleu,
    distinct_at_budget,
    distinct_n,
    ngram_kernel,
    self_bleu,
    vendi_score,
    words,
)

CAT = words("The cat sat on the mat.")
DOG = words("the cat sat on a rug .")


def test_words_split_punctuation_and_ignore_case() -> None:
    assert words("Don't, 12:30!") == ("don", "'", "t", ",", "12", ":", "30", "!")
    assert words("  ") == ()


def test_distinct_by_hand() -> None:
    answers = [("a", "b", "a", "b"), ("b", "a")]
    # Bigrams ab, ba, ab; ba: 2 distinct of 4. None crosses the answers.
    assert distinct_n(answers, 2) == 0.5
    assert distinct_n(answers, 1) == pytest.approx(2 / 6)
    assert np.isnan(distinct_n([("a",)], 2))


@pytest.mark.parametrize("budget", [1, 2, 3, 5])
def test_distinct_at_a_budget_is_the_mean_over_all_subsets(budget: int) -> None:
    answers = [("a", "b", "a"), ("c",), ("a", "b")]
    pool = [w for a in answers for w in a]
    subsets = [len(set(s)) / budget for s in itertools.combinations(pool, budget)]
    assert distinct_at_budget(answers, 1, budget) == pytest.approx(np.mean(subsets))


def test_distinct_at_a_budget_needs_that_many() -> None:
    assert np.isnan(distinct_at_budget([("a", "b")], 1, 3))
    assert distinct_at_budget([("a", "b", "a")], 1, 3) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="budget of at least 1"):
        distinct_at_budget([("a", "b")], 1, 0)


def test_plain_distinct_is_confounded_with_length_and_the_fixed_budget_is_not() -> None:
    """One writer, short and long answers: the law of words is the same, only their number differs.

    Plain distinct-2 falls by a third; at a fixed budget the difference of 200 pairs has |z| < 4.
    """
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"w{i}" for i in range(40)])
    law = 1.0 / np.arange(1, 41)
    gaps, plain = [], []
    for _ in range(200):
        short, long = (
            [tuple(rng.choice(vocabulary, size=size, p=law / law.sum())) for _ in range(40)]
            for size in (6, 24)
        )
        gaps.append(distinct_at_budget(short, 2, 150) - distinct_at_budget(long, 2, 150))
        plain.append(distinct_n(short, 2) / distinct_n(long, 2))
    assert min(plain) > 1.2
    assert np.mean(plain) > 1.4
    assert abs(np.mean(gaps) / (np.std(gaps, ddof=1) / sqrt(200))) < 4
    assert abs(np.mean(gaps)) < 0.01


def test_a_repetitive_writer_is_seen_at_the_same_length() -> None:
    same = [tuple("abcdef")] * 30
    other = [tuple(f"{w}{i}" for w in "abcdef") for i in range(30)]
    assert distinct_at_budget(other, 2, 60) == pytest.approx(1.0)
    # 5 bigrams, each 30 times among 150: all are met in 60 draws but for a chance of 1e-7.
    assert distinct_at_budget(same, 2, 60) == pytest.approx(5 / 60, rel=1e-5)


def test_bleu_by_hand() -> None:
    # 7 words each. Matched: the, cat, sat, on, "." and no second "the": 5 of 7. Bigrams the-cat,
    # cat-sat, sat-on: 3 of 6, smoothed 4/7; trigrams 2 of 5: 3/6; 4-grams 1 of 4: 2/5.
    expected = exp((log(5 / 7) + log(4 / 7) + log(3 / 6) + log(2 / 5)) / 4)
    assert bleu(CAT, [DOG]) == pytest.approx(expected)
    # Half as long: all 3 words, 2 bigrams, 1 trigram match; the penalty is exp(1 - 6/3).
    assert bleu(tuple("abc"), [tuple("abcdef")]) == pytest.approx(exp(-1))
    # The closest length counts, the shorter one on ties, and clipping is per reference.
    assert bleu(tuple("abc"), [tuple("abcdef"), tuple("xyz")]) == pytest.approx(1.0)
    assert bleu(("a", "a"), [("a", "b"), ("b", "a")], order=1) == pytest.approx(0.5)


def test_bleu_of_equal_disjoint_and_empty_answers() -> None:
    assert bleu(CAT, [CAT]) == pytest.approx(1.0)
    assert bleu(("yes",), [("yes",)]) == pytest.approx(1.0)
    assert bleu(("yes",), [("no",)]) == 0.0
    assert bleu((), [("no",)]) == 0.0
    assert bleu((), [()]) == 1.0
    assert bleu(("a",), [()]) == 0.0
    with pytest.raises(ValueError, match="at least one reference"):
        bleu(CAT, [])


def test_self_bleu_is_the_mean_against_the_others() -> None:
    assert self_bleu([CAT, CAT, CAT]) == pytest.approx(1.0)
    assert self_bleu([("a",), ("b",), ("c",)]) == 0.0
    answers = [CAT, DOG, words("no idea")]
    by_hand = [bleu(a, [b for j, b in enumerate(answers) if j != i]) for i, a in enumerate(answers)]
    assert self_bleu(answers) == pytest.approx(np.mean(by_hand))
    assert np.isnan(self_bleu([CAT]))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_vendi_is_one_for_equal_and_n_for_unlike_answers(n: int) -> None:
    assert vendi_score(ngram_kernel([CAT] * n)) == pytest.approx(1.0)
    assert vendi_score(ngram_kernel([(f"w{i}", f"v{i}") for i in range(n)])) == pytest.approx(n)
    assert vendi_score(np.eye(n)) == pytest.approx(n)


def test_vendi_of_two_answers_by_hand() -> None:
    # a b | a c: 1-grams and 2-grams in common: a, of 3 each: cosine 1/3.
    kernel = ngram_kernel([("a", "b"), ("a", "c")])
    assert kernel == pytest.approx(np.array([[1, 1 / 3], [1 / 3, 1]]))
    high, low = (1 + 1 / 3) / 2, (1 - 1 / 3) / 2
    assert vendi_score(kernel) == pytest.approx(exp(-high * log(high) - low * log(low)))
    # Copies of one answer count once: two pairs of copies are two answers.
    assert vendi_score(ngram_kernel([("a",), ("a",), ("b",), ("b",)])) == pytest.approx(2.0)


def test_empty_answers_are_alike_and_unlike_others() -> None:
    kernel = ngram_kernel([(), (), ("a",)])
    assert kernel == pytest.approx(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1.0]]))


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        (np.ones((2, 3)), "square"),
        (np.array([[1.0, 0.5], [0.2, 1.0]]), "symmetric"),
        (np.array([[2.0, 0.0], [0.0, 1.0]]), "diagonal"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "semidefinite"),
    ],
)
def test_what_is_no_kernel_is_refused(kernel: np.ndarray, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        vendi_score(kernel)
