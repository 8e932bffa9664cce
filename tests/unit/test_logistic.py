"""Policy logistic: its optimum against scikit-learn's, unseen answers, weights, its file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.policies.logistic import Logistic
from rsft_bench.harness.policies.logistic_kind import LOGISTIC
from rsft_bench.harness.types import Budget, Sampling, TrainRow, WeightedSet

ANSWERS = ("card", "fee", "loan", "never")
HEAD = f"Choices: {' | '.join(ANSWERS)}\n"
PROMPTS = tuple(
    f"{HEAD}Customer: {a} {b}\nAgent:"
    for a in ("my parcel", "the price", "some money")
    for b in ("today please", "is wrong", "came late", "for me")
)
BUDGET = Budget(steps=1, batch=8, lr=0.1)


def rows(weights: tuple[float, ...] = (1.0, 1.0, 1.0)) -> WeightedSet:
    found = tuple(
        TrainRow(example_id=f"{i}", prompt=p, completion=ANSWERS[i // 4], weight=weights[i // 4])
        for i, p in enumerate(PROMPTS)
    )
    return WeightedSet(name="D", rows=found, coefficient=1.0, stream="train-D")


def test_is_uniform_untrained_and_scikit_learns_optimum_trained() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    base = Logistic()
    assert base.law(PROMPTS[0])[1] == pytest.approx([0.25] * 4)
    fitted = base.fit([rows()], BUDGET, 0).policy
    texts = [p.removeprefix(HEAD) for p in PROMPTS]
    # The list of choices is left out as an empty line, which has no word.
    features = TfidfVectorizer(ngram_range=(1, 2)).fit(texts)
    other = LogisticRegression(C=10, max_iter=1000, tol=1e-8)
    other.fit(features.transform(texts), [i // 4 for i in range(12)])
    expected = other.predict_proba(features.transform(texts))
    assert isinstance(fitted, Logistic)
    for prompt, law in zip(PROMPTS, expected, strict=True):
        assert fitted.law(prompt)[1] == pytest.approx([*law, 0.0], abs=2e-3)
    assert fitted.logprob(PROMPTS[0], "never") == -math.inf


def test_only_the_ratio_of_weights_counts() -> None:
    prompt = PROMPTS[5]
    one, ten, skewed = (
        Logistic().fit([rows(w)], BUDGET, 0).policy
        for w in ((1.0, 1.0, 1.0), (10.0, 10.0, 10.0), (1.0, 9.0, 1.0))
    )
    assert isinstance(one, Logistic)
    assert isinstance(ten, Logistic)
    assert isinstance(skewed, Logistic)
    assert ten.law(prompt)[1] == pytest.approx(one.law(prompt)[1])
    assert skewed.law(prompt)[1][1] > one.law(prompt)[1][1]


def test_a_fit_does_not_depend_on_where_it_starts_and_no_step_changes_nothing() -> None:
    base = Logistic()
    first = base.fit([rows()], BUDGET, 0).policy
    again = first.fit([rows()], BUDGET, 1, keep=(3,))
    assert isinstance(first, Logistic)
    kept = again.kept[3]
    assert isinstance(kept, Logistic)
    assert np.array_equal(kept.law(PROMPTS[1])[1], first.law(PROMPTS[1])[1])
    assert first.fit([rows()], Budget(steps=0, batch=8, lr=0.1), 0).policy is first


def test_one_answer_alone_is_certain() -> None:
    item = rows()
    only = WeightedSet(name="D", rows=item.rows[:4], coefficient=1.0, stream="train-D")
    fitted = Logistic().fit([only], BUDGET, 0).policy
    assert isinstance(fitted, Logistic)
    assert fitted.law(PROMPTS[9])[1].tolist() == [1.0, 0.0, 0.0, 0.0]
    pair = WeightedSet(name="D", rows=item.rows[:8], coefficient=1.0, stream="train-D")
    two = Logistic().fit([pair], BUDGET, 0).policy
    assert isinstance(two, Logistic)
    law = two.law(PROMPTS[0])[1]
    assert law[0] > 0.5 > law[1] > 0
    drawn = two.sample([("a", PROMPTS[0])], range(50), Sampling(), 0, "test")
    assert {row.text for row in drawn} == {"card", "fee"}


def test_saves_and_restores_itself(tmp_path: Path) -> None:
    fitted = Logistic().fit([rows()], BUDGET, 0).policy
    assert isinstance(fitted, Logistic)
    fitted.save(tmp_path)
    read = LOGISTIC.restore({}, tmp_path)
    assert np.array_equal(read.law(PROMPTS[3])[1], fitted.law(PROMPTS[3])[1])
    with pytest.raises(DataError, match="not a logistic regression"):
        LOGISTIC.restore({}, tmp_path / "none")


def test_refuses_other_choices_and_bad_strength() -> None:
    fitted = Logistic().fit([rows()], BUDGET, 0).policy
    assert isinstance(fitted, Logistic)
    with pytest.raises(DataError, match="other choices"):
        fitted.law("Choices: a | b\nCustomer: x\nAgent:")
    with pytest.raises(DataError, match="2; use suite"):
        LOGISTIC.check({}, [PROMPTS[0], "Choices: a | b\nAgent:"])
    with pytest.raises(ConfigError, match="strength"):
        LOGISTIC.load({"strength": 0})
