"""Groups of short texts that are the same or nearly so: clusters where the data names none.

Kernel imports only.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

#: Jaccard index of two texts' sets of words from which they belong together.
NEAR = 0.8
_WORD = re.compile(r"\w+(?:'\w+)?")


def words(text: str) -> list[str]:
    """Lower-case words in their order, every digit as 0."""
    return _WORD.findall(re.sub(r"\d", "0", text.lower()))


def groups(texts: Sequence[str], near: float = NEAR) -> list[int]:
    """For each text the index of the first text of its group, shape (texts,).

    Groups are the connected components of "Jaccard of the word sets is at least ``near``"; texts
    without a word are alone. Exact, by prefix filtering: sets that similar share one of the
    |x| - ceil(near |x|) + 1 rarest words of either.

    Source: Bayardo, Ma, Srikant 2007, "Scaling up all pairs similarity search", section 4.
    """
    sets = [frozenset(words(text)) for text in texts]
    counts = Counter(word for one in sets for word in one)
    parent = list(range(len(texts)))
    known: dict[frozenset[str], int] = {}
    postings: dict[str, list[int]] = defaultdict(list)
    for i, one in enumerate(sets):
        if not one:
            continue
        if one in known:
            _join(parent, known[one], i)
            continue
        known[one] = i
        ranked = sorted(one, key=lambda word: (counts[word], word))
        prefix = ranked[: len(one) - math.ceil(near * len(one) - 1e-9) + 1]
        for j in dict.fromkeys(j for word in prefix for j in postings[word]):
            other = sets[j]
            if min(len(one), len(other)) >= near * max(len(one), len(other)):
                both = len(one & other)
                if both >= near * (len(one) + len(other) - both):
                    _join(parent, j, i)
        for word in prefix:
            postings[word].append(i)
    return [_root(parent, i) for i in range(len(texts))]


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def _join(parent: list[int], i: int, j: int) -> None:
    a, b = _root(parent, i), _root(parent, j)
    parent[max(a, b)] = min(a, b)
