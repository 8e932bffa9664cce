"""Policy selector: its features, its network against torch and Keras, weighted steps, its draws."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rsft_bench.harness.errors import ConfigError, DataError, UserError
from rsft_bench.harness.policies.selector import Selector
from rsft_bench.harness.policies.selector_features import fit_features
from rsft_bench.harness.policies.selector_kind import SELECTOR, SELECTOR_KERAS
from rsft_bench.harness.policies.selector_network import (
    cross_entropy,
    forward_flops,
    initial,
    law,
    make_steps,
    outputs,
    step_flops,
    train,
)
from rsft_bench.harness.types import Budget, Sampling, TrainRow, WeightedSet

WORDS = ("late parcel", "lost card", "torn shirt", "new street", "old bill", "wet box")
ANSWERS = tuple("ABCDEFGHIJ")
PROMPTS = tuple(
    f"Choices: {' | '.join(ANSWERS)}\nCustomer: my {WORDS[i % 6]} {WORDS[(i // 6) % 6]}\nAgent:"
    for i in range(36)
)
BUDGET = Budget(steps=20, batch=8, lr=0.01)


def rows(shift: int = 0, weight: float = 1 / 36) -> tuple[TrainRow, ...]:
    return tuple(
        TrainRow(str(i), p, ANSWERS[(i + shift) % 6], weight) for i, p in enumerate(PROMPTS)
    )


D = WeightedSet("D", rows(), 0.5, "train-D")
A = WeightedSet("A", rows(1), 0.5, "train-A")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def fitted() -> Selector:
    policy = SELECTOR.load({}).fit([D], BUDGET, 0).policy
    assert isinstance(policy, Selector)
    return policy


def test_features_are_latent_semantic_analysis() -> None:
    """Against numpy's own SVD of TF-IDF written out from its definition."""
    found = fit_features(PROMPTS)
    texts = [p.split("\n", 1)[1].lower().replace(":", "").split() for p in PROMPTS]
    # As the vectoriser has it: words of two letters or more, and pairs of them.
    grams = [Counter(t) + Counter(map(" ".join, zip(t, t[1:], strict=False))) for t in texts]
    assert found.terms == tuple(sorted(set().union(*grams)))
    n = len(PROMPTS)
    seen = np.array([sum(term in g for g in grams) for term in found.terms])
    idf = np.log((1 + n) / (1 + seen)) + 1
    np.testing.assert_allclose(found.idf, idf, rtol=1e-12)
    weights = np.array([[g[t] for t in found.terms] for g in grams]) * idf
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    got, terms = found.transform(PROMPTS)
    assert terms == [len(g) for g in grams]
    assert got.shape == (n, 100)
    assert float((got**2).mean()) == pytest.approx(1)
    # Full rank: projection keeps all inner products up to the one scale.
    scale = (got**2).sum() / (weights**2).sum()
    np.testing.assert_allclose(got @ got.T, scale * weights @ weights.T, atol=1e-6)
    alone, _ = found.transform(PROMPTS[5:6])
    np.testing.assert_array_equal(alone[0], got[5])
    assert not found.transform(["Choices: late | parcel\n?"])[0].any()


def test_features_need_words() -> None:
    with pytest.raises(DataError, match="no features can be learnt"):
        fit_features(["Choices: A | B\n?"])
    # One prompt: one direction, the rest zeros.
    got = fit_features(PROMPTS[:1]).transform(PROMPTS[:2])[0]
    assert (got[:, 1:] == 0).all()
    assert float(got[0, 0] ** 2) == pytest.approx(100)


def test_the_law_is_the_networks() -> None:
    layers = initial(3, 10)
    assert [a.shape for a in layers] == [(50, 100), (50,), (10, 50), (10,)]
    assert float(np.abs(layers.hidden).max()) <= 0.1
    inputs = np.random.default_rng(0).normal(size=(5, 100))
    tensors = [torch.from_numpy(a) for a in layers]
    expected = outputs(tensors, torch.from_numpy(inputs.astype(np.float32))).softmax(-1)
    for i in range(5):
        np.testing.assert_allclose(law(layers, inputs[i]), expected[i].numpy(), atol=1e-6)
    assert not np.array_equal(initial(4, 10).hidden, layers.hidden)


def test_a_step_is_the_protocols_objective() -> None:
    """Mean over many steps of (rows / B) sum w_i NLL_i = sum over sets of coefficient sum w NLL."""
    budget = Budget(steps=36, batch=5, lr=0.01)
    uneven = tuple(replace(r, weight=(i + 1) / 500) for i, r in enumerate(rows(1)[:12]))
    sets = [D, WeightedSet("A", uneven, 0.25, "train-A")]
    n = sum(len(s.rows) for s in sets)
    steps = make_steps(sets, np.zeros((n, 100)), [0] * n, budget, seed=0)
    assert steps.rows.shape == steps.weights.shape == (36, 10)
    totals = np.zeros(n)
    np.add.at(totals, steps.rows, steps.weights)
    # 36 steps of 5 rows are five whole epochs of D, fifteen of A.
    whole = [s.coefficient * r.weight for s in sets for r in s.rows]
    np.testing.assert_allclose(totals / 36, whole, rtol=1e-5)


