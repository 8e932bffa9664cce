"""Serving rules: which of the n answers drawn for a request is served.

A rule sees what a server sees: the prompt, the answers, and the proxy's scores where it reads them.
It never sees gold, references or facts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.similarity import normal_text
from rsft_bench.harness.types import Example, FloatArray, IntArray, Suite


@dataclass(frozen=True, slots=True)
class Drawn:
    """N answers drawn for one prompt under one seed.

    ``proxy`` (N,) is NaN where a score is unknown, ``key`` maps an answer to its equivalence class.
    """

    seed: int

    example_id: str
    texts: Sequence[str]
    proxy: FloatArray
    key: Callable[[str], str]

    def classes(self) -> IntArray:
        """The class of each answer, shape (N,): equal numbers for equivalent answers."""
        numbers: dict[str, int] = {}
        named = [numbers.setdefault(self.key(text), len(numbers)) for text in self.texts]
        return np.array(named, dtype=np.int64)

    def rng(self, n: int) -> np.random.Generator:
        """Stream of the random subsets of n: one for all rules and variants, so that they pair."""
        return stream(self.seed, "serve-subsets", self.example_id, len(self.texts), n)


class ServingRule(Protocol):
    """Serves one of n answers. ``reads_proxy`` says whether it needs the proxy's scores."""

    @property
    def name(self) -> str:
        """Registered name, also that of the method."""

    @property
    def doc(self) -> str:
        """One line for `rsft-bench list methods`."""

    @property
    def reads_proxy(self) -> bool:
        """Whether ``Drawn.proxy`` is read, so that a request pays for scoring."""

    def weights(self, drawn: Drawn, n: int) -> FloatArray:
        """Probability that each of the N answers is served when n of them are taken, shape (N,).

        Sums to 1. With n = N: even over the answers that tie to be served, or over their classes.
        """


def rule_of(catalog: Catalog, method: str) -> ServingRule:
    """The rule by which a method that draws several answers a request serves one of them."""
    rule: ServingRule = catalog.registry("method").get(method).rule
    return rule


def answer_key(suite: Suite, example_id: str, prompt: str, text: str) -> str:
    """Equal for answers that say the same; votes are counted by it.

    A suite may say which do, by ``answer_key(example, text) -> str``: pure, never raises on text,
    and reads no gold, for ``example`` holds its id and prompt alone, since a server knows no more.
    Otherwise answers say the same where their texts do, spelling aside (``normal_text``).
    """
    own = getattr(suite, "answer_key", None)
    if own is None:
        return normal_text(text)
    return str(own(Example(example_id, "confirm", prompt, (), {}, "", ""), text))
