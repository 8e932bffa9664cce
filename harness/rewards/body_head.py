"""A linear head on hidden states: what a frozen transformer knows of an answer, no text features.

Owns the head. Where hidden states come from is a ``Body``, handed in, so that this module needs no
torch and tests need no model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.metering.formulas import proxy_fit_flops, proxy_score_flops
from rsft_bench.harness.rewards.calibration import RewardReport, calibrate, report_of, sigmoid
from rsft_bench.harness.rewards.labelled import BoolArray, halves
from rsft_bench.harness.rewards.proxy import PENALTY_C, prior_logit
from rsft_bench.harness.types import FloatArray

FORMAT = 1
WEIGHTS_FILE = "head.safetensors"
CONFIG_FILE = "head.json"


class Body(Protocol):
    """A frozen model that turns answers into numbers."""

    def features(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Hidden states, shape (n, width); a row depends on its own pair alone."""

    def flops(self, prompts: Sequence[str], texts: Sequence[str]) -> float:
        """FLOPs of ``features``."""


@dataclass(frozen=True)
class BodyHead:
    """Calibrated probability that an answer is good, from its hidden state.

    Attributes:
        body: where hidden states come from.
        mean, scale: standardisation, shape (width,).
        weights, intercept: of the linear score, shape (width,) and one number.
        slope, shift: calibration, probability = sigmoid(slope * linear + shift).
        answer_flops: FLOPs of the body on an average labelled answer with its prompt.
    """

    body: Body
    mean: FloatArray
    scale: FloatArray
    weights: FloatArray
    intercept: float
    slope: float
    shift: float
    answer_flops: float

    def linear(self, features: FloatArray) -> FloatArray:
        """Uncalibrated score (n,) of hidden states (n, width), each row added up by itself."""
        standard = (features - self.mean) / self.scale
        linear = np.einsum("ij,j->i", standard, self.weights)
        return np.asarray(linear + self.intercept, dtype=np.float64)

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Probabilities in (0, 1), shape (n,); equal pairs get equal scores in any batch."""
        if not texts:
            return np.zeros(0)
        return sigmoid(self.linear(self.body.features(prompts, texts)), self.slope, self.shift)

    def flops(self, answers: int) -> float:
        """FLOPs of scoring so many answers as long as the labelled ones."""
        return answers * self.answer_flops + proxy_score_flops(answers, len(self.weights))

    def save(self, folder: Path) -> None:
        """Write ``head.safetensors`` and ``head.json``; the body is not copied."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"mean": self.mean, "scale": self.scale, "weights": self.weights}
        arrays["calibration"] = np.array([self.intercept, self.slope, self.shift])
        save_file(arrays, folder / WEIGHTS_FILE)
        config = {"format": FORMAT, "answer_flops": self.answer_flops}
        (folder / CONFIG_FILE).write_text(json.dumps(config) + "\n", encoding="utf-8")


def load_head(folder: Path, body: Body) -> BodyHead:
    """Read what ``BodyHead.save`` wrote; scores are identical on the same body.

    Raises:
        DataError: a file is missing, damaged or of another format.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        arrays = load_file(folder / WEIGHTS_FILE)
        if config["format"] != FORMAT:
            raise DataError(f"{folder}: head of another format; fit it again")
        intercept, slope, shift = (float(v) for v in arrays["calibration"])
        mean, scale, weights = (arrays[name] for name in ("mean", "scale", "weights"))
        flops = float(config["answer_flops"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DataError(f"{folder}: not a body head: {error}") from error
    return BodyHead(body, mean, scale, weights, intercept, slope, shift, flops)


def fit_body_head(
    body: Body,
    prompts: Sequence[str],
    texts: Sequence[str],
    labels: BoolArray,
    clusters: Sequence[str],
    seed: int,
) -> tuple[BodyHead, RewardReport, float]:
    """Logistic regression on the hidden states of four fifths, calibrated on the rest.

    Arguments and errors are those of ``labelled.halves``. With all labels of the four fifths alike
    the score is a constant.

    Returns:
        The reward, its report, and the FLOPs of reading the four fifths and of the fit.
    """
    split = halves(prompts, texts, labels, clusters, seed)
    train, rest = split.train, split.rest
    features = body.features(train.prompts, train.texts)
    reading = body.flops(train.prompts, train.texts)
    mean, spread = features.mean(0), features.std(0)
    scale = np.where(spread > 0, spread, 1.0)
    blank = np.zeros_like(mean)
    each = reading / len(train.texts)
    head = BodyHead(body, mean, scale, blank, prior_logit(split.whole.truth), 1.0, 0.0, each)
    iterations = 0
    if len(set(train.truth)) < 2:
        split.notes.append("labels of one class only: the score is a constant")
    else:
        weights, intercept, iterations = _regression((features - mean) / scale, train.truth)
        head = replace(head, weights=weights, intercept=intercept)
    held = body.features(rest.prompts, rest.texts) if rest.texts else np.zeros((0, len(mean)))
    linear = head.linear(held)
    if iterations:
        slope, shift = calibrate(linear, rest.truth, split.notes)
        head = replace(head, slope=slope, shift=shift)
    report = report_of(sigmoid(linear, head.slope, head.shift), split, iterations)
    fitting = proxy_fit_flops(len(train.texts), len(mean), iterations)
    return head, report, reading + fitting


def _regression(standard: FloatArray, truth: BoolArray) -> tuple[FloatArray, float, int]:
    """Coefficients, intercept and iterations of the proxy's own kind of logistic regression."""
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=PENALTY_C, max_iter=1000, tol=1e-6)
    regression.fit(standard, truth)
    weights = regression.coef_[0].astype(np.float64)
    return weights, float(regression.intercept_[0]), int(regression.n_iter_[0])