def test_weights_reach_the_probabilities() -> None:
    """Two answers of one prompt with weights 3 to 1 end at .75 and .25."""
    pair = (TrainRow("a", PROMPTS[0], "A", 0.75), TrainRow("a", PROMPTS[0], "B", 0.25))
    other = tuple(TrainRow(str(i), PROMPTS[i], "C", 0.1) for i in (7, 14))
    sets = [WeightedSet("D", pair + other, 1.0, "train-D")]
    policy = SELECTOR.load({}).fit(sets, Budget(400, 4, 0.02), 0).policy
    answers, probabilities = policy.law(PROMPTS[0])  # type: ignore[attr-defined]
    found = dict(zip(answers, probabilities, strict=True))
    assert (found["A"], found["B"]) == pytest.approx((0.75, 0.25), abs=0.01)


def test_fits_are_pure_and_features_stay(fitted: Selector) -> None:
    again = SELECTOR.load({}).fit([D], BUDGET, 0, keep=[20]).policy
    assert isinstance(again, Selector)
    assert again.fitted is not None
    assert fitted.fitted is not None
    for a, b in zip(again.fitted.layers, fitted.fitted.layers, strict=True):
        np.testing.assert_array_equal(a, b)
    # Later fits keep the map that the first one learnt, whatever they read.
    fewer = WeightedSet("A", rows(1)[:3], 1.0, "train-A")
    on = fitted.fit([replace(D, coefficient=0.0), fewer], BUDGET, 0, keep=[5, 20])
    assert isinstance(on.policy, Selector)
    assert on.policy.fitted is not None
    assert on.policy.fitted.features is fitted.fitted.features
    assert on.rows_seen == {"A": 160}
    assert on.policy.law(PROMPTS[0])[1].tolist() == on.kept[20].law(PROMPTS[0])[1].tolist()  # type: ignore[attr-defined]
    assert on.policy.law(PROMPTS[0])[1].tolist() != on.kept[5].law(PROMPTS[0])[1].tolist()  # type: ignore[attr-defined]
    assert fitted.fit([D], replace(BUDGET, steps=0), 0).policy is fitted
    assert on.losses[-1] < on.losses[0]


def test_the_objective_splits_over_sets(fitted: Selector) -> None:
    """Coefficient 0 is training without the set, bit for bit."""
    with_zero = fitted.fit([D, replace(A, coefficient=0.0)], BUDGET, 0)
    without = fitted.fit([D], BUDGET, 0)
    assert with_zero.losses == without.losses
    assert fitted.fit([D, A], BUDGET, 0).losses != without.losses


def test_the_loss_option_is_the_articles_mistake() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)]])
    label = torch.tensor([1])
    assert float(cross_entropy(logits, label, "logits")) == pytest.approx(-math.log(0.75))
    # Its argument is (.25, .75): -log(e^.75 / (e^.25 + e^.75)) = log(1 + e^-.5).
    wrong = float(cross_entropy(logits, label, "softmax"))
    assert wrong == pytest.approx(math.log(1 + math.exp(-0.5)))
    # However sure it is, ten choices leave it log(1 + 9/e) = 1.46 nats above 0.
    sure = torch.zeros(1, 10)
    sure[0, 3] = 100.0
    floor = float(cross_entropy(sure, torch.tensor([3]), "softmax"))
    assert floor == pytest.approx(math.log(1 + 9 / math.e), abs=1e-5)


def test_draws_follow_the_law(fitted: Selector) -> None:
    asked = [(str(i), p) for i, p in enumerate(PROMPTS)]
    found = fitted.sample(asked, range(3), Sampling(), 0, "test")
    assert [(r.example_id, r.draw) for r in found] == [(i, d) for i, _ in asked for d in range(3)]
    alone = fitted.sample(asked[7:8], range(1, 2), Sampling(), 0, "test")
    assert alone == [found[7 * 3 + 1]]
    for r in found:
        assert r.logprob == pytest.approx(fitted.logprob(PROMPTS[int(r.example_id)], r.text))
    answers, probabilities = fitted.law(PROMPTS[0])
    drawn = fitted.sample(asked[:1], range(4000), Sampling(), 0, "test")
    counts = Counter(r.text for r in drawn)
    for answer, p in zip(answers, probabilities, strict=True):
        z = (counts[answer] - 4000 * p) / math.sqrt(4000 * p * (1 - p))
        assert abs(z) < 4
    greedy = fitted.sample(asked[:1], range(5), Sampling(temperature=0), 0, "test")
    assert {r.text for r in greedy} == {answers[int(probabilities.argmax())]}
    assert fitted.logprob(PROMPTS[0], "never") == -math.inf


def test_the_untrained_policy_has_read_nothing() -> None:
    base = SELECTOR.load({"seed": 5})
    assert base.law(PROMPTS[0])[1].tolist() == base.law(PROMPTS[9])[1].tolist()
    assert float(np.abs(base.law(PROMPTS[0])[1] - 0.1).max()) < 0.05
    three = base.law("Choices: b | a | c\nAgent:")
    assert three[0] == ("a", "b", "c")
    assert len(three[1]) == 3


