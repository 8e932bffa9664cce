"""What the grounded suites need to know of a language, as one object of plain functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from rsft_bench.harness.types import Json

Form: TypeAlias = tuple[str, ...]


class Token(NamedTuple):
    """One word, number, time or date of a text.

    ``readings`` are all values it may stand for, prefixed by kind: ``n:`` number, ``t:`` time
    HH:MM, ``d:`` date MM-DD (``xx`` where the month is not said), no prefix for a word. ``claim``
    is true for digits, times, dates and number words from two up: what may not be made up.
    """

    readings: tuple[str, ...]
    claim: bool


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """Reading and wording of one language. Functions are pure and never raise on text.

    ``tokens`` reads a text; ``known`` gives the readings, and what tells names apart, of texts that
    were seen; ``seen(form, known)`` says whether a name was; ``denied`` the positions that a
    negator covers; ``names(text, facts, taken)`` counts the unknown names of an answer besides
    values of the corpus; ``begins(name)`` is how such a value must start in the answer to count.
    ``shown`` lists the values of the prompt's record and acts lines. ``truth`` says whether a text
    affirms (True), denies (False) or leaves open (None) one of some words, or anything at all where
    none is mentioned; None where the language has no such check.
    """

    code: str
    tokens: Callable[[str], tuple[Token, ...]]
    known: Callable[[Iterable[str]], frozenset[str]]
    seen: Callable[[Form, frozenset[str]], bool]
    denied: Callable[[str, Sequence[Token]], frozenset[int]]
    names: Callable[[str, Mapping[str, Json], frozenset[str]], int]
    begins: Callable[[str], str]
    shown: Callable[[str], list[str]]
    truth: Callable[[str, Sequence[str]], bool | None] | None
    policy: str
    policy_words: re.Pattern[str]
    pieces: re.Pattern[str]
    asking: re.Pattern[str]
    spelt: Callable[[str], re.Pattern[str]]
    vague: Mapping[str, str]
    listed: tuple[str, str]

    def form(self, value: str) -> Form:
        """The reading of a value that counts as its own: the first reading of each token."""
        return tuple(t.readings[0] for t in self.tokens(value))
