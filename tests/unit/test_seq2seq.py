"""The encoder-decoder: its tokens, its law, its draws, what it learns and what that costs."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from rsft_bench.harness.errors import ConfigError, DataError, UserError
from rsft_bench.harness.policies import POLICIES
from rsft_bench.harness.policies.seq2seq import Seq2Seq, _pair
from rsft_bench.harness.policies.seq2seq_network import (
    HEADS,
    Pair,
    Size,
    answer_flops,
    nll,
    prompt_flops,
    train_flops,
)
from rsft_bench.harness.policies.seq2seq_tokens import NUMBERS, codec
from rsft_bench.harness.policy_kinds import Counted, OwnPolicy, OwnTrainer, Scorer
from rsft_bench.harness.types import Budget, Completion, Sampling, TrainRow, WeightedSet

PROMPT = (
    "Policy: Name the carrier and the day.\n"
    "Record: carrier: Garcart; item: judo mat; order number: 13749; due: 11 September\n"
    "Customer: When will my judo mat arrive?\nAgent:"
)
SHORT = "Customer: Is order 7 late?\nAgent:"
ANSWER = "Order 13749 is in transit with Garcart, due on 11 September."
KIND = POLICIES.get("seq2seq")
SMALL = {"width": 32, "layers": 1}
FULL = Sampling(max_new_tokens=6)


def small(seed: int = 0) -> Seq2Seq:
    return KIND.load({**SMALL, "seed": seed})


def rows(*pairs: tuple[str, str], weight: float = 0.05) -> tuple[TrainRow, ...]:
    return tuple(TrainRow(f"e{i}", p, a, weight) for i, (p, a) in enumerate(pairs))


D = WeightedSet("D", rows((PROMPT, ANSWER), (SHORT, "No, order 7 is on time.")), 1.0, "train-D")
BUDGET = Budget(steps=6, batch=2, lr=0.01)


def texts(found: list[Completion]) -> list[tuple[str, int, str]]:
    return [(row.example_id, row.draw, row.text) for row in found]


def test_it_is_what_the_stages_ask_for() -> None:
    policy = small()
    assert isinstance(KIND, OwnTrainer)
    for protocol in (OwnPolicy, Counted, Scorer):
        assert isinstance(policy, protocol)


def test_words_of_the_prompt_are_one_token_in_the_answer() -> None:
    tokens = codec()
    words = tokens.numbered(PROMPT)
    ids = tokens.answer(ANSWER, words)
    assert {"Garcart", "13749", "11"} <= set(words)
    assert tokens.decode(ids, words) == ANSWER
    for word in ("Garcart", "13749", "11"):
        place = tokens.spelled + words.index(word)
        assert ids.count(place) == 1
        assert place in tokens.prompt(PROMPT, words)
    assert len(ids) < len(tokens.answer(ANSWER, ()))
    assert tokens.decode(tokens.answer(ANSWER, ()), ()) == ANSWER
    # A number that stands for no word of this prompt says nothing.
    assert tokens.decode([tokens.spelled + NUMBERS - 1], words) == ""


def test_the_law_sums_to_one_and_padding_changes_nothing() -> None:
    policy, tokens = small(), codec()
    prompt = tokens.prompt(SHORT, tokens.numbered(SHORT))
    every = [Pair(prompt, [i]) for i in range(tokens.vocabulary)]
    with torch.inference_mode():
        first = nll(policy.model, every).double()
        pair, other = _pair(PROMPT, ANSWER), _pair(SHORT, "No.")
        both, alone = nll(policy.model, [pair, other]), nll(policy.model, [other])
    assert float((-first).exp().sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(both[1]) == pytest.approx(float(alone[0]), abs=1e-4)
    assert policy.logprob(SHORT, "No.") == pytest.approx(-float(alone[0]), abs=1e-4)


def test_draws_do_not_depend_on_order_or_block() -> None:
    policy = small()
    asked = [("a", PROMPT), ("b", SHORT), ("c", SHORT)]
    whole = policy.sample(asked, range(4), FULL, 3, "pool")
    assert [(r.example_id, r.draw) for r in whole] == [(n, d) for n, _ in asked for d in range(4)]
    turned = policy.sample(asked[::-1], range(4), FULL, 3, "pool")
    assert sorted(texts(turned)) == sorted(texts(whole))
    apart = [row for one in asked for row in policy.sample([one], range(2, 4), FULL, 3, "pool")]
    assert texts(apart) == [t for t in texts(whole) if t[1] >= 2]
    for a, b in zip(apart, [r for r in whole if r.draw >= 2], strict=True):
        assert a.logprob == pytest.approx(b.logprob, abs=1e-3)
    assert texts(policy.sample(asked, range(4), FULL, 4, "pool")) != texts(whole)


def test_draws_follow_the_law() -> None:
    """Frequencies of the first token: chi-square over its 10 likeliest values and the rest."""
    policy, tokens, n = fitted(), codec(), 2000
    prompt = tokens.prompt(SHORT, tokens.numbered(SHORT))
    with torch.inference_mode():
        every = [Pair(prompt, [i]) for i in range(tokens.vocabulary)]
        law = np.exp(-nll(policy.model, every).double().numpy())
    drawn = policy.sample([("x", SHORT)], range(n), Sampling(max_new_tokens=1), 0, "law")
    told = np.sort(np.round(-law, 6))[:10]
    assert len(set(told)) == 10, "the test tells tokens apart by their probability"
    top = np.argsort(-law)[:10]
    seen = np.array([row.logprob for row in drawn])
    counts = np.array([np.sum(np.abs(np.exp(seen) - law[i]) < 1e-4 * law[i]) for i in top])
    observed = np.append(counts, n - counts.sum())
    expected = n * np.append(law[top], 1 - law[top].sum())
    statistic = float(((observed - expected) ** 2 / expected).sum())
    assert abs(statistic - 10) / math.sqrt(20) < 4


def fitted() -> Seq2Seq:
    policy = small().fit([D], BUDGET, 0).policy
    assert isinstance(policy, Seq2Seq)
    return policy


def test_greedy_is_the_likeliest_token_and_repeats() -> None:
    policy = fitted()
    cold = Sampling(temperature=0, max_new_tokens=4)
    found = policy.sample([("a", PROMPT)], range(3), cold, 0, "test")
    assert [row.draw for row in found] == [0, 1, 2]
    assert len({row.text for row in found}) == 1
    warm = policy.sample([("a", PROMPT)], range(20), Sampling(max_new_tokens=1), 0, "test")
    first = policy.sample([("a", PROMPT)], range(1), Sampling(0, max_new_tokens=1), 0, "test")
    assert first[0].logprob >= max(row.logprob for row in warm) - 1e-6


def test_stop_strings_end_an_answer() -> None:
    policy = small()
    long = Sampling(max_new_tokens=12)
    plain = policy.sample([("a", PROMPT)], range(6), long, 0, "test")
    row = max(plain, key=lambda r: len(r.text))
    letter = row.text[len(row.text) // 2]
    cut = policy.sample(
        [("a", PROMPT)], range(6), Sampling(max_new_tokens=12, stop=(letter,)), 0, "test"
    )[row.draw]
    assert cut.text == row.text[: row.text.index(letter)].strip()
    assert cut.finish_reason == "stop"
    assert cut.tokens_out < row.tokens_out
    assert cut.logprob > row.logprob


def test_a_fit_learns_is_pure_and_keeps_checkpoints() -> None:
    policy = small()
    before = policy.logprob(PROMPT, ANSWER)
    budget = Budget(steps=40, batch=2, lr=0.01)
    done = policy.fit([D], budget, 0, keep=(20,))
    assert isinstance(done.policy, Seq2Seq)
    assert policy.logprob(PROMPT, ANSWER) == before
    after, half = done.policy.logprob(PROMPT, ANSWER), done.kept[20].logprob(PROMPT, ANSWER)  # type: ignore[attr-defined]
    assert after > half > before
    assert after > before / 3
    again = policy.fit([D], budget, 0)
    assert again.losses == done.losses
    assert isinstance(again.policy, Seq2Seq)
    assert again.policy.weights is not None
    assert done.policy.weights is not None
    for name, weight in again.policy.weights.items():
        assert np.array_equal(weight, done.policy.weights[name])
    assert done.rows_seen == {"D": 80}


def test_the_objective_is_the_weighted_sum_over_sets() -> None:
    """One step's loss by hand: coefficients, weights, and (rows / batch) of each set."""
    policy = small()
    a = WeightedSet("A", rows((SHORT, "Yes."), weight=0.2), 0.25, "train-A")
    done = policy.fit([D, a], Budget(steps=1, batch=2, lr=1e-3), 0)
    of_d = sum(r.weight * -policy.logprob(r.prompt, r.completion) for r in D.rows)
    of_a = 0.25 * 0.2 * -policy.logprob(SHORT, "Yes.")
    assert done.losses[0] == pytest.approx(of_d + of_a, rel=1e-5)
    zero = WeightedSet("A", a.rows, 0.0, "train-A")
    assert policy.fit([D, zero], BUDGET, 0).losses == policy.fit([D], BUDGET, 0).losses


