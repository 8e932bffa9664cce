"""Sizes that a model folder tells without torch: its shape, and answers in its tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rsft_bench.harness.types import Json


def model_shape(folder: Path) -> dict[str, Json] | None:
    """The folder's ``config.json``, or None where there is none (a file of recorded answers)."""
    path = folder / "config.json"
    if not path.is_file():
        return None
    shape: dict[str, Json] = json.loads(path.read_text(encoding="utf-8"))
    return shape


def answer_tokens(folder: Path, texts: Sequence[str]) -> list[int]:
    """Tokens of each answer with its stop token, as ``LanguageModel.encode_answer`` makes them.

    Reads ``tokenizer.json`` alone, which every policy that a fit saved has.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encoded = tokenizer.encode_batch([f" {text}" for text in texts], add_special_tokens=False)
    return [len(answer.ids) + 1 for answer in encoded]
