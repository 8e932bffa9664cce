"""Preset ``quick`` trains every arm on at least 100,000 tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

import rsft_bench.harness.policies as policies
from rsft_bench.baselines import METHODS
from rsft_bench.harness.config_sources import load_config
from rsft_bench.harness.config_specs import NamedSpec
from rsft_bench.harness.policies.language_model import LanguageModel
from rsft_bench.harness.policies.shape import answer_tokens, model_shape
from rsft_bench.tasks import SUITES

FLOOR = 100_000
QUICK = load_config(None, preset_name="quick", environ={}).config
NANO = Path(policies.__file__).parent / "nano_1"


@pytest.mark.parametrize("suite", QUICK.suites, ids=lambda spec: spec.name)
def test_an_arm_of_quick_trains_on_its_floor(suite: NamedSpec) -> None:
    """Steps × batch × mean input tokens of D, prompt and answer without the stop that is target.

    Arms take steps of at least one batch; A's answers have the prompts of D.
    """
    from tokenizers import Tokenizer

    data = SUITES.get(suite.name).load(suite.given, QUICK.seeds[0])
    tokenizer = Tokenizer.from_file(str(NANO / "tokenizer.json"))
    prompts = {e.example_id: e.prompt for e in data.examples if e.split == "train"}
    ids = list(prompts)
    encoded = tokenizer.encode_batch([prompts[i] for i in ids], add_special_tokens=False)
    sizes = {i: len(e.ids) for i, e in zip(ids, encoded, strict=True)}
    shape = model_shape(NANO)
    assert shape is not None
    room = shape["max_position_embeddings"] - 128
    assert max(sizes.values()) <= room, "a truncated prompt would be counted too long"
    answers = answer_tokens(NANO, [log.text for log in data.logs])
    mean = sum(
        sizes[log.example_id] + tokens - 1 for log, tokens in zip(data.logs, answers, strict=True)
    ) / len(data.logs)
    assert QUICK.training.steps * QUICK.training.batch * mean >= FLOOR
    assert QUICK.training.sft_steps >= QUICK.training.steps


def test_no_arm_of_quick_lowers_its_steps() -> None:
    """Steps and batch come from the config alone, so the floor of one arm is that of all."""
    for name in ("sft", "sft_more", "sft_filtered", "rsft"):
        assert not {"steps", "batch"} & {p.name for p in METHODS.get(name).params}


def test_answers_are_counted_as_the_policy_encodes_them(
    tiny_lm: LanguageModel, tiny_lm_folder: Path
) -> None:
    texts = ["", "It is 48213.", "Your wool scarf has shipped — soon."]
    expected = [len(tiny_lm.encode_answer(text)) for text in texts]
    assert answer_tokens(tiny_lm_folder, texts) == expected
