"""Every acceptance rule against its exact law at finite k.

The registered rule runs on all m^k ordered draws of a prompt, each with its probability, over many
keys where it is random; one copy of the enumeration is one replicate of |z| < 4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from rsft_bench.baselines.rules import RULES
from rsft_bench.baselines.rules.common import within_prompt_sd
from rsft_bench.harness.statistics import (
    Law,
    argmax_law,
    distinct_law,
    distinct_number,
    matched_law,
    pointwise_law,
    pointwise_number,
    rate_law,
    statistical_law,
    tilted_law,
    top_m_law,
)
from rsft_bench.harness.types import FloatArray, IntArray, ScoredPool

COPIES = 60
K = 4
TIED = (np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.8, 0.8]))
APART = (np.array([0.1, 0.6, 0.05, 0.25]), np.array([0.9, 0.2, 0.7, 0.2]))
WORLDS = {"tied": TIED, "apart": APART}


def enumerated(m: int, r: FloatArray, copies: int = COPIES) -> tuple[ScoredPool, IntArray]:
    """All ordered draws of k of m answers, ``copies`` times under keys of their own."""
    draws = np.array(list(itertools.product(range(m), repeat=K)), dtype=np.int64)
    answers = np.tile(draws, (copies, 1))
    keys = tuple(f"{copy}/{i}" for copy in range(copies) for i in range(len(draws)))
    return ScoredPool(r[answers], answers, keys, 11), answers


def accepted(pool: ScoredPool, rule: str, params: Mapping[str, Any]) -> IntArray:
    chosen = RULES.get(rule).resolve(params, pool)
    return chosen.select(pool.scores, pool.text_ids, pool.keys)


def moments(counts: IntArray, answers: IntArray, p: FloatArray) -> tuple[FloatArray, ...]:
    """Expected counts, P(answer and covered) and P(covered), one row a copy: (copies, ...)."""
    per = np.stack([(counts * (answers == y)).sum(axis=1) for y in range(len(p))], axis=1)
    total = per.sum(axis=1, keepdims=True)
    share = np.divide(per, total, out=np.zeros(per.shape), where=total > 0)
    rows = len(p) ** K
    weight = p[answers[:rows]].prod(axis=1)
    table = np.hstack([per, share, total > 0]).reshape(-1, rows, 2 * len(p) + 1)
    means = np.einsum("r,crj->cj", weight, table)
    return means[:, : len(p)], means[:, len(p) : -1], means[:, -1:]


def check(law: Law, counts: IntArray, answers: IntArray, p: FloatArray) -> None:
    wanted = (law.counts, np.nan_to_num(law.answer) * law.covered, np.array([law.covered]))
    for found, expected in zip(moments(counts, answers, p), wanted, strict=True):
        error = found.std(axis=0, ddof=1) / math.sqrt(len(found))
        for x, target, se in zip(found.mean(axis=0), expected, error, strict=True):
            if se < 1e-12:
                assert x == pytest.approx(target, abs=1e-9)
            else:
                assert abs(x - target) / se < 4


def law_of(rule: str, params: Mapping[str, Any], p: FloatArray, r: FloatArray, sd: float) -> Law:
    scale = params.get("beta", math.nan) * sd
    if rule == "argmax":
        return argmax_law(p, r, K)
    if rule == "top_m":
        return top_m_law(p, r, K, params["m"])
    if rule == "statistical":
        return statistical_law(p, r, K, params["m"], scale)
    if rule == "best_and_distinct":
        return distinct_law(p, r, K, params["m"], params.get("tau", math.nan))
    if rule == "rejection":
        return pointwise_law(p, np.exp((r - r.max()) / scale), K)
    if rule == "threshold" and "prompt_rate" in params:
        return top_m_law(p, r, K, max(1, round(params["prompt_rate"] * K)))
    if rule == "threshold":
        return pointwise_law(p, (r >= params["tau"]).astype(float), K)
    assert rule == "all"
    return pointwise_law(p, np.ones(len(p)), K)


CASES: list[tuple[str, dict[str, Any]]] = [
    ("all", {}),
    ("argmax", {}),
    *(("top_m", {"m": m}) for m in (1, 2, 3, 4)),
    ("threshold", {"tau": 0.5}),
    *(("threshold", {"prompt_rate": q}) for q in (0.1, 0.5, 0.7)),
    *(("statistical", {"m": m, "beta": b}) for m, b in ((1, 0.5), (2, 0.5), (3, 2.0), (2, 0.3))),
    *(("best_and_distinct", {"m": m}) for m in (1, 2, 4)),
    ("best_and_distinct", {"m": 3, "tau": 0.5}),
    *(("rejection", {"beta": b}) for b in (0.5, 2.0)),
]


@pytest.mark.parametrize("world", sorted(WORLDS))
@pytest.mark.parametrize(("rule", "params"), CASES)
def test_a_rule_has_its_law(rule: str, params: dict[str, Any], world: str) -> None:
    p, r = WORLDS[world]
    pool, answers = enumerated(len(p), r, COPIES if len(p) == 3 else COPIES // 3)
    law = law_of(rule, params, p, r, within_prompt_sd(pool.scores))
    check(law, accepted(pool, rule, params), answers, p)


def test_every_rule_is_tested() -> None:
    assert {name for name, _ in CASES} | {"random"} == set(RULES.names())


@pytest.mark.parametrize(
    ("rule", "params"),
    [
        ("argmax", {}),
        ("threshold", {"tau": 0.5}),
        ("best_and_distinct", {"m": 4}),
        ("rejection", {"beta": 0.7}),
    ],
)
def test_random_matched_by_prompt_has_its_law(rule: str, params: dict[str, Any]) -> None:
    """The number copied depends on the draws, so the control is not pi itself where it varies."""
    p, r = TIED
    pool, answers = enumerated(3, r)
    number = {
        "argmax": lambda drawn: (1.0, 1.0),
        "threshold": pointwise_number((r >= 0.5).astype(float)),
        "best_and_distinct": distinct_number([True] * 3, 4),
        "rejection": pointwise_number(
            np.exp((r - r.max()) / (0.7 * within_prompt_sd(pool.scores)))
        ),
    }[rule]
    wanted = accepted(pool, rule, params).sum(axis=1).tolist()
    match = dict(zip(pool.keys, wanted, strict=True))
    copied = ScoredPool(pool.scores, pool.text_ids, pool.keys, 12, match)
    law = matched_law(p, K, number)
    if rule == "argmax":
        assert law.answer == pytest.approx(p)
    check(law, accepted(copied, "random", {}), answers, p)


def test_random_by_rate_has_its_law() -> None:
    p, r = TIED
    pool, answers = enumerated(3, r)
    match = dict.fromkeys(pool.keys, 1)
    copied = ScoredPool(pool.scores, pool.text_ids, pool.keys, 13, match)
    law = rate_law(p, K, len(match), len(match) * K)
    taken = accepted(copied, "random", {"by": "rate"})
    assert taken.sum() == len(match)
    check(law, taken, answers, p)


def test_threshold_by_target_rate_shares_its_ties_in_proportion_to_pi() -> None:
    """Half of the pool: all of the best answer and as much of the tied ones as is left."""
    p, r = np.array([0.25, 0.5, 0.25]), np.array([0.9, 0.4, 0.4])
    rng = np.random.default_rng(4)
    answers = rng.choice(3, size=(6000, K), p=p)
    pool = ScoredPool(r[answers], answers, tuple(map(str, range(6000))), 14)
    kept = accepted(pool, "threshold", {"target_rate": 0.5}).astype(bool)
    assert kept[answers == 0].all()
    assert kept.sum() == 12000
    room, tied = 12000 - int((answers == 0).sum()), int((answers != 0).sum())
    for y in (1, 2):
        n = int((answers == y).sum())
        share = room / tied
        variance = n * share * (1 - share) * (tied - n) / (tied - 1)
        assert abs((int(kept[answers == y].sum()) - n * share) / math.sqrt(variance)) < 4


def test_laws_by_hand() -> None:
    p, r = TIED
    assert argmax_law(p, r, 3).counts == pytest.approx([0.125, 0.875 * 0.6, 0.875 * 0.4])
    assert top_m_law(p, r, 3, 1).counts == pytest.approx(argmax_law(p, r, 3).counts)
    # Two of two draws are both: 2 p. Three of three likewise.
    assert top_m_law(p, r, 2, 2).counts == pytest.approx(2 * p)
    # Two draws, distinct: y is accepted unless it is not drawn.
    assert distinct_law(p, r, 2, 2).counts == pytest.approx(1 - (1 - p) ** 2)
    # alpha = .5; covered by three draws with 1 - .5^3.
    law = pointwise_law(p, (r > 0.5).astype(float), 3)
    assert law.answer == pytest.approx([0, 0.6, 0.4])
    assert law.counts == pytest.approx([0, 0.9, 0.6])
    assert law.covered == pytest.approx(0.875)
    # Nothing is ever accepted: unknown, not 0.
    assert np.isnan(pointwise_law(p, np.zeros(3), 3).answer).all()
    assert np.isnan(distinct_law(p, r, 3, 2, tau=0.9).answer).all()
    # threshold matched: p ((k-1) alpha + 1[pass]) / k, here alpha = .5 and k = 4.
    matched = matched_law(p, 4, pointwise_number((r > 0.5).astype(float)))
    assert matched.counts == pytest.approx(p * (3 * 0.5 + np.array([0, 1, 1])))


@pytest.mark.parametrize("k", [2, 5])
def test_beta_joins_top_m_to_random(k: int) -> None:
    p, r = APART
    assert statistical_law(p, r, k, 2, 0.0).counts == pytest.approx(top_m_law(p, r, k, 2).counts)
    assert statistical_law(p, r, k, 2, math.inf).counts == pytest.approx(2 * p)


def test_the_tilt_is_the_limit_for_many_candidates_and_rejections_law_at_any_k() -> None:
    p, r, beta = np.array([0.7, 0.3]), np.array([0.0, 1.0]), 0.8
    tilted = tilted_law(p, r, beta)
    odds = 3 / 7 * math.exp(1.25)
    assert tilted == pytest.approx([1 / (1 + odds), odds / (1 + odds)])
    gaps = [abs(statistical_law(p, r, k, 1, beta).answer - tilted)[0] for k in (2, 8, 32, 128)]
    assert gaps == sorted(gaps, reverse=True)
    # The error falls like 1/k.
    assert gaps[-1] < 0.003
    exact = pointwise_law(p, np.exp((r - 1) / beta), 3)
    assert exact.answer == pytest.approx(tilted)
    # One in M draws is accepted, M = e^{max/beta} / E e^{r/beta}.
    assert exact.counts.sum() / 3 == pytest.approx(float(p @ np.exp(r / beta)) / math.exp(1.25))
    assert tilted_law(p, r, 0) == pytest.approx([0, 1])
    assert tilted_law(p, r, math.inf) == pytest.approx(p)


def test_candidates_keyed_by_text_miss_the_target_of_statistical() -> None:
    """The published algorithm keeps candidates in a dict by text, so that copies collapse.

    Six answers, 64 candidates: the target p e^{r/beta} gives the two best .402 and .109. Kept
    apart by draw they get that; keyed by text .470 and .270, the law of six candidates, one each.
    With 8 to accept every text is, and each gets 1/6 whatever its reward.
    """
    p = np.array([0.13, 0.05, 0.12, 0.32, 0.22, 0.16])
    r = -np.array([0, 0.354, 1.114, 1.514, 1.914, 2.314])
    n = 6000
    answers = np.random.default_rng(6).choice(6, size=(n, 64), p=p)
    pool = ScoredPool(r[answers], answers, tuple(map(str, range(n))), 15)
    earlier = np.stack([answers == y for y in range(6)], axis=2).cumsum(axis=1)
    repeats = np.take_along_axis(earlier, answers[:, :, None], axis=2)[:, :, 0] > 1
    by_text = np.where(repeats, np.nan, pool.scores)

    def shares(scores: FloatArray, m: int) -> FloatArray:
        unit = {"beta": 1 / within_prompt_sd(pool.scores), "m": m}
        counts = RULES.get("statistical").resolve(unit, pool).select(scores, answers, pool.keys)
        chosen = answers[counts.astype(bool)]
        return np.bincount(chosen, minlength=6) / len(chosen)

    target, keyed = tilted_law(p, r, 1.0)[:2], _one_of_each(r)[:2]
    assert target.round(3).tolist() == [0.402, 0.109]
    assert keyed.round(3).tolist() == [0.47, 0.27]
    for scores, law in ((pool.scores, target), (by_text, keyed)):
        found = shares(scores, 1)[:2]
        assert (np.abs(found - law) / np.sqrt(law * (1 - law) / n) < 4).all()
    assert shares(by_text, 8) == pytest.approx(np.full(6, 1 / 6), abs=0.01)


def _one_of_each(r: FloatArray) -> FloatArray:
    """Law of the first accepted of one candidate each in random order, by subsets of the hit."""
    chances, law = np.exp(r - r.max()), np.zeros(len(r))
    for hits in itertools.product((0, 1), repeat=len(r)):
        hit = np.array(hits)
        weight = float(np.where(hit, chances, 1 - chances).prod())
        if weight:
            law += weight * hit / hit.sum()
    return law


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: argmax_law(np.array([0.5, 0.6]), np.array([0.0, 1.0]), 2), "sum to 1"),
        (lambda: argmax_law(np.array([0.5, 0.5]), np.array([0.0, math.nan]), 2), "finite"),
        (lambda: argmax_law(np.array([0.5, 0.5]), np.array([0.0]), 2), "as long"),
        (lambda: argmax_law(np.array([1.0]), np.array([0.0]), 0), "k=0"),
        (lambda: top_m_law(np.array([1.0]), np.array([0.0]), 2, 3), "m=3"),
        (lambda: statistical_law(np.array([1.0]), np.array([0.0]), 2, 1, -1), "beta=-1"),
        (lambda: tilted_law(np.array([1.0]), np.array([0.0]), -1), "beta=-1"),
        (lambda: pointwise_law(np.array([1.0]), np.array([1.5]), 2), "chances"),
        (lambda: rate_law(np.array([1.0]), 2, 5, 4), "total=5"),
    ],
)
def test_laws_refuse_what_they_cannot_mean(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
