"""Hidden states of a policy: those of transformers, one answer at a time, pooled as named."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rsft_bench.harness.metering.formulas import encode_flops
from rsft_bench.harness.policies.body import CausalBody
from rsft_bench.harness.policies.language_model import LanguageModel

PROMPT = "Policy: none.\nRecord: id: 12\nCustomer: id?\nAgent:"
TEXTS = ["It is 12.", "No.", "It is 12, and more than that."]


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_states_are_the_last_layer_over_the_answer(tiny_lm: LanguageModel, pooling: str) -> None:
    found = CausalBody(tiny_lm, pooling).features([PROMPT] * 3, TEXTS)
    assert found.shape == (3, 32)
    for row, text in zip(found, TEXTS, strict=True):
        before, answer = tiny_lm.encode_pair(PROMPT, text)
        with torch.inference_mode():
            whole = tiny_lm.model(
                input_ids=torch.tensor([[*before, *answer]]), output_hidden_states=True
            ).hidden_states[-1][0, -len(answer) :]
        expected = whole[-1] if pooling == "last" else whole.mean(0)
        assert row == pytest.approx(expected.numpy(), abs=1e-6)


def test_a_state_depends_on_its_own_pair_alone(tiny_lm: LanguageModel) -> None:
    body = CausalBody(tiny_lm, "mean")
    whole = body.features([PROMPT] * 4, [*TEXTS, TEXTS[0]])
    alone = np.concatenate([body.features([PROMPT], [text]) for text in TEXTS])
    assert (whole[:3] == alone).all()
    assert (whole[3] == whole[0]).all()
    assert not (body.features([PROMPT.replace("12", "13")], TEXTS[:1]) == alone[:1]).all()


def test_reading_costs_what_its_tokens_cost(tiny_lm: LanguageModel) -> None:
    config = tiny_lm.model.config.to_dict()
    sizes = [sum(map(len, tiny_lm.encode_pair(PROMPT, t))) for t in TEXTS]
    assert CausalBody(tiny_lm, "mean").flops([PROMPT] * 3, TEXTS) == encode_flops(config, sizes)
