"""When two answers say the same, and how alike they are."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsft_bench.harness.similarity import ngram_f1, normal_text


def test_worked_similarities() -> None:
    found = ngram_f1(["cat cat cat", "cat", "a cat sat", "A Cat sat", "dog", ""])
    # Unigrams: 2 * 1 / (3 + 1). Bigrams: none shared of 2 + 0.
    assert found[0, 1] == pytest.approx((0.5 + 0) / 2)
    # Unigrams: 2 * 1 / 6; bigrams: 0 of 2 + 2.
    assert found[0, 2] == pytest.approx((1 / 3 + 0) / 2)
    assert found[2, 3] == 1.0
    # One word each: no bigrams, so unigrams alone count.
    assert found[1, 4] == 0.0
    assert found[4, 5] == 0.0
    assert found[5, 5] == 1.0
    assert ngram_f1(["?", "..."])[0, 1] == 1.0


def test_numbers_stay_whole() -> None:
    assert ngram_f1(["$57.50", "$57.40"])[0, 1] == 0.0
    assert ngram_f1(["57.50 back.", "57.50, back"])[0, 1] == 1.0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=5).map(" ".join), min_size=1, max_size=5))
def test_similarity_is_the_mean_f1_of_multisets(texts: list[str]) -> None:
    found = ngram_f1(texts)
    for i, j in itertools.product(range(len(texts)), repeat=2):
        scores = []
        for order in (1, 2):
            a, b = (
                Counter(zip(*(words[k:] for k in range(order)), strict=False))
                for words in (texts[i].split(), texts[j].split())
            )
            if a or b:
                scores.append(2 * (a & b).total() / (a.total() + b.total()))
        assert found[i, j] == pytest.approx(np.mean(scores) if scores else 1.0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("It is Done.", "it  is done", True),
        ("“Yes”", '"yes"', True),
        ("can’t", "can't", True),
        ("\uff21 b", "a b", True),
        ("It costs 4.50", "It costs 4,50", False),
        ("yes", "no", False),
        (" ?!", "", True),
    ],
)
def test_texts_are_equal_up_to_spelling(one: str, other: str, same: bool) -> None:
    assert (normal_text(one) == normal_text(other)) is same
