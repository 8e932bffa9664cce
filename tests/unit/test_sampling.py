"""The sampling law by properties and by hand, and the contract of ``sample`` and ``score``."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rsft_bench.harness import sampling
from rsft_bench.harness.errors import InfrastructureError
from rsft_bench.harness.policies.language_model import load
from rsft_bench.harness.sampling import llama, sample, sample_raw, score, scoring
from rsft_bench.harness.sampling.answers import Request
from rsft_bench.harness.sampling.law import draw, inverse_cdf, nucleus, probabilities
from rsft_bench.harness.sampling.loop import admit, groups
from rsft_bench.harness.types import Sampling

LOGITS = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 80)),
    # Steps of 1/1024: closer logits may tie as float32 probabilities.
    elements=st.integers(-20 * 1024, 20 * 1024).map(lambda n: n / 1024),
)
LAWS = st.builds(
    Sampling,
    temperature=st.sampled_from([0.05, 0.5, 1.0, 2.0]),
    top_p=st.sampled_from([0.01, 0.5, 0.9, 1.0]),
    top_k=st.sampled_from([0, 1, 3, 1000]),
)
UNIT = st.floats(0, 1, exclude_max=True)
PROMPT = "Policy: be kind.\nRecord: none found\nCustomer: Hi\nAgent:"


@given(LOGITS, LAWS, UNIT)
@settings(deadline=None)
def test_a_drawn_token_always_has_weight(logits, law, u):
    rows = torch.from_numpy(logits)
    weights = probabilities(rows, law)
    tokens, logprobs, sampled = draw(rows, law, torch.full((len(rows),), u, dtype=torch.float64))
    assert (weights.gather(1, tokens[:, None]) > 0).all()
    expected = rows.double().log_softmax(-1).gather(1, tokens[:, None])[:, 0]
    assert torch.allclose(logprobs, expected, atol=1e-4)
    assert (sampled <= 1e-6).all()


@given(LOGITS, UNIT)
@settings(deadline=None)
def test_inverse_cdf_is_the_textbook_one(logits, u):
    """Against one cumulative sum; where u falls within rounding of a step both sides are right."""
    weights = torch.from_numpy(logits).softmax(-1)
    tokens, _ = inverse_cdf(weights, torch.full((len(weights),), u, dtype=torch.float64))
    for row, token in zip(weights.double().numpy(), tokens.tolist(), strict=True):
        upper = row.cumsum()
        target = u * upper[-1]
        assert upper[token] - row[token] <= target + 1e-12
        assert target <= upper[token] + 1e-12


@given(LOGITS, LAWS)
@settings(deadline=None)
def test_laws_of_truncation(logits, law):
    rows = torch.from_numpy(logits)
    weights = probabilities(rows, law)
    kept = weights > 0
    assert kept.any(-1).all()
    if law.top_k > 0:
        distinct = [len(np.unique(row)) == len(row) for row in logits]
        assert (kept.sum(-1)[torch.tensor(distinct)] <= law.top_k).all()
    # Nothing kept is less likely than something cut off.
    least = rows.masked_fill(~kept, math.inf).amin(-1)
    best_cut = rows.masked_fill(kept, -math.inf).amax(-1)
    assert (best_cut <= least).all()


@pytest.mark.parametrize(("top_k", "top_p"), [(5, 1.0), (0, 0.7), (9, 0.6)])
def test_truncation_equals_transformers_warpers(top_k, top_p):
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = torch.from_numpy(np.random.Generator(np.random.PCG64(1)).normal(size=(20, 60))).float()
    expected = TemperatureLogitsWarper(0.8)(None, logits)
    if top_k:
        expected = TopKLogitsWarper(top_k)(None, expected)
    if top_p < 1:
        expected = TopPLogitsWarper(top_p)(None, expected)
    weights = probabilities(logits, Sampling(temperature=0.8, top_k=top_k, top_p=top_p))
    ours = weights / weights.sum(-1, keepdim=True)
    assert torch.allclose(ours, expected.softmax(-1), atol=1e-6)


def test_nucleus_by_hand():
    """0.5 alone is short of 0.6; 0.5 + 0.3 reaches it; of equal tokens the first stays."""
    weights = torch.tensor([[0.2, 0.5, 0.3], [0.25, 0.5, 0.25]])
    assert nucleus(weights, 0.6).tolist() == [
        pytest.approx([0, 0.5, 0.3]),
        pytest.approx([0.25, 0.5, 0]),
    ]


def test_inverse_cdf_by_hand():
    """Weights 0, .25, 0, .75, 0: [0, .25) is token 1 and [.25, 1) token 3, in any block layout."""
    uniform = torch.tensor([0.0, 0.2499, 0.25, 0.99999999], dtype=torch.float64)
    for vocabulary in (5, 40, 5000):
        weights = torch.zeros(4, vocabulary)
        first, second = vocabulary // 4, 3 * vocabulary // 4
        weights[:, first], weights[:, second] = 0.25, 0.75
        assert inverse_cdf(weights, uniform)[0].tolist() == [first, first, second, second]


def test_a_tiny_temperature_is_greedy_and_finite():
    logits = torch.tensor([[3.0, 3.5, -2.0]])
    law = Sampling(temperature=1e-30)
    assert draw(logits, law, torch.tensor([0.999], dtype=torch.float64)).tokens.tolist() == [1]


def test_greedy_logprob_by_hand():
    """softmax(0, log 3) = (1/4, 3/4)."""
    drawn = draw(torch.tensor([[0.0, math.log(3)]]), Sampling(temperature=0), torch.empty(0))
    assert drawn.tokens.tolist() == [1]
    assert drawn.logprobs.tolist() == pytest.approx([math.log(0.75)])


def test_order_draws_and_token_counts(tiny_lm):
    prompts = [("b", PROMPT), ("a", "Customer: Where is it?\nAgent:")]
    rows = sample(tiny_lm, prompts, range(2, 5), Sampling(max_new_tokens=6), 0, "t")
    assert [(r.example_id, r.draw) for r in rows] == [(e, d) for e in "ba" for d in (2, 3, 4)]
    assert {r.tokens_in for r in rows[:3]} == {len(tiny_lm.encode_prompt(PROMPT))}
    for r in rows:
        assert 1 <= r.tokens_out <= 6
        assert r.finish_reason == "stop" or r.tokens_out == 6
        assert r.text == r.text.strip()
        assert r.logprob < 0


def test_one_draw_is_the_same_whatever_other_draws_are_asked_for(tiny_lm):
    law = Sampling(max_new_tokens=6)
    many = sample(tiny_lm, [("a", PROMPT)], range(8), law, 0, "t")
    later = sample(tiny_lm, [("a", PROMPT)], range(5, 8), law, 0, "t")
    assert [r.text for r in many[5:]] == [r.text for r in later]
    assert len({r.text for r in many}) > 1


def test_seed_purpose_and_example_name_the_stream(tiny_lm):
    law = Sampling(max_new_tokens=6)
    texts = {
        sample(tiny_lm, [(example, PROMPT)], range(1), law, seed, purpose)[0].text
        for example, seed, purpose in [("a", 0, "t"), ("b", 0, "t"), ("a", 1, "t"), ("a", 0, "u")]
    }
    assert len(texts) == 4


def test_equal_prompts_are_separate_examples(tiny_lm):
    law = Sampling(max_new_tokens=6)
    prompts = [("a", PROMPT), ("x", "Customer: no\nAgent:"), ("b", PROMPT)]
    together = sample(tiny_lm, prompts, range(3), law, 0, "t")
    alone = [r for p in prompts for r in sample(tiny_lm, [p], range(3), law, 0, "t")]
    assert [(r.example_id, r.draw, r.text) for r in together] == [
        (r.example_id, r.draw, r.text) for r in alone
    ]


def test_greedy_repeats_one_answer(tiny_lm):
    law = Sampling(temperature=0, max_new_tokens=5)
    rows = sample(tiny_lm, [("a", PROMPT), ("b", "Customer: no\nAgent:")], range(3), law, 0, "t")
    assert [r.draw for r in rows] == [0, 1, 2, 0, 1, 2]
    assert len({r.text for r in rows[:3]}) == len({r.text for r in rows[3:]}) == 1


def test_nothing_to_do(tiny_lm):
    assert sample(tiny_lm, [], range(8), Sampling(), 0, "t") == []
    assert sample(tiny_lm, [("a", PROMPT)], range(0), Sampling(), 0, "t") == []
    assert score(tiny_lm, []).shape == (0,)


def test_stop_token_ends_an_answer_and_counts(tiny_lm):
    """A head that always wants the stop token: one token out, no text, log-probability near 0."""
    lm = dataclasses.replace(tiny_lm, model=with_head_bias(tiny_lm, tiny_lm.eos_id, 100.0))
    for law in (Sampling(), Sampling(temperature=0)):
        (row,) = sample(lm, [("a", PROMPT)], range(1), law, 0, "t")
        assert (row.text, row.tokens_out, row.finish_reason) == ("", 1, "stop")
        assert row.logprob == pytest.approx(0, abs=1e-6)


def test_no_stop_token_means_length(tiny_lm):
    lm = dataclasses.replace(tiny_lm, model=with_head_bias(tiny_lm, tiny_lm.eos_id, -100.0))
    rows = sample(lm, [("a", PROMPT)], range(20), Sampling(max_new_tokens=30), 0, "t")
    assert {(r.tokens_out, r.finish_reason) for r in rows} == {(30, "length")}


def test_answers_end_where_the_context_is_full(tiny_lm):
    lm = dataclasses.replace(
        tiny_lm, model=with_head_bias(tiny_lm, tiny_lm.eos_id, -100.0), context=64
    )
    prompts = [("long", "x" * 500), ("short", "Customer: hi\nAgent:")]
    rows = sample(lm, prompts, range(1), Sampling(max_new_tokens=60), 0, "t")
    short = len(lm.encode_prompt(prompts[1][1]))
    assert [(r.tokens_in, r.tokens_out) for r in rows] == [(48, 16), (short, min(60, 64 - short))]


def test_damaged_weights_are_an_error(tiny_lm):
    lm = dataclasses.replace(tiny_lm, model=with_head_bias(tiny_lm, 5, math.nan))
    with pytest.raises(InfrastructureError, match=r"not finite on example 'a'"):
        sample(lm, [("a", PROMPT)], range(1), Sampling(), 0, "t")


def with_head_bias(lm, token, value):
    """A copy of the model whose logit of ``token`` is shifted by ``value``."""
    import copy

    model = copy.deepcopy(lm.model)
    bias = torch.zeros(model.lm_head.out_features)
    bias[token] = value
    model.lm_head.bias = torch.nn.Parameter(bias)
    return model


def request(length, number):
    return Request((7,) * length, 10, f"e{length}", number)


def test_prompts_come_shortest_first_and_in_parts_that_fit():
    """Limit 16, so 100 tokens hold (100 - 20) // 16 = 5 rows of the prompt of 20 tokens."""
    rows = [request(20, i) for i in range(7)] + [request(10, 0)]
    assert groups(rows, 16, 100) == [[7], [0, 1, 2, 3, 4], [5, 6]]
    assert groups(rows, 16, 10_000) == [[7], [0, 1, 2, 3, 4, 5, 6]]
    assert groups(rows, 16, 1) == [[7], [0], [1], [2], [3], [4], [5], [6]]


