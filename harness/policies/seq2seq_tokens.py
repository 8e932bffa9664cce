"""Text as tokens for the encoder-decoder: nano-1's byte pairs, and numbered words of the prompt.

A small network from random weights learns few names. So every word of a prompt that has a digit or
is no single token gets a number, in the order of first occurrence, and stands for itself by one
token in prompt and answer alike: copying is then choosing a number (Luong et al. 2015, arXiv
1410.8206, the "copyable" annotation). Reads ``tokenizer.json`` alone, no torch.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Words of one prompt that are numbered; further ones are spelled.
NUMBERS = 32
#: Tokens of a prompt that are read; a longer one loses its beginning.
CONTEXT = 512
FOLDER = Path(__file__).parent / "nano_1"
STOP, PAD = "<|end|>", "<|pad|>"
_WORD = re.compile(r"\w+")
_AFTER_SPACE = re.compile(r"\s(\w+)")


@dataclass(frozen=True)
class Codec:
    """Encodes and decodes; token ids from ``spelled`` on are numbered words."""

    tokenizer: Any
    spelled: int
    stop: int
    pad: int

    @property
    def vocabulary(self) -> int:
        """All tokens."""
        return self.spelled + NUMBERS

    def numbered(self, prompt: str) -> tuple[str, ...]:
        """The words of a prompt that have a number, in its order."""
        found = [word for word in dict.fromkeys(_WORD.findall(prompt)) if self._rare(word)]
        return tuple(found[:NUMBERS])

    def _rare(self, word: str) -> bool:
        return any(c.isdigit() for c in word) or len(self._spell(f" {word}")) > 1

    def prompt(self, prompt: str, words: Sequence[str]) -> list[int]:
        """Tokens of a prompt and the stop token."""
        return [*self._encode(prompt, words), self.stop][-CONTEXT:]

    def answer(self, text: str, words: Sequence[str]) -> list[int]:
        """Tokens of an answer and the stop token."""
        return [*self._encode(text, words), self.stop]

    def _encode(self, text: str, words: Sequence[str]) -> list[int]:
        spaced, ids, at = f" {text}", list[int](), 0
        for match in _AFTER_SPACE.finditer(spaced):
            if match[1] in words:
                ids += self._spell(spaced[at : match.start()])
                ids.append(self.spelled + words.index(match[1]))
                at = match.end()
        return [*ids, *self._spell(spaced[at:])]

    def _spell(self, text: str) -> tuple[int, ...]:
        return _spell(self.tokenizer, text) if text else ()

    def decode(self, ids: Sequence[int], words: Sequence[str]) -> str:
        """Text of answer tokens, stripped; stop, padding and numbers of no word give nothing."""
        text, run = "", list[int]()
        for token in ids:
            if token < self.spelled:
                run.append(token)
                continue
            text += self._read(run)
            run.clear()
            if token - self.spelled < len(words):
                text += f" {words[token - self.spelled]}"
        return (text + self._read(run)).strip()

    def _read(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))


@functools.lru_cache(maxsize=1 << 14)
def _spell(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Byte pairs of a text. Pieces between numbered words come back again and again."""
    return tuple(tokenizer.encode(text, add_special_tokens=False).ids)


@functools.lru_cache(maxsize=1)
def codec() -> Codec:
    """The codec over nano-1's tokenizer."""
    from tokenizers import Tokenizer

    tokenizer: Any = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Codec(
        tokenizer=tokenizer,
        spelled=tokenizer.get_vocab_size(with_added_tokens=True),
        stop=tokenizer.token_to_id(STOP),
        pad=tokenizer.token_to_id(PAD),
    )
