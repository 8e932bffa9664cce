"""Rewards besides the proxy: each finds a truth that was put there, and keeps it on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.test_proxy import cases

from rsft_bench.baselines.rules.best import Argmax
from rsft_bench.harness.errors import ConfigError, DataError, UnknownNameError
from rsft_bench.harness.reward_kinds import REWARDS
from rsft_bench.harness.reward_protocols import needs_body, ready, score_draws
from rsft_bench.harness.rewards.body_head import fit_body_head, load_head
from rsft_bench.harness.rewards.bradley_terry import fit_bradley_terry, preference_pairs
from rsft_bench.harness.rewards.keyed import NoisyReward, RandomReward, with_noise
from rsft_bench.harness.rewards.labelled import halves
from rsft_bench.harness.rewards.proxy import ProxyReward, fit_proxy
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics.selection import auc, within_prompt_auc
from rsft_bench.harness.types import FloatArray, ScoredPool

Answers = tuple[list[str], list[str], Any, list[str]]


def uncertain(count: int, seed: int) -> tuple[Answers, FloatArray]:
    """``cases`` with labels that pass with probability .85 where right and .25 where wrong."""
    prompts, texts, good, groups = cases(count, seed)
    chance = np.where(good, 0.85, 0.25)
    labels = stream(seed, "labels").random(len(good)) < chance
    return (prompts, texts, labels, groups), chance


@pytest.fixture(scope="module")
def paired() -> tuple[ProxyReward, Any]:
    return fit_bradley_terry(*uncertain(500, 0)[0], seed=0)


# bradley_terry


def test_pairs_by_hand() -> None:
    grades = np.array([1.0, 0.0, 0.5, 0.0, np.nan, 1.0, 1.0])
    found = preference_pairs(["a", "a", "b", "a", "b", "b", "c"], grades)
    # Prompt a: row 0 beats 1 and 3. Prompt b: 5 beats 2, and 4 is unknown. Prompt c is alone.
    assert list(zip(found.better.tolist(), found.worse.tolist(), strict=True)) == [
        *((0, 1), (0, 3), (5, 2)),
    ]
    assert found.prompts == 2


def test_bradley_terry_ranks_within_prompts_and_means_what_it_says(
    paired: tuple[ProxyReward, Any],
) -> None:
    (prompts, texts, _, _), chance = uncertain(400, 1)
    scores = paired[0].score(prompts, texts)
    within = within_prompt_auc(scores, chance > 0.5, prompts)
    assert within is not None
    assert within > 0.95
    # Calibrated on 200 held-out answers of each kind's half: an SD of about .05 each.
    assert scores[chance > 0.5].mean() == pytest.approx(0.85, abs=0.1)
    assert scores[chance < 0.5].mean() == pytest.approx(0.25, abs=0.1)


def test_bradley_terry_reports_its_pairs(paired: tuple[ProxyReward, Any]) -> None:
    report = paired[1]
    assert report.n_pairs == report.n_paired_prompts
    # Two answers a prompt, half of them right: a pair differs with probability .495.
    expected = 0.495 * (report.n_label - report.n_held_out) / 2
    assert abs(report.n_pairs - expected) < 4 * np.sqrt(expected * 0.505)
    assert report.within_auc > 0.6
    assert report.iterations > 0


def test_a_shift_of_one_prompts_grades_changes_nothing() -> None:
    prompts, texts, labels, groups = cases(60, 0)
    grades = labels.astype(float) / 2 + stream(0, "grades").integers(0, 3, len(labels)) / 8
    shift = {prompt: i / 7 for i, prompt in enumerate(dict.fromkeys(prompts))}
    moved = grades + np.array([shift[p] for p in prompts])
    one, _ = fit_bradley_terry(prompts, texts, labels, groups, 0, grades)
    two, _ = fit_bradley_terry(prompts, texts, labels, groups, 0, moved)
    other, _ = fit_bradley_terry(prompts, texts, labels, groups, 0, -grades)
    assert (one.dense == two.dense).all()
    assert (one.hashed == two.hashed).all()
    assert not (one.dense == other.dense).all()


def test_graded_gold_orders_answers_that_both_pass() -> None:
    prompts, texts, labels, groups = cases(60, 0)
    gold = np.where(labels, 0.5, 0.0) + stream(0, "grades").integers(0, 3, len(labels)) / 8
    kind: Any = REWARDS.get("bradley_terry")
    graded = ready(kind, {"grades": "gold"})
    _, finer = graded.fit_graded(prompts, texts, labels, groups, 0, gold)  # type: ignore[attr-defined]
    _, coarse = kind.fit_graded(prompts, texts, labels, groups, 0, gold)
    train = halves(prompts, texts, labels, groups, 0, gold).train
    pairs = np.reshape(train.grades, (-1, 2))
    assert finer["n_pairs"] == (pairs[:, 0] != pairs[:, 1]).sum()
    assert coarse["n_pairs"] == np.diff(np.reshape(train.truth, (-1, 2))).sum() < finer["n_pairs"]


def test_no_pair_is_one_clear_error() -> None:
    prompts, texts, labels, groups = cases(40, 0)
    with pytest.raises(DataError, match="found no pair: of .* prompts .* raise reward.n_label"):
        fit_bradley_terry(prompts, texts, np.ones_like(labels), groups, 0)
    with pytest.raises(DataError, match="found no pair"):
        fit_bradley_terry(prompts[::2], texts[::2], labels[::2], groups[::2], 0)


# body_head

WIDTH = 6
TRUTH = np.array([2.0, -1.0, 0.5, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class Gaussian:
    """A body whose states are standard normal numbers keyed by the answer."""

    def features(self, prompts: Any, texts: Any) -> FloatArray:
        return np.array(
            [
                stream(0, "state", p, t).standard_normal(WIDTH)
                for p, t in zip(prompts, texts, strict=True)
            ]
        )

    def flops(self, prompts: Any, texts: Any) -> float:
        return 100.0 * len(texts)


def states(count: int, seed: int) -> tuple[Answers, FloatArray]:
    prompts = [f"{seed}-{i // 4}" for i in range(count)]
    texts = [f"answer {i}" for i in range(count)]
    chance = 1 / (1 + np.exp(-(Gaussian().features(prompts, texts) @ TRUTH - 0.5)))
    labels = stream(seed, "labels").random(count) < chance
    return (prompts, texts, labels, [f"c{i % 20}" for i in range(count)]), chance


def test_body_head_finds_the_direction_and_the_probability(tmp_path: Path) -> None:
    data, _ = states(4000, 0)
    head, report, flops = fit_body_head(Gaussian(), *data, seed=0)
    (prompts, texts, labels, _), chance = states(2000, 1)
    scores = head.score(prompts, texts)
    best, mine = auc(chance, labels), auc(scores, labels)
    assert best is not None
    assert mine is not None
    assert mine > best - 0.01
    assert np.abs(scores - chance).mean() < 0.04
    assert flops == 100.0 * 3200 + 4 * 3200 * WIDTH * report.iterations
    assert head.flops(10) == 10 * 100.0 + 2 * 10 * WIDTH
    head.save(tmp_path)
    assert {f.suffix for f in tmp_path.iterdir()} == {".safetensors", ".json"}
    again = load_head(tmp_path, Gaussian())
    assert (again.score(prompts, texts) == scores).all()
    assert again.flops(3) == head.flops(3)
    one = [head.score([p], [t])[0] for p, t in zip(prompts[:20], texts[:20], strict=True)]
    assert (scores[:20] == one).all()


def test_body_head_without_two_classes_is_a_constant() -> None:
    (prompts, texts, labels, groups), _ = states(40, 0)
    head, report, _ = fit_body_head(Gaussian(), prompts, texts, np.ones_like(labels), groups, 0)
    assert head.score(prompts, texts) == pytest.approx(np.full(40, 41 / 42))
    assert "one class" in report.notes[0]
    with pytest.raises(DataError, match="not a body head"):
        load_head(Path("nowhere"), Gaussian())


# random


def pool_of(prompts: int, texts: tuple[str, ...]) -> tuple[list[str], list[str], list[int]]:
    names = [f"p{i}" for i in range(prompts) for _ in texts]
    return names, [t for _ in range(prompts) for t in texts], [*range(len(texts))] * prompts


def test_random_knows_nothing_of_an_answer() -> None:
    """Mean over prompts of the AUC of two passing against two failing answers: SD as measured."""
    prompts, texts, draws = pool_of(1500, ("a", "b", "c", "d"))
    good = np.array([t in "ab" for t in texts])
    for key in ("draw", "text"):
        scores = RandomReward(0, key).score_draws(prompts, texts, draws)
        each = [auc(scores[i : i + 4], good[i : i + 4]) or 0.0 for i in range(0, len(texts), 4)]
        z = (np.mean(each) - 0.5) / (np.std(each) / np.sqrt(len(each)))
        assert abs(z) < 4
        assert within_prompt_auc(scores, good, prompts) == pytest.approx(np.mean(each))
        uniform = (scores.mean() - 0.5) * np.sqrt(12 * len(scores))
        assert abs(uniform) < 4
        assert ((scores >= 0) & (scores < 1)).all()


def share_of_repeated(key: str, prompts: int = 3000) -> float:
    """How often argmax takes the text that two of three draws have."""
    names, texts, draws = pool_of(prompts, ("a", "a", "b"))
    scores = RandomReward(0, key).score_draws(names, texts, draws).reshape(-1, 3)
    keys = tuple(names[::3])
    ids = np.tile(np.array([0, 0, 1]), (prompts, 1))
    counts = Argmax().resolve({}, ScoredPool(scores, ids, keys, 0)).select(scores, ids, keys)
    assert (counts.sum(1) == 1).all()
    return float(counts[:, :2].sum() / prompts)


def test_what_random_is_keyed_by_decides_its_law() -> None:
    """By draw a text is taken as often as it was drawn, 2 in 3; by text, as one of two: 1 in 2."""
    for key, expected in (("draw", 2 / 3), ("text", 1 / 2)):
        z = (share_of_repeated(key) - expected) / np.sqrt(expected * (1 - expected) / 3000)
        assert abs(z) < 4


def test_random_is_keyed_by_seed_prompt_text_and_draw() -> None:
    by_draw, by_text = RandomReward(0, "draw"), RandomReward(0, "text")
    one = by_draw.score_draws(["p"] * 3, ["t"] * 3, [0, 1, 2])
    assert len(set(one)) == 3
    assert len(set(by_text.score_draws(["p"] * 3, ["t"] * 3, [0, 1, 2]))) == 1
    assert by_text.score(["p"], ["t"]) != by_text.score(["q"], ["t"])
    assert by_text.score(["p"], ["t"]) != by_text.score(["p"], ["u"])
    assert RandomReward(1, "text").score(["p"], ["t"]) != by_text.score(["p"], ["t"])
    assert (by_draw.score_draws(["p"] * 3, ["t"] * 3, [2, 1, 0]) == one[::-1]).all()


# noisy


@dataclass(frozen=True)
class Known:
    """A fitted reward: a standard normal number keyed by the answer."""

    def score(self, prompts: Any, texts: Any) -> FloatArray:
        pairs = zip(prompts, texts, strict=True)
        return np.array([stream(0, "known", p, t).standard_normal() for p, t in pairs])

    def flops(self, answers: int) -> float:
        return 7.0 * answers

    def save(self, folder: Path) -> None:
        folder.mkdir()


def many(count: int = 4000) -> Answers:
    prompts, texts = [f"p{i // 4}" for i in range(count)], [f"t{i}" for i in range(count)]
    truth = stream(0, "truth").random(count) < 1 / (1 + np.exp(-2 * Known().score(prompts, texts)))
    return prompts, texts, truth, [f"c{i // 4 % 20}" for i in range(count)]


def noisy(scale: float, law: str = "gaussian", key: str = "text") -> tuple[NoisyReward, Any]:
    return with_noise(Known(), halves(*many(), seed=0), 0, scale, law, key)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_noise_has_the_stated_correlation(scale: float) -> None:
    """Fisher's z of the correlation with the inner score against 1 / sqrt(1 + scale^2)."""
    reward, _ = noisy(scale)
    prompts, texts, *_ = many()
    inner, linear = Known().score(prompts, texts), reward.linear(prompts, texts, [0] * len(texts))
    ratio = reward.spread / inner.std()
    assert ratio == pytest.approx(scale, rel=0.08)
    expected = 1 / np.sqrt(1 + ratio**2)
    found = float(np.corrcoef(inner, linear)[0, 1])
    z = (np.arctanh(found) - np.arctanh(expected)) * np.sqrt(len(texts) - 3)
    assert abs(z) < 4


