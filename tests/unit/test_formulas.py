"""Analytic counts against numbers worked by hand and against counted operations of a real model."""

from __future__ import annotations

import math
import resource
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from rsft_bench.harness.metering import meter as meter_module
from rsft_bench.harness.metering.formulas import (
    attention_width,
    break_even_requests,
    encode_flops,
    forward_flops,
    forward_flops_of_totals,
    matrix_weights,
    parameters,
    proxy_fit_flops,
    proxy_score_flops,
    sample_flops,
    train_flops,
    train_flops_of_totals,
)
from rsft_bench.harness.metering.meter import GIB, metered, peak_rss_gib, reset_peak

HAND: dict[str, Any] = {
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 10,
    "vocab_size": 50,
    "tie_word_embeddings": True,
}


def eager(**overrides: Any) -> tuple[LlamaForCausalLM, dict[str, Any]]:
    """A tiny Llama with explicit attention (the fused one counts as nothing) and its config."""
    settings = {**HAND, "hidden_size": 16, "max_position_embeddings": 64, **overrides}
    config = LlamaConfig(**settings, attn_implementation="eager")
    return LlamaForCausalLM(config).eval(), config.to_dict()


def counted(model: LlamaForCausalLM, tokens: int, backward: bool) -> int:
    counter = FlopCounterMode(display=False)
    with counter:
        loss = model(input_ids=torch.ones(1, tokens, dtype=torch.long)).logits.sum()
        if backward:
            loss.backward()
    return int(counter.get_total_flops())


def test_counts_by_hand() -> None:
    # A layer: q 64, k 32, v 32, o 64, feed-forward 240; two of them and the head 400.
    assert attention_width(HAND) == 8
    assert matrix_weights(HAND) == 2 * (64 + 32 + 32 + 64 + 240) + 400 == 1264
    assert parameters(HAND) == 1264 + 5 * 8
    assert parameters({**HAND, "tie_word_embeddings": False}) == 1264 + 40 + 400
    # Three tokens: 2 * 1264 * 3 + 4 * 2 * 8 * 9.
    assert forward_flops(HAND, 2, 1) == 7584 + 576
    assert train_flops(HAND, [2, 2], [1, 1]) == 2 * 3 * (7584 + 576)
    rows = [3, 7, 11]
    totals = sum(rows), sum(n * n for n in rows)
    assert train_flops_of_totals(HAND, *totals) == train_flops(HAND, rows)
    assert forward_flops_of_totals(HAND, *totals) == forward_flops(HAND, rows)


def test_hidden_states_cost_a_pass_without_the_head() -> None:
    model, config = eager()
    counter = FlopCounterMode(display=False)
    with counter:
        model.model(input_ids=torch.ones(1, 11, dtype=torch.long))
    assert encode_flops(config, 11) == counter.get_total_flops()
    assert encode_flops(config, [11, 7]) == encode_flops(config, 11) + encode_flops(config, 7)


@pytest.mark.parametrize(
    "overrides",
    [{}, {"num_key_value_heads": 4}, {"tie_word_embeddings": False}, {"head_dim": 6}],
    ids=["grouped-query", "multi-head", "untied", "wide-heads"],
)
def test_analytic_counts_equal_counted_operations(overrides: dict[str, Any]) -> None:
    model, config = eager(**overrides)
    assert parameters(config) == sum(p.numel() for p in model.parameters())
    forward = counted(model, 11, backward=False)
    assert forward_flops(config, 7, 4) == forward
    assert counted(model, 11, backward=True) == 3 * forward
    assert train_flops(config, 7, 4) == 3 * forward


def test_sampling_equals_a_counted_cached_decode() -> None:
    model, config = eager()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        out = model(input_ids=torch.ones(1, 9, dtype=torch.long), use_cache=True)
        for _ in range(4):
            token = torch.ones(1, 1, dtype=torch.long)
            out = model(input_ids=token, past_key_values=out.past_key_values, use_cache=True)
    assert sample_flops(config, 9, 5) == counter.get_total_flops()


def test_shared_prompt_is_paid_once() -> None:
    once = sample_flops(HAND, [9] * 4, [5, 3, 1, 2], shared_by=4)
    apart = sample_flops(HAND, [9] * 4, [5, 3, 1, 2])
    prefill = forward_flops(HAND, 9)
    assert apart - once == pytest.approx(3 * prefill)
    assert sample_flops(HAND, 9, 1) == prefill


def test_break_even_by_hand() -> None:
    assert break_even_requests(1200.0, 40.0, 10.0) == 40.0
    assert break_even_requests(1200.0, 10.0, 10.0) == math.inf
    assert break_even_requests(0.0, 10.0, 10.0) == 0.0
    assert proxy_score_flops(10, 30) == 600.0
    # An iteration: scores of 10 answers (600) and their gradient (600); seven of them.
    assert proxy_fit_flops(10, 30, 7) == 7 * (600.0 + 600.0)
    assert proxy_fit_flops(10, 30, 0) == 0.0
    with pytest.raises(ValueError, match="costs"):
        break_even_requests(math.nan, 2.0, 1.0)


def test_unusable_configs_are_named() -> None:
    with pytest.raises(ValueError, match="vocab_size=None"):
        parameters({**HAND, "vocab_size": None})
    with pytest.raises(ValueError, match="shared_by"):
        sample_flops(HAND, 3, 3, shared_by=0)


def test_meter_measures_a_block() -> None:
    with metered() as meter:
        total = sum(range(200_000))
    assert total == 19_999_900_000
    assert 0 < meter.wall_s < 60
    assert 0 < meter.cpu_s < 60
    cost = meter.cost(tokens=5, flops=7.0)
    assert (cost.tokens, cost.flops) == (5, 7.0)
    assert 0.01 < cost.peak_rss_gib < 64


@pytest.mark.skipif(not reset_peak(), reason="this kernel does not reset the peak")
def test_a_block_does_not_inherit_an_earlier_ones_peak() -> None:
    size = 256 * 1024**2
    with metered() as large:
        block = bytearray(size)
        block[::4096] = b"x" * len(block[::4096])
        del block
    with metered() as small:
        sum(range(1000))
    assert large.peak_rss_gib - small.peak_rss_gib > 0.9 * size / GIB


def test_peak_is_read_from_status_else_from_getrusage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t 3145728 kB\nVmRSS:\t  1024 kB\n")
    monkeypatch.setattr(meter_module, "STATUS", status)
    assert peak_rss_gib() == 3.0
    monkeypatch.setattr(meter_module, "CLEAR_REFS", tmp_path / "absent" / "clear_refs")
    monkeypatch.setattr(meter_module, "STATUS", tmp_path / "absent" / "status")
    assert not reset_peak()
    lifetime = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    assert peak_rss_gib() == pytest.approx(lifetime * unit / GIB, rel=0.05)


def test_meter_is_filled_when_the_block_raises() -> None:
    block = metered()
    meter = block.__enter__()
    assert not block.__exit__(RuntimeError, RuntimeError(), None)
    assert meter.wall_s > 0
