"""The fast loop draws from the model's law: against ``generate``, plain forwards, exact laws."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from transformers import GenerationConfig

from rsft_bench.harness import sampling as sampling_module
from rsft_bench.harness.sampling import prepare, sample, score
from rsft_bench.harness.sampling.law import probabilities
from rsft_bench.harness.sampling.llama import packable
from rsft_bench.harness.types import Sampling

PROMPTS = [
    (f"p{i}", f"Policy: be kind.\nRecord: order number: {n}\nCustomer: {question}\nAgent:")
    for i, (n, question) in enumerate(
        [(4821, "Where is my order?"), (7, "Hi"), (90210, "Can I return the scarf I bought?")]
    )
]
SHAPES = {
    "grouped": {},
    "multi-head": {"num_key_value_heads": 4},
    "untied": {"tie_word_embeddings": False},
    "biased": {"attention_bias": True, "mlp_bias": True},
    "llama3 rope": {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 10000.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    },
}


@pytest.fixture(scope="module", params=list(SHAPES))
def lm(request, make_tiny_lm):
    lm = make_tiny_lm(3, **SHAPES[request.param])
    if request.param == "biased":
        with torch.no_grad():
            for name, parameter in lm.model.named_parameters():
                if name.endswith("bias"):
                    parameter.normal_(generator=torch.Generator().manual_seed(len(name)))
    assert packable(lm.model)
    return lm


def answer_tokens(lm, text_ids, prompt):
    """Log-probability of ``text_ids`` after ``prompt`` by one plain forward."""
    ids = lm.encode_prompt(prompt)
    with torch.inference_mode():
        logits = lm.model(torch.tensor([ids + text_ids])).logits[0].double()
    picked = logits.log_softmax(-1)[len(ids) - 1 : -1].gather(1, torch.tensor(text_ids)[:, None])
    return float(picked.sum())


def test_greedy_equals_generate(lm):
    drawn = sample(lm, PROMPTS, range(1), Sampling(temperature=0, max_new_tokens=24), 0, "t")
    for (_, prompt), ours in zip(PROMPTS, drawn, strict=True):
        ids = torch.tensor([lm.encode_prompt(prompt)])
        config = GenerationConfig(
            do_sample=False, max_new_tokens=24, eos_token_id=lm.eos_id, pad_token_id=lm.pad_id
        )
        theirs = lm.model.generate(
            ids, generation_config=config, attention_mask=torch.ones_like(ids)
        )
        new = theirs[0, ids.shape[1] :].tolist()
        assert ours.tokens_out == len(new)
        assert ours.text == lm.decode(new)
        assert ours.logprob == pytest.approx(answer_tokens(lm, new, prompt), abs=1e-4)


def test_logprobs_of_samples_equal_a_plain_forward(lm, monkeypatch):
    raw = []
    real = sampling_module.run_wave
    monkeypatch.setattr(
        sampling_module, "run_wave", lambda *a: raw.extend(real(*a)) or raw[-len(a[1]) :]
    )
    law = Sampling(temperature=0.7, top_p=0.9, top_k=50, max_new_tokens=20)
    drawn = sample(lm, PROMPTS, range(6), law, 5, "t")
    assert [c.draw for c in drawn] == [0, 1, 2, 3, 4, 5] * 3
    for completion, answer in zip(drawn, raw, strict=True):
        prompt = dict(PROMPTS)[completion.example_id]
        expected = answer_tokens(lm, answer.ids, prompt)
        assert completion.logprob == pytest.approx(expected, abs=1e-4)


def test_the_other_path_draws_the_same_answers(lm, monkeypatch):
    fast = sample(lm, PROMPTS, range(8), Sampling(max_new_tokens=20), 1, "t")
    monkeypatch.setattr(sampling_module, "prepare", lambda lm: None)
    slow = sample(lm, PROMPTS, range(8), Sampling(max_new_tokens=20), 1, "t")
    assert [c.text for c in fast] == [c.text for c in slow]
    assert [c.tokens_out for c in fast] == [c.tokens_out for c in slow]
    assert np.allclose([c.logprob for c in fast], [c.logprob for c in slow], atol=1e-4)


@pytest.mark.parametrize(
    "law",
    [
        Sampling(max_new_tokens=1),
        Sampling(temperature=0.6, top_p=0.8, max_new_tokens=1),
        Sampling(temperature=1.3, top_k=12, max_new_tokens=1),
    ],
    ids=["plain", "top_p", "top_k"],
)
def test_first_tokens_follow_the_exact_law(tiny_lm, law):
    draws = 50_000
    prompt = PROMPTS[0][1]
    with torch.inference_mode():
        logits = tiny_lm.model(torch.tensor([tiny_lm.encode_prompt(prompt)])).logits[0, -1:]
        weights = probabilities(logits, law)[0].double()
    exact = (weights / weights.sum()).numpy()
    count = count_first_tokens(tiny_lm, prompt, law, draws)
    assert set(np.flatnonzero(count)) <= set(np.flatnonzero(exact))
    assert abs(chi_square_z(count, draws * exact)) < 4


def count_first_tokens(lm, prompt, law, draws):
    """Counts (V,) of first tokens, read from the loop before text hides them."""
    requests = sampling_module.Request
    ids = tuple(lm.encode_prompt(prompt))
    rows = [requests(ids, 1, "example", i) for i in range(draws)]
    with torch.inference_mode():
        uniform = sampling_module.streams(rows, law, 11, "law")
        answers = sampling_module.run_wave(prepare(lm), rows, uniform, law, lm.eos_id)
    return np.bincount([a.ids[0] for a in answers], minlength=300)


def chi_square_z(count, expected):
    """Pearson's statistic over cells of at least 5 (rarer ones pooled), as a normal deviate.

    (X - df) / sqrt(2 df): its mean is 0 and its variance about 1 under the law.
    """
    common = expected >= 5
    count = np.append(count[common], count[~common].sum())
    expected = np.append(expected[common], expected[~common].sum())
    used = expected > 0
    statistic = ((count - expected)[used] ** 2 / expected[used]).sum()
    df = used.sum() - 1
    return (statistic - df) / math.sqrt(2 * df)


def test_later_tokens_follow_the_exact_law(tiny_lm):
    """Second tokens given the commonest first one, against a forward over that prefix."""
    law = Sampling(max_new_tokens=2)
    ids = tuple(tiny_lm.encode_prompt(PROMPTS[1][1]))
    rows = [sampling_module.Request(ids, 2, "example", i) for i in range(20_000)]
    with torch.inference_mode():
        uniform = sampling_module.streams(rows, law, 2, "law")
        answers = sampling_module.run_wave(prepare(tiny_lm), rows, uniform, law, -1)
        first = Counter(a.ids[0] for a in answers).most_common(1)[0][0]
        logits = tiny_lm.model(torch.tensor([[*ids, first]])).logits[0, -1].double()
    second = [a.ids[1] for a in answers if a.ids[0] == first]
    exact = logits.softmax(-1).numpy()
    assert len(second) > 500
    z = chi_square_z(np.bincount(second, minlength=300), len(second) * exact)
    assert abs(z) < 4


def test_stopping_and_compaction_only_cut_answers_short(tiny_lm):
    """With a common token as the stop, answers are those drawn without it, cut at the stop."""
    rows = [
        sampling_module.Request(tuple(tiny_lm.encode_prompt(prompt)), 40, example_id, i)
        for example_id, prompt in PROMPTS
        for i in range(40)
    ]
    weights = prepare(tiny_lm)
    law = Sampling(max_new_tokens=40)
    with torch.inference_mode():
        uniform = sampling_module.streams(rows, law, 2, "law")
        free = [a.ids for a in sampling_module.run_wave(weights, rows, uniform, law, -1)]
        stop = Counter(t for ids in free for t in ids[1:]).most_common(1)[0][0]
        stopped = [a.ids for a in sampling_module.run_wave(weights, rows, uniform, law, stop)]
    cut = [ids[: ids.index(stop) + 1] if stop in ids else ids for ids in free]
    assert all(len(ids) == 40 for ids in free)
    assert len({len(ids) for ids in cut}) > 10
    assert np.mean([a == b for a, b in zip(cut, stopped, strict=True)]) >= 0.98


def test_same_block_is_bit_identical_and_other_shapes_nearly(tiny_lm):
    prompts = [
        (f"q{i}", f"Record: order number: {i * 7919 % 100000}\nCustomer: Hello {i}?\nAgent:")
        for i in range(24)
    ]
    law = Sampling(max_new_tokens=16)
    block = sample(tiny_lm, prompts, range(8), law, 4, "t")
    assert block == sample(tiny_lm, prompts, range(8), law, 4, "t")
    alone = [c for p in prompts for c in sample(tiny_lm, [p], range(8), law, 4, "t")]
    late = sample(tiny_lm, prompts[::-1], range(4, 8), law, 4, "t")
    halves = {(c.example_id, c.draw): c.text for c in late}
    same = [a.text == b.text for a, b in zip(block, alone, strict=True)]
    same += [c.text == halves[c.example_id, c.draw] for c in block if c.draw >= 4]
    assert np.mean(same) >= 0.995


def test_score_equals_a_plain_forward(lm):
    items = [(p, text) for _, p in PROMPTS for text in ("It has shipped.", "No.", "Sorry, 9!", "")]
    items = items[::-1] + [(PROMPTS[0][1], "No.")]
    expected = [answer_tokens(lm, lm.encode_answer(text), prompt) for prompt, text in items]
    assert np.allclose(score(lm, items), expected, atol=1e-4)


def test_other_path_scores_alike(lm, monkeypatch):
    items = [(PROMPTS[0][1], "No."), (PROMPTS[1][1], "It has shipped."), (PROMPTS[0][1], "Yes")]
    fast = score(lm, items)
    monkeypatch.setattr(sampling_module, "prepare", lambda lm: None)
    assert np.allclose(fast, score(lm, items), atol=1e-4)