def test_the_tail_is_that_of_the_law() -> None:
    """Quartiles of Student's t with 2 degrees of freedom are at +-.8165, of the normal at .6745."""
    prompts, texts, *_ = many()
    inner = Known().score(prompts, texts)
    share = {}
    for law in ("gaussian", "student_t2"):
        reward, _ = noisy(1.0, law)
        noise = (reward.linear(prompts, texts, [0] * len(texts)) - inner) / reward.spread
        share[law] = {cut: float((np.abs(noise) < cut).mean()) for cut in (0.6745, 0.8165)}
        # P(|z| > 5) is 6e-7 for the normal and .038 for t: 152 of 4,000.
        assert (
            (np.abs(noise) > 5).sum() == 0 if law == "gaussian" else (np.abs(noise) > 5).sum() > 90
        )
    bound = 4 * np.sqrt(0.25 / len(texts))
    assert abs(share["gaussian"][0.6745] - 0.5) < bound
    assert abs(share["student_t2"][0.8165] - 0.5) < bound
    assert abs(share["student_t2"][0.6745] - 0.5) > bound


def test_noise_is_one_number_an_answer_or_one_a_draw() -> None:
    prompts, texts = ["p"] * 3, ["t"] * 3
    assert len(set(noisy(1.0)[0].score_draws(prompts, texts, [0, 1, 2]))) == 1
    assert len(set(noisy(1.0, key="draw")[0].score_draws(prompts, texts, [0, 1, 2]))) == 3


