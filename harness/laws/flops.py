"""L18: analytic FLOPs are those counted with explicit attention; training is three forwards."""

from __future__ import annotations

from typing import Any

from rsft_bench.harness.laws.result import Checks, Setting, exact
from rsft_bench.harness.metering import formulas


def l18_flops(setting: Setting) -> Checks:
    """A language model from random weights, and the 100-50-10 selector with its factor of 2.09."""
    from transformers import LlamaConfig, LlamaForCausalLM

    layers, tokens = setting.size(2, 4), setting.size(11, 64)
    config = LlamaConfig(
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=10,
        vocab_size=50,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    # The fused attention counts as nothing.
    config._attn_implementation = "eager"
    forward, both = _counted(LlamaForCausalLM(config), tokens)
    told, analytic = config.to_dict(), formulas.forward_flops(config.to_dict(), tokens, 0)
    learnt = formulas.train_flops(told, tokens, 0)
    plain, trained = _selector()
    return (
        exact("language model: forward + backward over forward", 3.0, both / forward),
        exact("forward, counted", analytic, forward),
        exact("training, counted", learnt, both),
        exact("selector 100-50-10: forward", 2 * (100 * 50 + 50 * 10), plain),
        exact("selector: forward + backward over forward", 23 / 11, trained / plain),
    )


def _counted(model: Any, tokens: int) -> tuple[int, int]:
    """Operations of one forward pass, and of one with its backward pass."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    ids = torch.ones(1, tokens, dtype=torch.long)
    found = []
    for backward in (False, True):
        with FlopCounterMode(display=False) as counter:
            loss = model(input_ids=ids).logits.sum()
            if backward:
                loss.backward()
        found.append(int(counter.get_total_flops()))
    return found[0], found[1]


def _selector() -> tuple[int, int]:
    """The same of the article's network on one input, whose own gradient nobody needs."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    net = torch.nn.Sequential(torch.nn.Linear(100, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10))
    found = []
    for backward in (False, True):
        with FlopCounterMode(display=False) as counter:
            loss = net(torch.ones(1, 100)).sum()
            if backward:
                loss.backward()
        found.append(int(counter.get_total_flops()))
    return found[0], found[1]
