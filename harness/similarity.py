"""When two answers say the same, and how alike they are. Pure; numpy only."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from rsft_bench.harness.types import FloatArray

_WORD = re.compile(r"\w+(?:[.,'’]\w+)*")
#: Marks at the ends of an answer that say nothing.
_EDGES = " .,;:!?\"'"


def normal_text(text: str) -> str:
    """The text up to spelling that says nothing, by which answers are equivalent.

    Unicode compatibility forms, letter case, curly quotes, runs of white space, and white space,
    quotes and ``.,;:!?`` at both ends.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    straight = folded.translate(str.maketrans("‘’“”", "''\"\""))
    return " ".join(straight.split()).strip(_EDGES)


def ngram_f1(texts: Sequence[str], orders: Sequence[int] = (1, 2)) -> FloatArray:
    """Similarity of every two texts in [0, 1]: mean over ``orders`` of the F1 of word n-grams.

    F1 = 2 overlap / (n-grams of both), overlap counting each n-gram as often as both have it, so
    that ``"cat cat cat"`` and ``"cat"`` share one unigram of four. An order counts where one of the
    two texts has n-grams of it. Case does not count. Two texts without a word have similarity 1.

    Returns:
        Shape (N, N), symmetric, 1 on the diagonal.

    Source: the word part of chrF++ at beta = 1 (Popović 2017, W17-4770), with F1 taken per order;
    token F1 as SQuAD's (Rajpurkar et al. 2016, arXiv 1606.05250).
    """
    found, at = np.unique(np.array([text.casefold() for text in texts]), return_inverse=True)
    words = [_WORD.findall(text) for text in found]
    total, used = np.zeros((len(found), len(found))), np.zeros((len(found), len(found)))
    for order in orders:
        counts = _counts(words, order)
        sizes = counts.sum(axis=1)
        both = sizes[:, None] + sizes[None, :]
        overlap = np.minimum(counts[:, None, :], counts[None, :, :]).sum(axis=2)
        total += 2 * overlap / np.maximum(both, 1)
        used += both > 0
    alike = np.where(used > 0, total / np.maximum(used, 1), 1.0)
    return np.asarray(alike[np.ix_(at.ravel(), at.ravel())])


def _counts(words: Sequence[Sequence[str]], order: int) -> FloatArray:
    """How often each text has each n-gram, shape (texts, distinct n-grams)."""
    bags = [
        Counter(tuple(text[i : i + order]) for i in range(len(text) - order + 1)) for text in words
    ]
    columns = {gram: j for j, gram in enumerate(dict.fromkeys(g for bag in bags for g in bag))}
    counts = np.zeros((len(bags), len(columns)))
    for i, bag in enumerate(bags):
        for gram, count in bag.items():
            counts[i, columns[gram]] = count
    return counts