def test_divergence_is_one_line() -> None:
    with pytest.raises(UserError, match=r"diverged at step \d+ of 6.*lower training.lr"):
        small().fit([D], Budget(steps=6, batch=2, lr=1e30, clip=1e30, schedule="constant"), 0)


def test_saved_and_restored_alike(tmp_path: Path) -> None:
    policy = fitted()
    policy.save(tmp_path / "a")
    back = KIND.restore(SMALL, tmp_path / "a")  # type: ignore[attr-defined]
    back.save(tmp_path / "b")
    stored = [p.name for p in (tmp_path / "a").iterdir()]
    assert stored == ["seq2seq.safetensors"]
    assert (tmp_path / "a" / stored[0]).read_bytes() == (tmp_path / "b" / stored[0]).read_bytes()
    assert back.logprob(PROMPT, ANSWER) == policy.logprob(PROMPT, ANSWER)
    with pytest.raises(DataError, match="not an encoder-decoder"):
        KIND.restore({"width": 64, "layers": 1}, tmp_path / "a")  # type: ignore[attr-defined]
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(DataError, match="not an encoder-decoder"):
        KIND.restore(SMALL, tmp_path / "a")  # type: ignore[attr-defined]


def test_the_untrained_weights_are_keyed() -> None:
    assert small(0).logprob(SHORT, "Yes.") == small(0).logprob(SHORT, "Yes.")
    assert small(0).logprob(SHORT, "Yes.") != small(1).logprob(SHORT, "Yes.")
    assert KIND.fingerprint(SMALL) != KIND.fingerprint({**SMALL, "seed": 1})
    with pytest.raises(ConfigError, match="width"):
        KIND.load({"width": 65})


def test_flops_are_those_that_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    policy, size = small(), Size(32, 1)
    pair = _pair(PROMPT, ANSWER)
    # The counter knows no fused attention on a processor.
    policy.model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        nll(policy.model, [pair]).sum().backward()
    p, g = len(pair.prompt), len(pair.answer)
    forward = prompt_flops(size, p) + answer_flops(codec().vocabulary, size, p, g, cached=False)
    assert train_flops(codec().vocabulary, size, pair) == 3 * forward
    assert counter.get_total_flops() == pytest.approx(3 * forward, rel=0.01)
    done = policy.fit([D], BUDGET, 0)
    assert done.flops == pytest.approx(policy.fit_flops([D], BUDGET))
    drawn = policy.sample([("a", PROMPT)], range(2), FULL, 0, "test")
    counted = policy.draw_flops([("a", PROMPT)], drawn, FULL)
    assert counted.prompts == (prompt_flops(size, p),)
    assert counted.answers[0] == answer_flops(codec().vocabulary, size, p, drawn[0].tokens_out)
    assert HEADS == 4
