"""The fitted proxy reward: a calibrated linear model over agreement features and hashed n-grams."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.metering.formulas import proxy_score_flops
from rsft_bench.harness.rewards.calibration import sigmoid
from rsft_bench.harness.rewards.features import (
    KnownValues,
    agreement,
    feature_names,
    rewrite,
    symbol_ngrams,
)
from rsft_bench.harness.rewards.prompt_view import PromptView, view
from rsft_bench.harness.types import FloatArray, Json

FORMAT = 1
BUCKETS = 4096
WEIGHTS_FILE = "proxy.safetensors"
CONFIG_FILE = "proxy.json"
NGRAM_SCALE = 5.0


class Featuriser:
    """Turns (prompt, answer) pairs into a sparse matrix; remembers parsed prompts.

    Columns: the agreement features of ``feature_names()``, then ``BUCKETS`` hashed n-grams, each
    row of n-grams scaled to length 1.
    """

    def __init__(self, known: KnownValues) -> None:
        """``known`` are the record values of the training prompts."""
        from sklearn.feature_extraction.text import HashingVectorizer

        self.known = known
        self._views: dict[str, PromptView] = {}
        self._names = feature_names()
        self._hasher = HashingVectorizer(
            analyzer=_same, n_features=BUCKETS, alternate_sign=False, binary=True, norm="l2"
        )

    def matrices(self, prompts: Sequence[str], texts: Sequence[str]) -> tuple[FloatArray, Any]:
        """Dense agreement features (n, names) and sparse n-gram features (n, BUCKETS)."""
        dense = np.zeros((len(texts), len(self._names)))
        grams: list[list[str]] = []
        for row, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
            seen = self._view(prompt)
            answer = rewrite(seen, self.known, text)
            values = agreement(seen, answer)
            dense[row] = [values.get(name, 0.0) for name in self._names]
            grams.append(list(symbol_ngrams(answer, seen)))
        return dense, self._hasher.transform(grams)

    def _view(self, prompt: str) -> PromptView:
        if prompt not in self._views:
            self._views[prompt] = view(prompt)
        return self._views[prompt]


def _same(grams: list[str]) -> list[str]:
    return grams


@dataclass(frozen=True)
class ProxyReward:
    """Calibrated probability that an answer is good, from prompt and answer text alone.

    Attributes:
        known: record values of the training prompts.
        mean, scale: standardisation of the agreement features, shape (names,).
        dense, hashed: coefficients, shapes (names,) and (BUCKETS,).
        intercept: of the linear score.
        slope, shift: calibration, probability = sigmoid(slope * linear + shift); slope is positive,
            so calibration never changes a ranking.
        n_features: non-zero features of an average training answer, for cost formulas.
    """

    known: KnownValues
    mean: FloatArray
    scale: FloatArray
    dense: FloatArray
    hashed: FloatArray
    intercept: float
    slope: float
    shift: float
    n_features: int

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Probabilities in (0, 1), shape (n,); equal pairs get equal scores in any batch."""
        if not texts:
            return np.zeros(0)
        pairs = list(zip(prompts, texts, strict=True))
        distinct = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
        probability = self.probability(self.linear(*zip(*distinct, strict=True)))
        return probability[[distinct[pair] for pair in pairs]]

    def flops(self, answers: int) -> float:
        """FLOPs of scoring so many answers of average length."""
        return proxy_score_flops(answers, self.n_features)

    def linear(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Uncalibrated score, shape (n,)."""
        dense, hashed = self._featuriser.matrices(prompts, texts)
        standard = (dense - self.mean) / self.scale
        # einsum and the sparse product add up each row by itself, so a score cannot depend on
        # which other rows stand in the batch, as it can with a blocked matrix product.
        linear = np.einsum("ij,j->i", standard, self.dense) + hashed @ self.hashed
        return np.asarray(linear + self.intercept, dtype=np.float64)

    def probability(self, linear: FloatArray) -> FloatArray:
        """Calibrated probability of a linear score."""
        return sigmoid(linear, self.slope, self.shift)

    def save(self, folder: Path) -> None:
        """Write ``proxy.safetensors`` and ``proxy.json`` into ``folder``."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"mean": self.mean, "scale": self.scale}
        arrays |= {"dense": self.dense, "hashed": self.hashed}
        arrays["calibration"] = np.array([self.intercept, self.slope, self.shift])
        save_file(arrays, folder / WEIGHTS_FILE)
        phrases = sorted({pair for found in self.known.phrases.values() for pair in found})
        config: dict[str, Json] = {"format": FORMAT, "n_features": self.n_features}
        config["features"] = list(feature_names())
        config["known"] = phrases
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> ProxyReward:
        """Read what ``save`` wrote; scores are identical without a refit.

        Raises:
            DataError: a file is missing, damaged or of another format or feature set.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
            arrays = load_file(folder / WEIGHTS_FILE)
            if config["format"] != FORMAT or config["features"] != list(feature_names()):
                raise DataError(f"{folder}: proxy of another format; fit it again")
            known = KnownValues.of((tuple(tokens), key) for tokens, key in config["known"])
            intercept, slope, shift = (float(v) for v in arrays["calibration"])
            size = int(config["n_features"])
            kept = {name: arrays[name] for name in ("mean", "scale", "dense", "hashed")}
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise DataError(f"{folder}: not a proxy reward: {error}") from error
        return cls(known, **kept, intercept=intercept, slope=slope, shift=shift, n_features=size)

    @cached_property
    def _featuriser(self) -> Featuriser:
        return Featuriser(self.known)


class Design(NamedTuple):
    """The standardised features of some answers, and how new answers get the same.

    ``matrix`` (n, names + BUCKETS) is sparse: agreement features at mean 0 and SD 1, then n-grams
    times ``NGRAM_SCALE``. ``n_features`` is the number of non-zero ones of an average answer.
    """

    known: KnownValues
    mean: FloatArray
    scale: FloatArray
    matrix: Any
    n_features: int

    def reward(self, coefficients: FloatArray, intercept: float) -> ProxyReward:
        """The reward, uncalibrated, of coefficients (names + BUCKETS,) over these features."""
        weights, names = coefficients.astype(np.float64), len(feature_names())
        return ProxyReward(
            known=self.known,
            mean=self.mean,
            scale=self.scale,
            dense=weights[:names],
            hashed=NGRAM_SCALE * weights[names:],
            intercept=intercept,
            slope=1.0,
            shift=0.0,
            n_features=self.n_features,
        )


def design(known: KnownValues, prompts: Sequence[str], texts: Sequence[str]) -> Design:
    """Features of answers to fit on; these answers set the standardisation."""
    from scipy import sparse

    dense, hashed = Featuriser(known).matrices(prompts, texts)
    mean, spread = dense.mean(0), dense.std(0)
    scale = np.where(spread > 0, spread, 1.0)
    both: Any = sparse.hstack([(dense - mean) / scale, NGRAM_SCALE * hashed]).tocsr()
    size = len(feature_names()) + round(hashed.nnz / len(texts))
    return Design(known, mean, scale, both, size)


def known_values(prompts: Sequence[str]) -> KnownValues:
    """Record values of some prompts."""
    views = [view(prompt) for prompt in dict.fromkeys(prompts)]
    return KnownValues.of(
        (phrase, key) for seen in views for found in seen.phrases.values() for phrase, key in found
    )
