"""How alike question bodies are: Jaccard of 5-grams over delexicalised text.

Grams are of words; in Chinese, which has no spaces, of characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import NamedTuple, Protocol, runtime_checkable

from rsft_bench.harness.types import Split

GRAM = 5
_CHINESE = re.compile(r"[\u3400-\u9fff]")
# A slot, a Chinese character, or a run of others; Chinese punctuation is none.
_UNIT = re.compile(r"<\w+>|[\u3400-\u9fff]|[^\s<\u3400-\u9fff，。？！；：、]+")
Bodies = Mapping[Split, Mapping[str, tuple[str, ...]]]


@runtime_checkable
class Delexicalised(Protocol):
    """A suite that can show its question bodies without entities; authored suites do."""

    def question_bodies(self) -> Bodies:
        """Delexicalised question bodies by split and cluster."""


class Overlap(NamedTuple):
    """Largest Jaccard found, in [0, 1], and the two names it was found between."""

    value: float
    between: tuple[str, str]


def grams(text: str, size: int = GRAM) -> frozenset[tuple[str, ...]]:
    """N-grams of words or Chinese characters; a text shorter than ``size`` is one gram."""
    words = _UNIT.findall(text) if _CHINESE.search(text) else text.split()
    if len(words) <= size:
        return frozenset([tuple(words)] if words else [])
    return frozenset(tuple(words[i : i + size]) for i in range(len(words) - size + 1))


def jaccard(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    """Shared grams over all grams; 0 where both are empty."""
    union = len(a | b)
    return len(a & b) / union if union else 0.0


def _largest(sets: Mapping[str, frozenset[tuple[str, ...]]]) -> Overlap:
    pairs = [(jaccard(sets[a], sets[b]), (a, b)) for a, b in combinations(sets, 2)]
    value, between = max(pairs, default=(0.0, ("", "")))
    return Overlap(value, between)


def family_overlap(bodies: Bodies) -> Overlap:
    """Largest Jaccard between two clusters, of one split or of two."""
    return _largest(
        {
            f"{split}/{cluster}": _all_grams(texts)
            for split, clusters in bodies.items()
            for cluster, texts in clusters.items()
        }
    )


def split_overlap(bodies: Bodies) -> Overlap:
    """Largest over pairs of families of two different splits; stricter than Jaccard of unions."""
    best = Overlap(0.0, ("", ""))
    for first, second in combinations(bodies, 2):
        for a, texts in bodies[first].items():
            left = _all_grams(texts)
            for b, others in bodies[second].items():
                value = jaccard(left, _all_grams(others))
                if value > best.value:
                    best = Overlap(value, (f"{first}/{a}", f"{second}/{b}"))
    return best


def _all_grams(texts: Iterable[str]) -> frozenset[tuple[str, ...]]:
    return frozenset().union(*(grams(t) for t in texts))
