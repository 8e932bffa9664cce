"""Overlap of a suite's prompts and references with the pretraining text.

Numbers, ids and names are masked, because made-up entities would hide equal wording.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rsft_bench.harness.policies.nano_training.text import trained_on
from rsft_bench.harness.types import Suite

_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|[^\sA-Za-z]*\d[\w.,:/-]*|\d")
_MASK = "#"
_SHORT = 8
_LABELS = ("Policy:", "Record:", "Customer:", "Agent:", "Acts:")


@dataclass(frozen=True)
class Overlap:
    """Shares in [0, 1] of ``texts`` test texts, with the most frequent shared n-grams.

    Attributes:
        texts: Number of texts looked at.
        shared: Share with at least one masked n-gram of the pretraining text.
        near_duplicates: Share with a line of at least eight words whose masked word trigrams have a
            Jaccard similarity of at least ``threshold`` with those of some pretraining line.
        examples: Shared n-grams, most frequent first.
    """

    texts: int
    shared: float
    near_duplicates: float
    examples: tuple[str, ...]


def masked(line: str) -> list[str]:
    """Words of one line, lower case; numbers, ids and capitalised words inside a sentence masked.

    Runs of masks count as one word, so that one- and two-word names are alike.
    """
    out: list[str] = []
    start = True
    for match in _WORD.finditer(line):
        word = match.group()
        name = word[0].isupper() and not start and word not in ("I", "I'm", "I'll", "I've", "I'd")
        token = _MASK if name or any(c.isdigit() for c in word) else word.lower()
        if token != _MASK or not out or out[-1] != _MASK:
            out.append(token)
        start = line[match.end() : match.end() + 1] in (".", "?", "!", ":")
    return out


def lines(text: str) -> list[str]:
    """The lines of a text without their role labels; n-grams do not cross them."""
    found = []
    for line in text.splitlines():
        for label in _LABELS:
            if line.startswith(label):
                line = line[len(label) :]
        if line.strip():
            found.append(line.strip())
    return found


def grams(line: str, n: int) -> set[tuple[str, ...]]:
    """Masked n-grams of one line; those of nothing but masks are dropped."""
    words = masked(line)
    return {
        tuple(words[i : i + n])
        for i in range(len(words) - n + 1)
        if any(w != _MASK for w in words[i : i + n])
    }


def shingles(line: str) -> frozenset[tuple[str, ...]]:
    """Masked word trigrams of a line, the sets whose Jaccard similarity is taken.

    Empty for lines of fewer than eight masked words: those are set phrases that everybody uses.
    """
    words = masked(line)
    if len(words) < _SHORT:
        return frozenset()
    return frozenset(tuple(words[i : i + 3]) for i in range(len(words) - 2))


class Corpus:
    """N-grams and near-duplicate index of the pretraining text."""

    def __init__(
        self, texts: Iterable[str], n: int = 8, among: Sequence[str] | None = None
    ) -> None:
        """Index the texts, of which there may be hundreds of thousands.

        ``among`` are the texts that will be looked up, where they are known: what has nothing in
        common with them is not kept, which changes no answer and saves gigabytes.
        """
        self.n = n
        asked = None if among is None else [x for text in among for x in lines(text)]
        wanted = None if asked is None else {g for line in asked for g in grams(line, n)}
        alike = None if asked is None else {s for line in asked for s in shingles(line)}
        self._grams: set[tuple[str, ...]] = set()
        self._lines: list[frozenset[tuple[str, ...]]] = []
        self._having: dict[tuple[str, ...], list[int]] = {}
        seen: set[frozenset[tuple[str, ...]]] = set()
        for text in texts:
            for line in lines(text):
                self._grams |= grams(line, n) if wanted is None else grams(line, n) & wanted
                found = shingles(line)
                if alike is not None and found.isdisjoint(alike):
                    continue
                if found and found not in seen:
                    seen.add(found)
                    self._lines.append(found)
        for i, found in enumerate(self._lines):
            for shingle in found:
                self._having.setdefault(shingle, []).append(i)

    def shared(self, line: str) -> set[tuple[str, ...]]:
        """Masked n-grams of the line that occur in the corpus."""
        return grams(line, self.n) & self._grams

    def duplicated(self, line: str, threshold: float) -> bool:
        """Whether some corpus line has a Jaccard similarity of at least ``threshold`` (0 to 1)."""
        found = shingles(line)
        common = Counter(i for shingle in found for i in self._having.get(shingle, ()))
        return any(
            n >= threshold * (len(found) + len(self._lines[i]) - n) for i, n in common.items()
        )


def pretraining(
    seed: int, steps: Mapping[str, int], rows: int, among: Sequence[str] | None = None
) -> Corpus:
    """Corpus of every document that the phases (name -> batches of ``rows``) were trained on."""
    return Corpus(
        (
            document.text
            for phase, count in steps.items()
            for document in trained_on(seed, phase, count, rows)
        ),
        among=among,
    )


def overlap(corpus: Corpus, texts: Sequence[str], threshold: float = 0.5) -> Overlap:
    """How much of the texts (prompts and reference answers of a suite) the corpus holds."""
    counts: dict[tuple[str, ...], int] = {}
    shared = duplicates = 0
    for text in texts:
        found = {g for line in lines(text) for g in corpus.shared(line)}
        for g in found:
            counts[g] = counts.get(g, 0) + 1
        shared += bool(found)
        duplicates += any(corpus.duplicated(line, threshold) for line in lines(text))
    top = sorted(counts, key=lambda g: (-counts[g], g))[:16]
    total = max(1, len(texts))
    return Overlap(len(texts), shared / total, duplicates / total, tuple(" ".join(g) for g in top))


def suite_texts(location: str) -> tuple[str, list[str]]:
    """Name and texts of a suite given as ``module:object``: test prompts and reference answers.

    The suite is found by name because this package may not import suites.
    """
    module, _, attribute = location.partition(":")
    suite: Suite = getattr(importlib.import_module(module), attribute)
    examples = suite.load({}, 0).examples
    tested = [e for e in examples if e.split in ("select", "confirm")]
    return suite.name, [t for e in tested for t in (e.prompt, *e.references)]
