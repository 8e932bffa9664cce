"""Stage sample: prompts that do not fit the context are named, so that they can be counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rsft_bench.harness import worker
from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.stages import Work, sample

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel

SHORT = "Customer: Hi\nAgent:"
LONG = "Customer: " + "where is it " * 40 + "\nAgent: Soon.\n" + SHORT


def test_prompts_that_lost_turns_are_named(
    tiny_lm: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(tiny_lm, context=64)
    monkeypatch.setattr(worker, "language_model", lambda _: small)
    monkeypatch.setattr(sample, "weights_folder", lambda artifact: artifact)
    policy, out = tmp_path / "policy", tmp_path / "out"
    policy.mkdir()
    out.mkdir()
    monkeypatch.setattr(sample, "sampler", lambda *_: None)
    params = {
        "prompts": [["a", SHORT], ["b", LONG]],
        "draws": [0, 2],
        "sampling": {"max_new_tokens": 2},
        "seed": 0,
        "purpose": "test",
    }
    sample.run(Work(params, {"policy": [policy]}, out, Catalog()))
    assert json.loads((out / "cut.json").read_text()) == ["b"]
