"""Features of a message: TF-IDF of its words, projected by a truncated SVD. No torch.

Latent semantic analysis (Deerwester et al. 1990, Indexing by latent semantic analysis), by
scikit-learn; kept as plain arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.policies.choices import CHOICES
from rsft_bench.harness.types import FloatArray

FEATURES = 100
#: Singular values below this share of the largest are 0.
RANK = 1e-6


@dataclass(frozen=True, eq=False)
class Features:
    """A fitted map from prompts to ``FEATURES`` numbers.

    Attributes:
        terms: words and pairs of words, (t,), sorted.
        idf: smoothed inverse document frequencies, (t,).
        components: projection (FEATURES, t), scaled so that the mean square of a feature over the
            prompts it was fitted on is 1; rows beyond the rank of those prompts are 0.
    """

    terms: tuple[str, ...]
    idf: FloatArray
    components: FloatArray

    def transform(self, prompts: Sequence[str]) -> tuple[FloatArray, list[int]]:
        """Features (n, FEATURES) and the number of known terms of each prompt, (n,).

        A prompt's own list of choices is not read. A prompt without known terms gets zeros. What a
        prompt gets does not depend on the prompts beside it.
        """
        weights: Any = self._vectoriser.transform([message(p) for p in prompts])
        features = np.asarray(weights @ self.components.T, dtype=np.float64)
        return features, [int(n) for n in np.diff(weights.indptr)]

    @cached_property
    def _vectoriser(self) -> Any:
        built = vectoriser(self.terms)
        built.idf_ = self.idf
        return built


def message(prompt: str) -> str:
    """The prompt without its list of choices, which is the same everywhere and says nothing."""
    return CHOICES.sub("", prompt)


def vectoriser(terms: Sequence[str] | None = None) -> Any:
    """scikit-learn's TF-IDF over words and pairs of words, rows of length 1."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = None if terms is None else {term: place for place, term in enumerate(terms)}
    return TfidfVectorizer(ngram_range=(1, 2), vocabulary=known)


def fit_features(prompts: Sequence[str]) -> Features:
    """Fit on distinct prompts, in their order of first appearance. Deterministic on one thread.

    Raises:
        DataError: the prompts hold no word of two letters.
    """
    from sklearn.decomposition import TruncatedSVD

    texts = [message(p) for p in dict.fromkeys(prompts)]
    learnt = vectoriser()
    try:
        weights: Any = learnt.fit_transform(texts)
    except ValueError as error:
        raise DataError(f"no features can be learnt from the prompts: {error}") from error
    terms = tuple(str(term) for term in learnt.get_feature_names_out())
    svd = TruncatedSVD(min(FEATURES, len(texts), len(terms)), random_state=0)
    # Of a single prompt it divides by a variance of 0 for a ratio that nobody reads.
    with np.errstate(divide="ignore", invalid="ignore"):
        svd.fit(weights)
    # Directions in which the prompts do not differ are arbitrary, and noise on any other prompt.
    real = svd.singular_values_ > RANK * svd.singular_values_[0]
    components = np.zeros((FEATURES, len(terms)))
    components[: len(real)][real] = svd.components_[real]
    components /= math.sqrt(float(((weights @ components.T) ** 2).mean()))
    return Features(terms, np.asarray(learnt.idf_, dtype=np.float64), components)


def projection_flops(terms: int) -> float:
    """A product and an addition for each known term and feature: 2 FEATURES terms."""
    return 2.0 * FEATURES * terms