def test_waiting_groups_start_when_half_of_the_budget_is_free():
    """Two groups of 2 rows of limit 10 (16 held) and prompts of 20: 52 tokens each."""
    from collections import deque

    rows = [request(20, i) for i in range(8)]
    waiting = deque([[0, 1], [2, 3], [4, 5], [6, 7]])
    assert admit(waiting, rows, [], 110) == [[0, 1], [2, 3]]
    assert admit(waiting, rows, [104], 110) == []
    assert admit(waiting, rows, [52], 110) == [[4, 5]]
    assert admit(waiting, rows, [], 1) == [[6, 7]]
    assert admit(waiting, rows, [], 110) == []


def stopping(lm, stop, **law):
    law = Sampling(max_new_tokens=40, stop=stop, **law)
    return sample(lm, [("a", PROMPT), ("b", "Customer: no\nAgent:")], range(20), law, 0, "t")


def test_an_answer_ends_at_the_first_stop_string(tiny_lm):
    free = stopping(tiny_lm, ())
    letters = ("e", "t")
    ended = stopping(tiny_lm, letters)
    assert sum(any(x in row.text for x in letters) for row in free) > 10
    for row, cut in zip(free, ended, strict=True):
        found = [row.text.find(x) for x in letters if x in row.text]
        if found:
            assert (cut.text, cut.finish_reason) == (row.text[: min(found)].strip(), "stop")
            assert cut.tokens_out <= row.tokens_out
        else:
            assert (cut.text, cut.tokens_out) == (row.text, row.tokens_out)
    assert sum(c.tokens_out for c in ended) < sum(c.tokens_out for c in free) / 2


