"""Fit the proxy reward on gold-labelled answers and say how good it is on answers held out.

Deterministic: one strongly regularised logistic regression on four fifths of the clusters, Platt's
sigmoid on the last fifth (Platt 1999). With all labels alike, or too few, the score is a constant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.rewards.features import KnownValues, feature_names
from rsft_bench.harness.rewards.prompt_view import view
from rsft_bench.harness.rewards.proxy_model import BUCKETS, Featuriser, ProxyReward
from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.statistics.selection import auc
from rsft_bench.harness.types import FloatArray

__all__ = ["Bin", "ProxyReport", "ProxyReward", "fit_proxy", "platt", "reliability"]

BoolArray: TypeAlias = NDArray[np.bool_]

PENALTY_C = 0.1
NGRAM_SCALE = 5.0
HELD_OUT = 0.2
BINS = 10
MIN_SLOPE = 0.05


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of the reliability diagram: scores in [lo, hi), n answers, means of both."""

    lo: float
    hi: float
    n: int
    mean_score: float
    share_positive: float


@dataclass(frozen=True)
class ProxyReport:
    """How the proxy does on the held-out fifth, which also set its calibration's two numbers.

    Attributes:
        n_label: gold labels spent.
        positive_share: share of positive labels among them.
        n_held_out: answers in the held-out fifth.
        iterations: of the solver over the other four fifths, 0 where the score is a constant.
        auc: over all held-out answers, None where one class is missing.
        brier: mean squared error of the probability, None without held-out answers.
        precision: share of positives among held-out answers scored at least .5, None if none is.
        reliability: ten equal-width bins, empty ones left out.
        notes: what the reader must know, such as a constant score.
    """

    n_label: int
    positive_share: float
    n_held_out: int
    iterations: int
    auc: float | None
    brier: float | None
    precision: float | None
    reliability: tuple[Bin, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Labelled:
    """Answers with their prompts and gold verdicts."""

    prompts: list[str]
    texts: list[str]
    truth: BoolArray

    def where(self, chosen: BoolArray) -> _Labelled:
        return _Labelled(
            [p for p, c in zip(self.prompts, chosen, strict=True) if c],
            [t for t, c in zip(self.texts, chosen, strict=True) if c],
            self.truth[chosen],
        )


def fit_proxy(
    prompts: Sequence[str],
    texts: Sequence[str],
    labels: BoolArray,
    clusters: Sequence[str],
    seed: int,
) -> tuple[ProxyReward, ProxyReport]:
    """Fit on four fifths of the labelled answers by cluster, calibrate and measure on the rest.

    Args:
        prompts: the prompt of each answer.
        texts: the answers.
        labels: gold verdicts, shape (n,).
        clusters: cluster of each answer; a cluster is held out whole. One cluster alone is split
            by prompt.
        seed: chooses the held-out fifth, nothing else.

    Raises:
        ValueError: the arguments differ in length or hold no answer.
    """
    if not len(prompts) == len(texts) == len(labels) == len(clusters) or not len(texts):
        raise ValueError("fit_proxy needs equally many, and at least one, of each argument")
    data = _Labelled(list(prompts), list(texts), np.asarray(labels, dtype=bool))
    units = list(clusters) if len(set(clusters)) > 1 else list(prompts)
    held = _held_out(units, data.truth, seed)
    notes = [] if len(set(clusters)) > 1 else ["one cluster: held out by prompt"]
    known = _known_values(prompts)
    train, rest = data.where(~held), data.where(held)
    iterations = 0
    if len(set(train.truth)) < 2:
        model = _constant(known, data.truth)
        notes.append("labels of one class only: the score is a constant")
    else:
        fitted, iterations = _fit(known, train)
        model = _calibrated(fitted, rest, notes)
    return model, _report(model, data, rest, iterations, notes)


def _held_out(units: Sequence[str], truth: BoolArray, seed: int) -> BoolArray:
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


def _known_values(prompts: Sequence[str]) -> KnownValues:
    views = [view(prompt) for prompt in dict.fromkeys(prompts)]
    return KnownValues.of(
        (phrase, key) for seen in views for found in seen.phrases.values() for phrase, key in found
    )


def _fit(known: KnownValues, train: _Labelled) -> tuple[ProxyReward, int]:
    """The uncalibrated reward and the iterations that its fit took."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    dense, hashed = Featuriser(known).matrices(train.prompts, train.texts)
    mean, spread = dense.mean(0), dense.std(0)
    scale = np.where(spread > 0, spread, 1.0)
    both: Any = sparse.hstack([(dense - mean) / scale, NGRAM_SCALE * hashed]).tocsr()
    regression = LogisticRegression(C=PENALTY_C, max_iter=1000, tol=1e-6)
    regression.fit(both, train.truth)
    coefficients = regression.coef_[0].astype(np.float64)
    names = len(feature_names())
    model = ProxyReward(
        known=known,
        mean=mean,
        scale=scale,
        dense=coefficients[:names],
        hashed=NGRAM_SCALE * coefficients[names:],
        intercept=float(regression.intercept_[0]),
        slope=1.0,
        shift=0.0,
        n_features=names + round(hashed.nnz / len(train.texts)),
    )
    return model, int(regression.n_iter_[0])


def _constant(known: KnownValues, truth: BoolArray) -> ProxyReward:
    """A score that is the smoothed share of positives, whatever the answer."""
    share = (truth.sum() + 1) / (len(truth) + 2)
    names = len(feature_names())
    zeros = np.zeros(names)
    logit = float(np.log(share / (1 - share)))
    return ProxyReward(known, zeros, zeros + 1, zeros, np.zeros(BUCKETS), logit, 1.0, 0.0, 0)


def _calibrated(model: ProxyReward, rest: _Labelled, notes: list[str]) -> ProxyReward:
    """Platt's sigmoid on the held-out answers, with his smoothed targets and a positive slope."""
    if len(set(rest.truth)) < 2:
        notes.append("held-out labels of one class only: the score is not calibrated")
        return model
    linear = model.linear(rest.prompts, rest.texts)
    slope, shift = platt(linear, rest.truth)
    if slope < MIN_SLOPE:
        notes.append(f"calibration slope {slope:.3f} raised to {MIN_SLOPE}")
        slope, shift = MIN_SLOPE, platt(linear, rest.truth, MIN_SLOPE)[1]
    return replace(model, slope=slope, shift=shift)


def platt(
    linear: FloatArray, truth: BoolArray, fixed_slope: float | None = None
) -> tuple[float, float]:
    """(slope, shift) of sigmoid(slope * linear + shift) by maximum likelihood, Newton steps.

    Targets are (n+ + 1) / (n+ + 2) and 1 / (n- + 2), which keeps the fit finite when the classes
    are separated. Source: Platt 1999, Probabilistic outputs for support vector machines, eq. 4.
    """
    positive = int(truth.sum())
    low = 1.0 / (len(truth) - positive + 2)
    target = np.where(truth, (positive + 1) / (positive + 2), low)
    design = np.stack([linear, np.ones_like(linear)], 1)
    point = np.array([1.0 if fixed_slope is None else fixed_slope, 0.0])
    free = np.array([fixed_slope is None, True])
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ point, -30, 30)))
        gradient = design.T @ (p - target)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.zeros(2)
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        point = point - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-10:
            break
    return float(point[0]), float(point[1])


def _report(
    model: ProxyReward,
    data: _Labelled,
    rest: _Labelled,
    iterations: int,
    notes: Sequence[str],
) -> ProxyReport:
    score = model.score(rest.prompts, rest.texts)
    found = rest.truth
    accepted = found[score >= 0.5]
    return ProxyReport(
        n_label=len(data.texts),
        positive_share=float(data.truth.mean()),
        n_held_out=len(rest.texts),
        iterations=iterations,
        auc=auc(score, found.astype(np.float64)),
        brier=float(((score - found) ** 2).mean()) if len(found) else None,
        precision=float(accepted.mean()) if len(accepted) else None,
        reliability=reliability(score, found),
        notes=tuple(notes),
    )


def reliability(scores: FloatArray, labels: BoolArray, bins: int = BINS) -> tuple[Bin, ...]:
    """Equal-width bins over [0, 1] with mean score and share of positives; empty ones left out."""
    index = np.minimum((scores * bins).astype(int), bins - 1)
    found = []
    for b in range(bins):
        rows = index == b
        if rows.any():
            means = float(scores[rows].mean()), float(labels[rows].mean())
            found.append(Bin(b / bins, (b + 1) / bins, int(rows.sum()), *means))
    return tuple(found)
