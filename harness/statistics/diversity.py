"""Diversity of answers: distinct n-grams at a fixed budget, self-BLEU, Vendi score.

Answers are sequences of words (``words`` makes them from text). n-grams never cross two answers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import exp, lgamma, log, nan
from typing import TypeAlias

import numpy as np
from scipy.special import entr

from rsft_bench.harness.types import FloatArray

Words: TypeAlias = Sequence[str]
Gram: TypeAlias = tuple[str, ...]
BLEU_ORDER = 4
_WORD = re.compile(r"\w+|[^\w\s]")


def words(text: str) -> tuple[str, ...]:
    """Lower-case words and single punctuation marks."""
    return tuple(_WORD.findall(text.lower()))


def distinct_n(answers: Sequence[Words], n: int) -> float:
    """Distinct n-grams over all n-grams; NaN without any.

    Confounded with length: the more words, the lower, whatever the diversity. Use
    ``distinct_at_budget`` to compare.

    Source: Li et al. 2016, arXiv 1510.03055, section 5.
    """
    counts = _pooled(answers, n)
    total = counts.total()
    return len(counts) / total if total else nan


def distinct_at_budget(answers: Sequence[Words], n: int, budget: int) -> float:
    """Expected share of distinct n-grams among ``budget`` drawn from all, without replacement.

    Exact: sum over n-grams of 1 - C(N - c, budget) / C(N, budget), over budget, with c occurrences
    of N in all. In (0, 1]; equal budgets make answers of unequal length or number comparable. NaN
    where there are fewer than ``budget`` n-grams.

    Raises:
        ValueError: n < 1 or budget < 1.

    Source: distinct-n of Li et al. 2016 at a fixed size by the rarefaction of Hurlbert 1971
    (Ecology 52:577-586).
    """
    if budget < 1:
        raise ValueError(f"distinct-{n} needs a budget of at least 1, got {budget}")
    counts = _pooled(answers, n)
    total = counts.total()
    if total < budget:
        return nan
    whole = _log_choose(total, budget)
    expected = 0.0
    for c, grams in Counter(counts.values()).items():
        left = total - c
        missed = exp(_log_choose(left, budget) - whole) if left >= budget else 0.0
        expected += grams * (1.0 - missed)
    return expected / budget


def bleu(candidate: Words, references: Sequence[Words], order: int = BLEU_ORDER) -> float:
    """BLEU of one answer against references, in [0, 1].

    Geometric mean of clipped n-gram precisions for n = 1..order, times the brevity penalty to the
    reference of closest length (the shorter one on ties). Smoothing: one is added to matches and
    totals for n >= 2, and orders longer than the candidate are left out, so that an answer equal to
    a reference scores 1. No unigram in common scores 0; an empty candidate 1 beside an empty
    reference, else 0.

    Raises:
        ValueError: no references.

    Source: Papineni et al. 2002 (ACL P02-1040); smoothing of Lin and Och 2004 (COLING C04-1072).
    """
    if not references:
        raise ValueError("BLEU needs at least one reference")
    return _bleu(_grams(candidate, order), [_grams(r, order) for r in references])


def self_bleu(answers: Sequence[Words], order: int = BLEU_ORDER) -> float:
    """Mean BLEU of each answer against the others: 1 all equal, 0 no word in common.

    NaN with fewer than two answers. It rises with their number: compare equal numbers.

    Source: Zhu et al. 2018, arXiv 1802.01886, section 3; smoothing as in ``bleu``.
    """
    if len(answers) < 2:
        return nan
    grams = [_grams(a, order) for a in answers]
    found = [_bleu(g, grams[:i] + grams[i + 1 :]) for i, g in enumerate(grams)]
    return sum(found) / len(found)


def vendi_score(kernel: FloatArray) -> float:
    """Effective number of different answers: exp of the entropy of the eigenvalues of K/n.

    From 1 (all alike) to n (nothing in common); 2 to n draws of one prompt compare only at equal n.

    Args:
        kernel: similarities, shape (n, n), symmetric, positive semidefinite, 1 on the diagonal.

    Raises:
        ValueError: another shape, not symmetric, another diagonal, or an eigenvalue below 0.

    Source: Friedman and Dieng 2023, arXiv 2210.02410, definition 3.1.
    """
    k = np.asarray(kernel, dtype=np.float64)
    if k.ndim != 2 or k.shape[0] != k.shape[1] or not k.size or np.abs(k - k.T).max() > 1e-9:
        raise ValueError(f"a Vendi kernel is a symmetric square matrix, got shape {k.shape}")
    if np.abs(np.diag(k) - 1.0).max() > 1e-9:
        raise ValueError("a Vendi kernel has 1 on its diagonal")
    values = np.linalg.eigvalsh(k) / len(k)
    if values.min() < -1e-9:
        raise ValueError(
            f"a Vendi kernel is positive semidefinite, got {values.min() * len(k):.3g}"
        )
    return float(np.exp(entr(np.clip(values, 0.0, None)).sum()))


def ngram_kernel(answers: Sequence[Words], n: int = 2) -> FloatArray:
    """Cosine of the counts of 1-grams to n-grams of each two answers, shape (answers, answers).

    Empty answers are alike and have nothing in common with others.
    """
    counts = [sum(_grams(a, n), Counter[Gram]()) for a in answers]
    column = {gram: j for j, gram in enumerate(dict.fromkeys(g for c in counts for g in c))}
    table = np.zeros((len(counts), len(column) + 1))
    for row, found in zip(table, counts, strict=True):
        if not found:
            row[-1] = 1.0
        for gram, times in found.items():
            row[column[gram]] = times
    table /= np.sqrt(np.square(table).sum(axis=1, keepdims=True))
    kernel = table @ table.T
    np.fill_diagonal(kernel, 1.0)
    return np.asarray(kernel)


def _grams(answer: Words, order: int) -> list[Counter[Gram]]:
    """Counts of the n-grams of one answer for n = 1..order, fewer where the answer is shorter."""
    return [
        Counter(zip(*(answer[i:] for i in range(n)), strict=False))
        for n in range(1, min(order, len(answer)) + 1)
    ]


def _bleu(candidate: list[Counter[Gram]], references: list[list[Counter[Gram]]]) -> float:
    if not candidate:
        return 1.0 if any(not r for r in references) else 0.0
    logs = 0.0
    for i, grams in enumerate(candidate):
        others = [r[i] for r in references if len(r) > i]
        matched = sum(min(c, max((o[g] for o in others), default=0)) for g, c in grams.items())
        smooth = 1 if i else 0
        if matched + smooth == 0:
            return 0.0
        logs += log((matched + smooth) / (grams.total() + smooth))
    length = candidate[0].total()
    lengths = [r[0].total() if r else 0 for r in references]
    closest = min(lengths, key=lambda other: (abs(other - length), other))
    return exp(logs / len(candidate) + min(0.0, 1.0 - closest / length))


def _pooled(answers: Sequence[Words], n: int) -> Counter[Gram]:
    if n < 1:
        raise ValueError(f"distinct-n needs n >= 1, got {n}")
    counts = Counter[Gram]()
    for a in answers:
        counts.update(zip(*(a[i:] for i in range(n)), strict=False))
    return counts


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