def test_a_stop_string_may_span_tokens_and_be_a_line_break(tiny_lm):
    free = next(row.text for row in stopping(tiny_lm, ()) if len(row.text) > 12)
    spanning = stopping(tiny_lm, (free[4:9],))
    cut = next(row for row in spanning if row.text == free[:4].strip())
    assert cut.finish_reason == "stop"
    lm = dataclasses.replace(tiny_lm, model=with_head_bias(tiny_lm, newline(tiny_lm), 100.0))
    assert {(r.text, r.tokens_out, r.finish_reason) for r in stopping(lm, ("\n",))} == {
        ("", 1, "stop")
    }


def newline(lm):
    return lm.tokenizer.encode("\n", add_special_tokens=False)[0]


def test_no_stop_strings_by_default_and_empty_ones_stop_nothing(tiny_lm):
    assert Sampling().stop == ()
    assert stopping(tiny_lm, ("",)) == stopping(tiny_lm, ())


def test_greedy_answers_have_sampled_logprob_zero(tiny_lm):
    law = Sampling(temperature=0, max_new_tokens=5)
    for _, answer in sample_raw(tiny_lm, [("a", PROMPT)], range(2), law, 0, "t"):
        assert answer.sampled_logprob == 0
        assert answer.logprob < 0


def test_scoring_runs_split_and_batch_everything_once():
    pairs = [scoring.Pair((1,) * 300, (2,) * 100) for _ in range(9)]
    pairs.insert(4, scoring.Pair((3,) * 700, (4,)))
    groups = scoring.runs(pairs)
    assert sorted(i for run in groups for i in run.members) == list(range(10))
    assert all(run.tokens <= scoring.RUN_TOKENS or len(run.members) == 1 for run in groups)
    batched = list(scoring.batches(groups * 5))
    assert [run for batch in batched for run in batch] == groups * 5
    assert max(sum(run.tokens for run in batch) for batch in batched) <= scoring.BATCH_TOKENS


