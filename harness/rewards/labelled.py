"""Gold-labelled answers and the fifth of them that calibrates a reward and says how good it is.

Every reward that is fitted splits its answers here, so that all are judged on the same held-out
answers of one seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.types import FloatArray

BoolArray: TypeAlias = NDArray[np.bool_]

HELD_OUT = 0.2


@dataclass(frozen=True)
class Labelled:
    """Answers with their prompts and gold verdicts; ``grades`` order answers to one prompt.

    ``truth`` (n,) says which passed, ``grades`` (n,) is what pairs are made of: the verdict again,
    or graded gold, NaN where an example has none.
    """

    prompts: list[str]
    texts: list[str]
    truth: BoolArray
    grades: FloatArray

    def where(self, chosen: BoolArray) -> Labelled:
        """The rows where ``chosen`` (n,) holds, in order."""
        return Labelled(
            [p for p, c in zip(self.prompts, chosen, strict=True) if c],
            [t for t, c in zip(self.texts, chosen, strict=True) if c],
            self.truth[chosen],
            self.grades[chosen],
        )


@dataclass(frozen=True)
class Halves:
    """All labelled answers, the four fifths that fit, the fifth held out, and what to note."""

    whole: Labelled
    train: Labelled
    rest: Labelled
    notes: list[str]


def halves(
    prompts: Sequence[str],
    texts: Sequence[str],
    labels: BoolArray,
    clusters: Sequence[str],
    seed: int,
    grades: FloatArray | None = None,
) -> Halves:
    """Four fifths of the labelled answers by cluster, and the rest.

    Args:
        prompts: the prompt of each answer.
        texts: the answers.
        labels: gold verdicts, shape (n,).
        clusters: cluster of each answer; a cluster is held out whole. One cluster alone is split
            by prompt.
        seed: chooses the held-out fifth, nothing else.
        grades: graded gold, shape (n,); default the verdicts.

    Raises:
        ValueError: the arguments differ in length or hold no answer.
    """
    if not len(prompts) == len(texts) == len(labels) == len(clusters) or not len(texts):
        raise ValueError("a fit needs equally many, and at least one, of each argument")
    truth = np.asarray(labels, dtype=bool)
    graded = truth.astype(np.float64) if grades is None else np.asarray(grades, dtype=np.float64)
    data = Labelled(list(prompts), list(texts), truth, graded)
    several = len(set(clusters)) > 1
    held = held_out(list(clusters) if several else data.prompts, truth, seed)
    notes = [] if several else ["one cluster: held out by prompt"]
    return Halves(data, data.where(~held), data.where(held), notes)


def held_out(units: Sequence[str], truth: BoolArray, seed: int) -> BoolArray:
    """Whole units in keyed order until a fifth of the rows and both classes are reached.

    A unit whose leaving would take a class from the rest stays, so that both sides have both
    classes wherever the units allow it; where they do not, a fifth by size alone.
    """
    order = sorted(set(units), key=lambda unit: (keyed_unit("proxy-held-out", seed, unit), unit))
    sizes = Counter(units)
    positives = Counter(unit for unit, good in zip(units, truth, strict=True) if good)
    total, all_positive = len(units), int(truth.sum())
    n = good = 0
    taken: set[str] = set()
    for unit in order:
        if n >= HELD_OUT * total and 0 < good < n:
            break
        left, left_good = total - n - sizes[unit], all_positive - good - positives[unit]
        if 0 < left_good < left:
            taken.add(unit)
            n, good = n + sizes[unit], good + positives[unit]
    if not 0 < good < n:
        taken = _by_size(order, sizes, total)
    return np.array([unit in taken for unit in units], dtype=bool)


def _by_size(order: Sequence[str], sizes: Mapping[str, int], total: int) -> set[str]:
    """Units in order until a fifth of ``total`` rows is reached, never all of them."""
    taken: set[str] = set()
    for unit in order[:-1]:
        if sum(sizes[t] for t in taken) >= HELD_OUT * total:
            break
        taken.add(unit)
    return taken