def test_without_noise_the_ranking_is_the_inner_one_and_noise_costs_auc() -> None:
    prompts, texts, truth, _ = many()
    inner = Known().score(prompts, texts)
    clean, told = noisy(0.0)
    scores = clean.score(prompts, texts)
    assert (np.argsort(scores, kind="stable") == np.argsort(inner, kind="stable")).all()
    assert told.auc == pytest.approx(auc(inner[halves_held()], truth[halves_held()]))
    found = [auc(noisy(s)[0].score(prompts, texts), truth) or 0.0 for s in (0.0, 1.0, 4.0)]
    assert found[0] > found[1] + 0.03 > found[2] + 0.06


def halves_held() -> Any:
    held = set(halves(*many(), seed=0).rest.texts)
    return np.array([t in held for t in many()[1]])


def test_a_noisy_probability_is_one() -> None:
    """Brier of the calibrated noisy score, on answers it has not seen, beats a constant."""
    prompts, texts, truth, _ = many()
    reward, report = noisy(1.0)
    fresh = ~halves_held()
    scores = reward.score(prompts, texts)[fresh]
    for low, high in ((0.0, 0.4), (0.4, 0.6), (0.6, 1.0)):
        here = (scores >= low) & (scores < high)
        assert abs(truth[fresh][here].mean() - scores[here].mean()) < 0.08
    assert report.brier < 0.25
    assert reward.flops(3) == 21.0


