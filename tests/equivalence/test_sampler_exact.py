"""The sampler draws what the model says: against ``generate`` and plain forwards, any shape."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
import transformers
from transformers import GenerationConfig

from rsft_bench.harness import sampling as sampling_module
from rsft_bench.harness.policies.language_model import LanguageModel
from rsft_bench.harness.sampling import run, sample, sample_raw, score
from rsft_bench.harness.sampling.answers import Job, Request, streams
from rsft_bench.harness.sampling.llama import packable
from rsft_bench.harness.types import Sampling

PROMPTS = [
    (f"p{i}", f"Policy: be kind.\nRecord: order number: {n}\nCustomer: {question}\nAgent:")
    for i, (n, question) in enumerate(
        [(4821, "Where is my order?"), (7, "Hi"), (90210, "Can I return the scarf I bought?")]
    )
]
LONG = {"rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64}
#: architecture and what its config has beside the usual tiny shape
SHAPES = {
    "grouped": ("Llama", {}),
    "multi-head": ("Llama", {"num_key_value_heads": 4}),
    "untied": ("Llama", {"tie_word_embeddings": False}),
    "biased": ("Llama", {"attention_bias": True, "mlp_bias": True}),
    "wide heads": ("Llama", {"head_dim": 24}),
    "linear rope": ("Llama", {"rope_parameters": {"rope_type": "linear", **LONG}}),
    "yarn rope": ("Llama", {"rope_parameters": {"rope_type": "yarn", **LONG}}),
    "llama3 rope": (
        "Llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                **LONG,
            }
        },
    ),
    "mistral": ("Mistral", {"sliding_window": None}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": False}),
    "qwen3": ("Qwen3", {"head_dim": 16}),
}
OTHERS = {
    "gpt2": ("GPT2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}),
    "sliding window": ("Mistral", {"sliding_window": 16}),
    "dynamic rope": ("Llama", {"rope_parameters": {"rope_type": "dynamic", **LONG}}),
}


def tiny(tokenizer, kind, extra):
    """A random model of one architecture; every bias and norm is random too."""
    shape = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
    }
    config = getattr(transformers, f"{kind}Config")(
        **{
            "vocab_size": 300,
            "initializer_range": 0.2,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            **({} if kind == "GPT2" else shape),
            **extra,
        }
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        name = f"{kind}LMHeadModel" if kind == "GPT2" else f"{kind}ForCausalLM"
        model = getattr(transformers, name)(config).float().eval()
        for label, parameter in model.named_parameters():
            if label.endswith("bias"):
                parameter.normal_()
            elif "norm" in label:
                parameter.uniform_(0.5, 1.5)
    return LanguageModel(model=model, tokenizer=tokenizer, context=512)


@pytest.fixture(scope="module", params=[*SHAPES, *OTHERS])
def lm(request, tiny_lm):
    lm = tiny(tiny_lm.tokenizer, *{**SHAPES, **OTHERS}[request.param])
    assert packable(lm.model) == (request.param in SHAPES)
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


def law_of(logits, law):
    """Log probabilities (n, V) under ``law``, by transformers' warpers."""
    warpers = [transformers.TemperatureLogitsWarper(law.temperature)]
    if law.top_k:
        warpers.append(transformers.TopKLogitsWarper(law.top_k))
    if law.top_p < 1:
        warpers.append(transformers.TopPLogitsWarper(law.top_p))
    for warp in warpers:
        logits = warp(None, logits)
    return logits.double().log_softmax(-1)


@pytest.mark.parametrize(
    "law",
    [
        Sampling(max_new_tokens=20),
        Sampling(temperature=0.7, top_p=0.9, top_k=50, max_new_tokens=20),
    ],
    ids=["plain", "cut"],
)
def test_both_logprobs_equal_a_plain_forward(lm, law):
    for request, answer in sample_raw(lm, PROMPTS, range(4), law, 5, "t"):
        assert answer.logprob == pytest.approx(
            answer_tokens(lm, answer.ids, dict(PROMPTS)[request.example_id]), abs=1e-4
        )
        with torch.inference_mode():
            logits = lm.model(torch.tensor([[*request.ids, *answer.ids]])).logits[0]
        cut = law_of(logits[len(request.ids) - 1 : -1], law)
        picked = cut.gather(1, torch.tensor(answer.ids)[:, None]).sum()
        assert answer.sampled_logprob == pytest.approx(float(picked), abs=1e-4)


def test_the_other_path_draws_the_same_answers(lm, monkeypatch):
    fast = sample(lm, PROMPTS, range(8), Sampling(max_new_tokens=20), 1, "t")
    monkeypatch.setattr(sampling_module, "prepare", lambda lm: None)
    slow = sample(lm, PROMPTS, range(8), Sampling(max_new_tokens=20), 1, "t")
    assert [c.text for c in fast] == [c.text for c in slow]
    assert [c.tokens_out for c in fast] == [c.tokens_out for c in slow]
    assert np.allclose([c.logprob for c in fast], [c.logprob for c in slow], atol=1e-4)


def test_stopping_and_compaction_only_cut_answers_short(tiny_lm):
    """With a common token as the stop, answers are those drawn without it, cut at the stop."""
    rows = [
        Request(tuple(tiny_lm.encode_prompt(prompt)), 40, example_id, i)
        for example_id, prompt in PROMPTS
        for i in range(40)
    ]
    law = Sampling(max_new_tokens=40)
    uniform = streams(rows, law, 2, "law")
    free = [a.ids for a in run(tiny_lm, Job(rows, uniform, law, -1))]
    stop = Counter(t for ids in free for t in ids[1:]).most_common(1)[0][0]
    stopped = [a.ids for a in run(tiny_lm, Job(rows, uniform, law, stop))]
    cut = [ids[: ids.index(stop) + 1] if stop in ids else ids for ids in free]
    assert all(len(ids) == 40 for ids in free)
    assert len({len(ids) for ids in cut}) > 10
    assert np.mean([a == b for a, b in zip(cut, stopped, strict=True)]) >= 0.98


@pytest.mark.parametrize("budget", [200, 600, 2000, 5000])
def test_a_block_is_the_same_under_any_budget(tiny_lm, budget):
    """24 prompts x 8 draws in one cohort, or refilled bit by bit."""
    prompts = [
        (f"q{i}", f"Record: {'x' * (i % 5 * 9)} number: {i * 7919 % 100000}\nCustomer: Hi\nAgent:")
        for i in range(24)
    ]
    law = Sampling(max_new_tokens=24)
    whole = sample(tiny_lm, prompts, range(8), law, 4, "t")
    parts = sample(tiny_lm, prompts, range(8), law, 4, "t", budget=budget)
    assert [(c.example_id, c.draw) for c in whole] == [(c.example_id, c.draw) for c in parts]
    assert np.mean([a.text == b.text for a, b in zip(whole, parts, strict=True)]) >= 0.995


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
