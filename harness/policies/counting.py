"""The unit in which policies without a tokenizer count text."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+|[^\w\s]")


def count_tokens(text: str) -> int:
    """Words and single punctuation marks of a text."""
    return len(_WORD.findall(text))