@pytest.mark.parametrize("gains", [True, False])
def test_packing_from_the_file_keeps_no_second_copy(
    tiny_lm_folder: Path, monkeypatch: pytest.MonkeyPatch, gains: bool
) -> None:
    """Equal numbers to the bit; what is no new copy is a view of the policy's own weights."""
    lm = load(tiny_lm_folder)
    monkeypatch.setattr(sampling, "SPARE_ABOVE", 0)
    monkeypatch.setattr(llama, "_gains", lambda weight: gains)
    spares = []
    monkeypatch.setattr(sampling, "load", lambda folder: spares.append(load(folder)) or spares[0])
    packed, plain = sampling.prepare(lm, tiny_lm_folder), sampling.prepare(lm)
    [spare] = spares
    theirs = {p.untyped_storage().data_ptr() for p in spare.model.parameters()}
    pairs = list(zip(tensors(packed), tensors(plain), strict=True))
    assert len(pairs) > 10
    for ours, other in pairs:
        if ours.is_mkldnn:
            ours, other = ours.to_dense(), other.to_dense()
        else:
            assert ours.untyped_storage().data_ptr() not in theirs
        assert torch.equal(ours, other)


def tensors(value: object) -> list[torch.Tensor]:
    """All tensors in packed weights, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if dataclasses.is_dataclass(value):
        return [t for f in dataclasses.fields(value) for t in tensors(getattr(value, f.name))]
    return [t for item in value for t in tensors(item)] if isinstance(value, tuple) else []
