"""Prompts of one split that stand, the same or nearly, in another: test answers known in training.

Kernel imports only; scikit-learn is loaded where texts are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from rsft_bench.harness.types import SPLITS, TEST_SPLITS, Example, Json, Split

#: Cosine of TF-IDF vectors (words and pairs of words) from which two prompts are near duplicates.
NEAR = 0.95
#: Prompts of a split that are compared, evenly spaced; both sides.
MOST = 4000
MAX_LEAKAGE = 0.1
"""Largest share of a test split's prompts that may stand, the same or nearly, in an earlier one."""
WARN_LEAKAGE = 0.01
WARN_CLUSTER_SHARE = 0.2
_TOKEN = r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+"


@dataclass(frozen=True, slots=True)
class Leakage:
    """Of ``n`` prompts of a test split, how many occur in an earlier split.

    ``exact``: the same text up to case and white space. ``near``: others with cosine of at least
    ``NEAR`` to some prompt there. ``shown`` names one pair of example ids, None where none is.
    """

    n: int
    exact: int
    near: int
    shown: tuple[str, str] | None

    @property
    def share(self) -> float:
        """Exact and near duplicates over ``n``; 0 for an empty split."""
        return (self.exact + self.near) / self.n if self.n else 0.0


def leakage(examples: Sequence[Example]) -> dict[Split, Leakage]:
    """Leakage of each test split from all splits before it in ``SPLITS``.

    Weights of words are those of all compared prompts, so that what every prompt shares (a policy,
    the labels of lines) counts for nothing. Source: Manning, Raghavan, Schütze 2008, section 6.2
    (TF-IDF, idf = log N/df).
    """
    by_split = {s: spaced([e for e in examples if e.split == s], MOST) for s in SPLITS}
    earlier: list[Example] = []
    found: dict[Split, Leakage] = {}
    for split in SPLITS:
        if split in TEST_SPLITS:
            found[split] = _compared(by_split[split], spaced(earlier, MOST))
        earlier += by_split[split]
    return found


def _compared(tested: Sequence[Example], known: Sequence[Example]) -> Leakage:
    if not tested or not known:
        return Leakage(len(tested), 0, 0, None)
    texts = {_plain(e.prompt): e.example_id for e in reversed(known)}
    same = np.array([_plain(e.prompt) in texts for e in tested])
    cosine, at = _nearest([e.prompt for e in tested], [e.prompt for e in known])
    near = (cosine >= NEAR) & ~same
    shown = None
    if same.any():
        example = tested[int(np.argmax(same))]
        shown = (example.example_id, texts[_plain(example.prompt)])
    elif near.any():
        i = int(np.argmax(near))
        shown = (tested[i].example_id, known[int(at[i])].example_id)
    return Leakage(len(tested), int(same.sum()), int(near.sum()), shown)


def _nearest(
    tested: Sequence[str], known: Sequence[str]
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.int64]]
]:
    """Largest cosine of each tested text with a known one, shape (tested,), and its index."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=_TOKEN, smooth_idf=False)
    texts = [*tested, *known]
    try:
        # scikit-learn adds 1, which would let a policy or a list of choices in all prompts count.
        vectorizer.fit(texts).idf_ -= 1
        matrix = vectorizer.transform(texts)
    except ValueError:  # no word at all
        return np.zeros(len(tested)), np.zeros(len(tested), dtype=np.int64)
    left, right = matrix[: len(tested)], matrix[len(tested) :].T.tocsr()
    best, where = [], []
    for start in range(0, len(tested), 256):  # a dense block stays below 10 MB
        block = (left[start : start + 256] @ right).toarray()
        best.append(block.max(axis=1))
        where.append(block.argmax(axis=1))
    return np.concatenate(best), np.concatenate(where)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def spaced(examples: Sequence[Example], most: int) -> list[Example]:
    """At most ``most`` of the examples, evenly spaced, in their order."""
    if len(examples) <= most:
        return list(examples)
    return [examples[i * len(examples) // most] for i in range(most)]


def cluster_sizes(examples: Sequence[Example]) -> dict[str, dict[str, float]]:
    """Examples a cluster by split: smallest, median, largest, and the largest's share of its split.

    Splits without examples are left out.
    """
    found: dict[str, dict[str, float]] = {}
    for split in SPLITS:
        counts: dict[str, int] = {}
        for example in examples:
            if example.split == split:
                counts[example.cluster] = counts.get(example.cluster, 0) + 1
        if counts:
            sizes = sorted(counts.values())
            found[split] = {
                "min": sizes[0],
                "median": median(sizes),
                "max": sizes[-1],
                "largest_share": sizes[-1] / sum(sizes),
            }
    return found


def balance(examples: Sequence[Example]) -> dict[str, float | None]:
    """Share of the largest stratum and of the commonest reference over the test splits.

    None where there are no test examples or, for ``reference``, none of them has one.
    """
    tested = [e for e in examples if e.split in TEST_SPLITS]
    return {
        "stratum": _largest([e.stratum for e in tested]),
        "reference": _largest([_plain(e.references[0]) for e in tested if e.references]),
    }


def _largest(names: Sequence[str]) -> float | None:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return max(counts.values()) / len(names) if names else None


def as_json(found: Mapping[Split, Leakage]) -> dict[str, Json]:
    """Plain dictionaries by split."""
    return {
        split: {
            "exact": leak.exact,
            "near": leak.near,
            "share": leak.share,
            "shown": None if leak.shown is None else list(leak.shown),
        }
        for split, leak in found.items()
    }


def leak_reasons(
    leaks: Mapping[Split, Leakage], sizes: Mapping[str, Mapping[str, float]], by_design: Json
) -> tuple[list[str], list[str]]:
    """(what makes a conclusion impossible, what weakens one) in prompts and clusters.

    ``by_design``: why duplicates are meant, which makes them a remark; None where they are not.
    """
    fatal: list[str] = []
    warnings: list[str] = []
    for split, leak in leaks.items():
        if leak.share > WARN_LEAKAGE and leak.shown is not None:
            text = (
                f"{leak.exact} prompts of {split} stand in an earlier split and {leak.near} nearly "
                f"do, of {leak.n} (such as {leak.shown[0]!r} and {leak.shown[1]!r})"
            )
            if by_design:
                warnings.append(f"{text}, by design: {by_design}")
            elif leak.share > MAX_LEAKAGE:
                fatal.append(
                    f"{text}; at most {MAX_LEAKAGE:.0%} are allowed: give them one cluster"
                )
            else:
                warnings.append(text)
        largest = sizes[split]["largest_share"] if split in sizes else 0.0
        if largest > WARN_CLUSTER_SHARE:
            warnings.append(f"one cluster holds {largest:.0%} of {split}")
    return fatal, warnings
