"""Satisfaction: the predictor learns order, its error is counted by hand, the index is bounded."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.metrics import METRICS
from rsft_bench.harness.rewards.satisfaction import fit_satisfaction, likeliest, softened
from rsft_bench.harness.rewards.satisfaction_data import Rated, Ratings, read_ratings
from rsft_bench.harness.rewards.satisfaction_error import (
    cross_validated,
    fold_of,
    kappa,
    spearman,
    uar,
    upstream_rho,
)
from rsft_bench.harness.satisfaction_metrics import INDEX, PREDICTED, add_satisfaction, error_of
from rsft_bench.harness.types import Example

ANSWERS = {2: "I do not know that.", 3: "It is in town.", 4: "Booked, here is your number 5."}


def rated(session: int, line: int, vote: int) -> Rated:
    return Rated(session, line, "Customer: And now?\nAgent:", ANSWERS[vote], (vote, vote, 3))


RATINGS = Ratings(
    tuple(rated(s, 3 * s + v, v) for s in range(30) for v in (2, 3, 4)), 90, {"first": 2}
)


def test_the_predictor_orders_answers_and_knows_its_error() -> None:
    texts = [ANSWERS[v] for v in (2, 3, 4)]
    votes = np.array([a.vote for a in RATINGS.answers])
    model = fit_satisfaction(
        [a.prompt for a in RATINGS.answers], [a.text for a in RATINGS.answers], votes
    )
    prompts = ["Customer: And now?\nAgent:"] * 3
    law = model.probabilities(prompts, texts)
    assert np.allclose(law.sum(axis=1), 1)
    assert (law >= 0).all()
    low, middle, high = model.expected(prompts, texts)
    assert 1 <= low < middle < high <= 5
    assert list(likeliest(law)) == [2, 3, 4]
    assert list(softened(law, model.shares)) == [2, 3, 4]
    found = cross_validated(RATINGS)
    # Three of five ratings occur and are all named right, those that never occur count 0.
    assert found.likeliest.uar == pytest.approx(0.6)
    assert found.likeliest.kappa == pytest.approx(1.0)
    assert found.constant.uar == pytest.approx(0.2)
    assert math.isnan(found.constant.rho)
    assert found.mae < found.mae_constant


def test_measures_by_hand() -> None:
    table = np.zeros((1, 5, 5))
    table[0, 2, 2], table[0, 2, 3], table[0, 3, 3] = 6, 2, 2
    # Recalls 6/8 and 2/2 of five; agreement .8, chance (8*6 + 2*4)/100 = .56.
    assert uar(table)[0] == pytest.approx((0.75 + 1) / 5)
    assert kappa(table)[0] == pytest.approx((0.8 - 0.56) / 0.44)
    assert spearman([1, 2, 3], np.array([1.0, 3.0, 2.0])) == pytest.approx(0.5)
    # Ranks 1,1,1,1 against 1,1,1,4: 1 - 6*9/(4*15).
    assert upstream_rho(np.array([3, 3, 3, 3]), np.array([3, 3, 3, 4])) == pytest.approx(0.1)


def test_folds_hold_whole_sessions() -> None:
    sessions = np.repeat(np.arange(11), 4)
    folds = fold_of(sessions, 5, 0)
    assert all(len(set(folds[sessions == s])) == 1 for s in range(11))
    assert set(folds) == set(range(5))
    with pytest.raises(ValueError, match="cannot make"):
        fold_of(np.zeros(3, dtype=np.int64), 5, 0)


def example(language: str = "en") -> Example:
    return Example("e", "confirm", "Customer: Hi\nAgent:", (), {}, "c", "s", language)


@pytest.mark.parametrize(
    ("text", "gold", "index"),
    [
        ("", 1.0, 0.0),
        # right 1, polite 1, length 1; nothing is refused.
        ("Thanks, your parcel ships today.", 1.0, 1.0),
        # right 0, polite 0 (rude), length 1, a refusal without an apology 0.
        ("That is not my problem, obviously.", 0.0, 0.25),
        # no gold; polite 1, length 1, a refusal with an apology 1.
        ("Sorry, we cannot do that.", math.nan, 1.0),
    ],
)
def test_the_index_is_the_mean_of_its_parts(text: str, gold: float, index: float) -> None:
    measured = METRICS.get(INDEX).measure(example(), {"text": text, "gold": gold})
    assert measured == pytest.approx(index)


def test_the_index_knows_english_only() -> None:
    assert math.isnan(METRICS.get(INDEX).measure(example("zh"), {"text": "你好", "gold": 1.0}))
    assert METRICS.get(INDEX).bounded


def test_the_column_is_bounded_and_follows_the_ratings(tmp_path: Path) -> None:
    file = tmp_path / "SGD.txt"
    sessions = [
        f"USER\tHi\tASK\t3,3,3\nSYSTEM\t{ANSWERS[v]}\tINFORM\t\nUSER\tOk\tBYE\t{v},{v},{v}\n"
        for _ in range(20)
        for v in (2, 4)
    ]
    file.write_text("\n".join(sessions), encoding="utf-8")
    rows = [
        {"suite": "s", "example_id": "e", "text": ANSWERS[2]},
        {"suite": "s", "example_id": "e", "text": ANSWERS[4]},
    ]
    add_satisfaction(rows, {("s", "e"): "Customer: Hi\nAgent:"}, str(file))
    assert 0 <= rows[0][PREDICTED] < 0.5 < rows[1][PREDICTED] <= 1
    told = error_of(str(file))
    assert told["answers"] == 40
    assert told["constant"]["rho"] is None
    assert [p["name"] for p in told["published"]][-1] == "BERT"


@pytest.mark.shared("uss")
def test_real_ratings_are_better_than_a_constant(shared_data: Path) -> None:
    ratings = read_ratings(shared_data / "uss")
    part = ratings._replace(answers=ratings.answers[:4000])
    found = cross_validated(part)
    assert found.mae < found.mae_constant
    assert found.softened.uar_interval[0] > found.constant.uar
    # The published measure ranks a constant above most of the published rows.
    assert found.constant.rho_upstream > 0.3


def test_ratings_needed_and_absent_are_named(tmp_path: Path) -> None:
    from rsft_bench.harness.config import parse_config
    from rsft_bench.harness.preflight import check_satisfaction

    plain = {"suites": ["order_status"], "variants": ["sft"], "primary": None}
    raw = {**plain, "gate": {"metrics": [PREDICTED]}}
    with pytest.raises(ConfigError, match="needs people's ratings"):
        check_satisfaction(parse_config(raw))
    raw = {**plain, "evaluation": {"satisfaction": str(tmp_path / "none")}}
    with pytest.raises(DataError, match="no file"):
        check_satisfaction(parse_config(raw))