# all of them

FITTED = ["proxy", "bradley_terry", "random", "noisy"]


@pytest.mark.parametrize("name", FITTED)
def test_a_registered_reward_is_saved_and_loaded_bit_by_bit(name: str, tmp_path: Path) -> None:
    kind: Any = REWARDS.get(name)
    made, told = kind.fit(*cases(60, 0), 0)
    again, _ = kind.fit(*cases(60, 0), 0)
    made.save(tmp_path / "it")
    loaded = kind.load(tmp_path / "it")
    assert {f.suffix for f in (tmp_path / "it").rglob("*.*")} <= {".safetensors", ".json"}
    prompts, texts, *_ = cases(40, 1)
    scores = score_draws(made, prompts, texts, range(len(texts)))
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (score_draws(loaded, prompts, texts, range(len(texts))) == scores).all()
    assert (score_draws(again, prompts, texts, range(len(texts))) == scores).all()
    assert loaded.flops(5) == made.flops(5)
    assert told["n_label"] == 120
    assert sum(b["n"] for b in told["reliability"]) == told["n_held_out"] > 0
    assert 0 <= told["n_correct"] <= told["n_held_out"]


@pytest.mark.parametrize("name", ["random", "noisy"])
def test_damaged_files_are_one_clear_error(name: str, tmp_path: Path) -> None:
    kind: Any = REWARDS.get(name)
    kind.fit(*cases(60, 0), 0)[0].save(tmp_path)
    for text in ("{", '{"seed": 0}', '{"seed": 0, "key": "words", "law": "gaussian"}'):
        (tmp_path / "keyed.json").write_text(text)
        with pytest.raises(DataError, match="not a"):
            kind.load(tmp_path)


def test_noise_on_another_reward_than_the_proxy() -> None:
    kind: Any = REWARDS.get("noisy")
    on_pairs = ready(
        kind, {"inner": "bradley_terry", "scale": 1.0, "law": "gaussian", "key": "text"}
    )
    made, told = on_pairs.fit(*cases(60, 0), 0)
    assert told["n_pairs"] > 0
    assert told["fit_flops"] > 0
    assert made.flops(1) > 0
    assert on_pairs.least_draws == 2  # type: ignore[attr-defined]
    assert not needs_body(on_pairs)
    assert needs_body(ready(kind, {"inner": "body_head"}))
    for inner in ("noisy", "gold"):
        with pytest.raises(ConfigError, match="cannot carry noise"):
            ready(kind, {"inner": inner})
    with pytest.raises(UnknownNameError, match="Did you mean 'proxy'"):
        ready(kind, {"inner": "prxy"})


def test_a_body_reward_without_a_body_says_so() -> None:
    kind: Any = REWARDS.get("body_head")
    with pytest.raises(ValueError, match="on_body"):
        kind.fit(*cases(10, 0), 0)


def test_the_proxy_counts_what_it_gets_right() -> None:
    data, _ = uncertain(300, 3)
    model, report = fit_proxy(*data, seed=0)
    rest = halves(*data, seed=0).rest
    scores = model.score(rest.prompts, rest.texts)
    right = sum((s >= 0.5) == bool(t) for s, t in zip(scores, rest.truth, strict=True))
    assert report.n_correct == right
    assert report.within_auc == within_prompt_auc(scores, rest.truth, rest.prompts)
