"""Training's own Llama forward against transformers' model: same loss, same gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.training.batches import EncodedRow, grouped
from rsft_bench.harness.training.fit import step_loss
from rsft_bench.harness.training.forwards import ModelForward, forward_for
from rsft_bench.harness.training.llama import LlamaForward, supported
from rsft_bench.harness.training.sharing import step_groups

VOCAB = 97


def llama(**overrides: Any) -> LlamaForCausalLM:
    """A small Llama with norm scales away from 1."""
    settings: dict[str, Any] = {
        "vocab_size": VOCAB,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 128,
        "tie_word_embeddings": True,
        "initializer_range": 0.2,
    }
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = LlamaForCausalLM(LlamaConfig(**{**settings, **overrides})).eval()
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.data.uniform_(0.5, 1.5)
    return model


def rows(count: int = 7) -> tuple[list[EncodedRow], list[float]]:
    """Rows of unequal prompts and answers with unequal weights."""
    rng = stream(0, "test-rows")
    made, weights = [], []
    for _ in range(count):
        prompt, answer = int(rng.integers(1, 30)), int(rng.integers(1, 12))
        ids = tuple(int(t) for t in rng.integers(2, VOCAB, prompt + answer))
        made.append(EncodedRow(ids, prompt))
        weights.append(float(rng.uniform(0.1, 2.0)))
    return made, weights


def reference(model: Any, made: list[EncodedRow], weights: list[float]) -> Tensor:
    """Weighted answer NLL by transformers, one row at a time, without any padding."""
    total = torch.zeros(())
    for row, weight in zip(made, weights, strict=True):
        ids = torch.tensor([row.ids])
        logits = model(input_ids=ids).logits[0, row.prompt_tokens - 1 : -1]
        nll = F.cross_entropy(logits, ids[0, row.prompt_tokens :], reduction="sum")
        total = total + weight * nll
    return total


def gradients(model: Any) -> dict[str, Tensor]:
    """Copy and clear the gradients."""
    found = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    return found


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"num_key_value_heads": 2},
        {"tie_word_embeddings": False},
        {"num_hidden_layers": 1},
        {"head_dim": 16},
    ],
    ids=["tied", "grouped-query", "untied", "one-layer", "wide-heads"],
)
@pytest.mark.parametrize("tokens", [1, 90, 10_000])
def test_llama_forward_has_transformers_loss_and_gradients(
    overrides: dict[str, Any], tokens: int
) -> None:
    model = llama(**overrides)
    made, weights = rows()
    loss = reference(model, made, weights)
    loss.backward()
    expected = gradients(model)
    forward = forward_for(model)
    assert isinstance(forward, LlamaForward)
    ours = step_loss(forward, list(grouped(made, weights, 0, tokens)))
    assert ours == pytest.approx(float(loss.detach()), rel=1e-5)
    for name, grad in gradients(model).items():
        scale = max(1.0, float(expected[name].abs().max()))
        assert float((grad - expected[name]).abs().max()) < 1e-5 * scale, name


def test_model_forward_serves_other_architectures() -> None:
    config = GPT2Config(vocab_size=VOCAB, n_positions=64, n_embd=32, n_layer=2, n_head=4)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = GPT2LMHeadModel(config).eval()
    made, weights = rows()
    loss = reference(model, made, weights)
    loss.backward()
    expected = gradients(model)
    forward = forward_for(model)
    assert isinstance(forward, ModelForward)
    ours = step_loss(forward, list(grouped(made, weights, 0, 120)))
    assert ours == pytest.approx(float(loss.detach()), rel=1e-5)
    for name, grad in gradients(model).items():
        scale = max(1.0, float(expected[name].abs().max()))
        assert float((grad - expected[name]).abs().max()) < 1e-5 * scale, name


def repeated(copies: tuple[int, ...] = (5, 1, 3, 2, 1)) -> tuple[list[EncodedRow], list[float]]:
    """Rows of several prompts in mixed order, with answers of unequal length and weight."""
    rng = stream(0, "test-repeated")
    prompts = [rng.integers(2, VOCAB, int(rng.integers(6, 30))).tolist() for _ in copies]
    owner = rng.permutation([i for i, n in enumerate(copies) for _ in range(n)])
    made, weights = [], []
    for i in owner:
        answer = rng.integers(2, VOCAB, int(rng.integers(1, 12))).tolist()
        made.append(EncodedRow((*prompts[i], *answer), len(prompts[i])))
        weights.append(float(rng.uniform(0.1, 2.0)))
    # One row twice, as a batch larger than its set draws it.
    return [*made, made[0]], [*weights, 0.7]


@pytest.mark.parametrize(
    "overrides", [{}, {"num_key_value_heads": 2}, {"num_hidden_layers": 1}], ids=str
)
@pytest.mark.parametrize("tokens", [60, 10_000])
def test_shared_prompts_have_the_loss_and_gradients_of_rows_apart(
    overrides: dict[str, Any], tokens: int
) -> None:
    model = llama(**overrides)
    made, weights = repeated()
    loss = reference(model, made, weights)
    loss.backward()
    expected = gradients(model)
    groups = step_groups(made, weights, 0, share=True, tokens=tokens)
    assert any(group.tree is not None for group in groups)
    ours = step_loss(forward_for(model), groups)
    assert ours == pytest.approx(float(loss.detach()), rel=1e-5)
    for name, grad in gradients(model).items():
        scale = max(1.0, float(expected[name].abs().max()))
        assert float((grad - expected[name]).abs().max()) < 1e-5 * scale, name


@pytest.mark.gpu
@pytest.mark.parametrize("share", [False, True])
def test_a_gpu_has_the_cpu_loss_and_gradients(share: bool) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device: only one can check this")
    model = llama()
    made, weights = repeated()
    groups = step_groups(made, weights, 0, share)
    loss = step_loss(forward_for(model), groups)
    expected = gradients(model)
    moved: Any = model.to("cuda")
    ours = step_loss(forward_for(moved), [group.to(torch.device("cuda")) for group in groups])
    assert ours == pytest.approx(loss, rel=1e-4)
    for name, grad in gradients(moved).items():
        scale = max(1.0, float(expected[name].abs().max()))
        assert float((grad.cpu() - expected[name]).abs().max()) < 1e-4 * scale, name


@pytest.mark.parametrize(
    "overrides",
    [
        {"attention_bias": True},
        {"mlp_bias": True},
        {"hidden_act": "gelu"},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}},
    ],
)
def test_unusual_llamas_use_their_own_forward(overrides: dict[str, Any]) -> None:
    assert not supported(llama(**overrides))


def test_rope_base_of_the_config_is_used() -> None:
    model = llama(rope_parameters={"rope_type": "default", "rope_theta": 123.0})
    made, weights = rows()
    expected = float(reference(model, made, weights).detach())
    ours = step_loss(forward_for(model), list(grouped(made, weights, 0)))
    assert ours == pytest.approx(expected, rel=1e-5)