def test_l18_counts_the_network() -> None:
    """2 (100 * 50 + 50 * 10) forward; no gradient of the inputs: 2.09 times more to train."""
    assert forward_flops(10) == 11_000
    assert step_flops(10) == 23_000
    assert step_flops(10) / forward_flops(10) == pytest.approx(2.09, abs=0.001)


def test_work_is_counted(fitted: Selector) -> None:
    assert fitted.fitted is not None
    terms = fitted.fitted.features.transform(PROMPTS)[1]
    done = fitted.fit([D, A], BUDGET, 0)
    assert done.flops == 20 * 8 * 2 * 23_000 + 200 * sum(terms) == fitted.fit_flops([D, A], BUDGET)
    # my WORD WORD WORD WORD, "customer" and "agent"; one stop; ten answers with nine bars.
    assert done.tokens == 20 * 8 * 2 * (1 + 1 + 19 + 1 + 1 + 5 + 1 + 1 + 1 + 1)
    asked = [("0", PROMPTS[0]), ("1", PROMPTS[1])]
    drawn = fitted.sample(asked, range(3), Sampling(), 0, "x")
    work = fitted.draw_flops(asked, drawn, Sampling())
    assert work.prompts == tuple(200 * t + 11_000 for t in terms[:2])
    assert work.answers == (20.0,) * 6
    # The first fit counts the features that it will learn.
    assert SELECTOR.load({}).fit_flops([D], BUDGET) == 20 * 8 * 23_000 + 200 * sum(terms)


def test_it_is_saved_and_restored(fitted: Selector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "a")
    again = SELECTOR.restore({}, tmp_path / "a")
    assert again.law(PROMPTS[3])[1].tolist() == fitted.law(PROMPTS[3])[1].tolist()
    again.save(tmp_path / "b")
    for name in ("selector.json", "selector.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    SELECTOR.load({}).save(tmp_path / "base")
    assert SELECTOR.restore({}, tmp_path / "base").fitted is None
    (tmp_path / "a" / "selector.safetensors").unlink()
    with pytest.raises(DataError, match="not a classifier"):
        SELECTOR.restore({}, tmp_path / "a")


def test_what_it_cannot_answer(fitted: Selector) -> None:
    SELECTOR.check({}, PROMPTS)
    other = "Choices: A | B\nAgent:"
    with pytest.raises(DataError, match="one closed set of answers"):
        SELECTOR.check({}, [*PROMPTS, other])
    with pytest.raises(DataError, match="needs a line 'Choices: A | B'"):
        SELECTOR.check({}, ["Customer: hi\nAgent:"])
    with pytest.raises(DataError, match="other choices"):
        fitted.law(other)
    wrong = WeightedSet("D", (TrainRow("a", PROMPTS[0], "Z", 1.0),), 1.0, "train-D")
    with pytest.raises(DataError, match="'Z' is none of its prompt's choices"):
        fitted.fit([wrong], BUDGET, 0)
    with pytest.raises(ConfigError, match="policy 'selector', loss"):
        SELECTOR.load({"loss": "hinge"})
    with pytest.raises(UserError, match="training diverged"):
        SELECTOR.load({}).fit([replace(D, coefficient=math.inf)], BUDGET, 0)


def test_an_absent_keras_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'rsft-bench\[keras\]'"):
        SELECTOR_KERAS.check({}, PROMPTS)


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="extra keras not installed")
def test_keras_takes_the_same_steps() -> None:
    """One start, order, weights, schedule and clipping; two libraries' Adam and gradients."""
    from rsft_bench.harness.policies import selector_keras

    base: Any = SELECTOR_KERAS.load({})
    done = base.fit([D, A], BUDGET, 0, keep=[5])
    same = SELECTOR.load({}).fit([D, A], BUDGET, 0, keep=[5])
    np.testing.assert_allclose(done.losses, same.losses, rtol=1e-3)
    for ours, theirs in ((same.policy, done.policy), (same.kept[5], done.kept[5])):
        np.testing.assert_allclose(
            ours.law(PROMPTS[0])[1],  # type: ignore[attr-defined]
            theirs.law(PROMPTS[0])[1],
            atol=1e-3,
        )
    assert done.policy.engine == "keras"
    # Clipping bites, and alike. The two put Adam's epsilon before and after its bias correction.
    features = fit_features(PROMPTS).transform(PROMPTS)[0]
    steps = make_steps([D], features, [i % 6 for i in range(36)], BUDGET, 0)
    start, tight = initial(0, 10), replace(BUDGET, clip=0.1)
    ours = np.array(train(start, steps, tight, "logits", ()).losses)
    theirs = np.array(selector_keras.train(start, steps, tight, "logits", ()).losses)
    free = np.array(train(start, steps, BUDGET, "logits", ()).losses)
    assert np.abs(ours - theirs).max() < np.abs(ours - free).max() / 5
    with pytest.raises(ValueError, match="'logits' only"):
        selector_keras.train(initial(0, 10), steps, BUDGET, "softmax", ())
