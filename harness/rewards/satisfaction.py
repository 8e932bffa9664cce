"""Predicted satisfaction with an answer: ordinal regression on text, fitted on people's ratings.

A model of thresholds: for each t in 1..4 a logistic regression of "rated above t" (Frank and Hall
2001, A simple approach to ordinal classification, ECML, section 2), made monotone in t. It reads
the answer, the customer's line before it and a few counts. It predicts what annotators of one data
set said of that data set's answers; anywhere else it is a guess and has to be read as one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from rsft_bench.harness.rewards.lexicons import NEGATIVE, POLITE, RUDE
from rsft_bench.harness.rewards.satisfaction_data import MOST
from rsft_bench.harness.types import FloatArray, IntArray

Embed: TypeAlias = Callable[[Sequence[str]], FloatArray]

BUCKETS = 2**15
PENALTY_C = 1.0
POWER = 0.7
_WORD = re.compile(r"[a-z']+|\d+|[?!]")
_CUES = ("log words", "asks", "numbers", "polite", "rude", "no", "repeats", "turn")


@dataclass(frozen=True)
class Satisfaction:
    """A fitted predictor. ``models`` holds a classifier a threshold, or its constant probability.

    ``shares`` (5,) are the classes' shares in training, ``embed`` the optional embedding.
    """

    models: tuple[Any, ...]
    shares: FloatArray
    embed: Embed | None = None

    def probabilities(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Probability of each rating 1..5, shape (n, 5), rows sum to 1."""
        return law(self.models, features(prompts, texts, self.embed))

    def expected(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Expected rating, shape (n,), in [1, 5]."""
        return self.probabilities(prompts, texts) @ np.arange(1, MOST + 1)


def fit_satisfaction(
    prompts: Sequence[str], texts: Sequence[str], votes: IntArray, embed: Embed | None = None
) -> Satisfaction:
    """Fit on answers with the annotators' vote.

    Args:
        prompts: what stood before each answer, lines ``Customer:`` and ``Agent:``.
        texts: the answers.
        votes: rating of each, shape (n,), 1 to 5.
        embed: texts to vectors (n, d), joined to the other features; None leaves them out.

    Raises:
        ValueError: no answers, or arguments of unequal length.
    """
    if not len(prompts) == len(texts) == len(votes) or not len(votes):
        raise ValueError("a fit needs equally many, and at least one, of each argument")
    votes = np.asarray(votes, dtype=np.int64)
    models = thresholds(features(prompts, texts, embed), votes)
    return Satisfaction(models, shares_of(votes), embed)


def shares_of(votes: IntArray) -> FloatArray:
    """Share of each rating 1..5, shape (5,)."""
    counts = np.bincount(votes - 1, minlength=MOST).astype(np.float64)
    return np.asarray(counts / counts.sum())


def thresholds(matrix: Any, votes: IntArray) -> tuple[Any, ...]:
    """A classifier of "above t" for t = 1..4; a smoothed share where one side is empty."""
    from sklearn.linear_model import LogisticRegression

    models: list[Any] = []
    for t in range(1, MOST):
        above = votes > t
        if above.all() or not above.any():
            models.append(float((above.sum() + 0.5) / (len(above) + 1)))
        else:
            model = LogisticRegression(C=PENALTY_C, max_iter=200, tol=1e-3)
            models.append(model.fit(matrix, above))
    return tuple(models)


def law(models: Sequence[Any], matrix: Any) -> FloatArray:
    """Probability of each rating, shape (n, 5).

    P(above t) is lowered to the smallest of those up to t, so that no class has a negative share.
    """
    n = matrix.shape[0]
    above = np.stack(
        [np.full(n, m) if isinstance(m, float) else m.predict_proba(matrix)[:, 1] for m in models],
        axis=1,
    )
    tail = np.minimum.accumulate(above, axis=1)
    padded = np.concatenate([np.ones((n, 1)), tail, np.zeros((n, 1))], axis=1)
    return np.asarray(padded[:, :-1] - padded[:, 1:])


def likeliest(probabilities: FloatArray) -> IntArray:
    """The most probable rating of each row, shape (n,): best for accuracy."""
    return np.asarray(probabilities.argmax(axis=1) + 1)


def softened(probabilities: FloatArray, shares: FloatArray) -> IntArray:
    """The rating whose probability is largest against its share in training to the power .7.

    Power 0 names the likeliest rating, 1 maximises expected unweighted average recall and then
    names a rating that three answers of thousands have far too often. ``POWER`` was taken from
    .3, .5, .7, .85 and 1 by kappa on the same cross-validation that is reported, so its figure is a
    little too good. A rating that training lacks is never named. Shape (n,).
    """
    known = np.broadcast_to(shares > 0, probabilities.shape)
    raised = np.broadcast_to(shares**POWER, probabilities.shape)
    ratio = np.divide(probabilities, raised, out=np.zeros_like(probabilities), where=known)
    return np.asarray(ratio.argmax(axis=1) + 1)


def features(prompts: Sequence[str], texts: Sequence[str], embed: Embed | None = None) -> Any:
    """Sparse matrix (n, features): n-grams of answer and customer's line, counts, embedding."""
    from scipy import sparse
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        n_features=BUCKETS, analyzer=_grams, alternate_sign=False, norm="l2", lowercase=False
    )
    last = [_line(prompt, "Customer") for prompt in prompts]
    blocks = [
        hashing.transform(texts),
        hashing.transform(last),
        sparse.csr_matrix(np.array([_cues(p, t) for p, t in zip(prompts, texts, strict=True)])),
    ]
    if embed is not None:
        blocks.append(sparse.csr_matrix(embed(texts)))
    return sparse.hstack(blocks).tocsr()


def _grams(text: str) -> list[str]:
    words = ["<", *_WORD.findall(text.lower()), ">"]
    words = ["#" if word.isdigit() else word for word in words]
    return [*words, *(f"{a} {b}" for a, b in zip(words, words[1:], strict=False))]


def _line(prompt: str, who: str) -> str:
    found = [line for line in prompt.splitlines() if line.startswith(f"{who}:")]
    found = [line.partition(":")[2].strip() for line in found]
    return next((line for line in reversed(found) if line), "")


def _cues(prompt: str, text: str) -> list[float]:
    """Numbers of order one, in the order of ``_CUES``."""
    words = _WORD.findall(text.lower())
    said = set(words)
    found = {
        "log words": math.log1p(len(words)) / 4,
        "asks": float("?" in said),
        "numbers": min(sum(word.isdigit() for word in words), 3) / 3,
        "polite": min(len(said & POLITE), 3) / 3,
        "rude": min(len(said & RUDE), 3) / 3,
        "no": float(bool(said & NEGATIVE)),
        "repeats": float(bool(text.strip()) and text.strip() in prompt),
        "turn": min(prompt.count("\nAgent:"), 4) / 4,
    }
    return [found[name] for name in _CUES]
