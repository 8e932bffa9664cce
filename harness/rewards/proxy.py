"""Fit the proxy reward on gold-labelled answers and say how good it is on answers held out.

Deterministic: one strongly regularised logistic regression on four fifths of the clusters, Platt's
sigmoid on the last fifth (Platt 1999). With all labels alike, or too few, the score is a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rsft_bench.harness.rewards.calibration import RewardReport, calibrate, report_of
from rsft_bench.harness.rewards.features import KnownValues, feature_names
from rsft_bench.harness.rewards.labelled import BoolArray, Halves, Labelled, halves
from rsft_bench.harness.rewards.proxy_model import BUCKETS, ProxyReward, design, known_values

__all__ = ["PENALTY_C", "ProxyReward", "calibrated", "fit_proxy", "prior_logit"]

PENALTY_C = 0.1


def fit_proxy(
    prompts: Sequence[str],
    texts: Sequence[str],
    labels: BoolArray,
    clusters: Sequence[str],
    seed: int,
) -> tuple[ProxyReward, RewardReport]:
    """Fit on four fifths of the labelled answers by cluster, calibrate and measure on the rest.

    Arguments and errors are those of ``labelled.halves``.
    """
    split = halves(prompts, texts, labels, clusters, seed)
    known = known_values(prompts)
    iterations = 0
    if len(set(split.train.truth)) < 2:
        model = _constant(known, split.whole.truth)
        split.notes.append("labels of one class only: the score is a constant")
    else:
        fitted, iterations = _fit(known, split.train)
        model = calibrated(fitted, split)
    rest = split.rest
    return model, report_of(model.score(rest.prompts, rest.texts), split, iterations)


def _fit(known: KnownValues, train: Labelled) -> tuple[ProxyReward, int]:
    """The uncalibrated reward and the iterations that its fit took."""
    from sklearn.linear_model import LogisticRegression

    features = design(known, train.prompts, train.texts)
    regression = LogisticRegression(C=PENALTY_C, max_iter=1000, tol=1e-6)
    regression.fit(features.matrix, train.truth)
    model = features.reward(regression.coef_[0], float(regression.intercept_[0]))
    return model, int(regression.n_iter_[0])


def prior_logit(truth: BoolArray) -> float:
    """Log-odds of the smoothed share of positives: all that one class says."""
    share = (truth.sum() + 1) / (len(truth) + 2)
    return float(np.log(share / (1 - share)))


def _constant(known: KnownValues, truth: BoolArray) -> ProxyReward:
    """A score that is the smoothed share of positives, whatever the answer."""
    zeros = np.zeros(len(feature_names()))
    logit = prior_logit(truth)
    return ProxyReward(known, zeros, zeros + 1, zeros, np.zeros(BUCKETS), logit, 1.0, 0.0, 0)


def calibrated(model: ProxyReward, split: Halves) -> ProxyReward:
    """The model with Platt's sigmoid of the held-out answers."""
    rest = split.rest
    linear = model.linear(rest.prompts, rest.texts)
    slope, shift = calibrate(linear, rest.truth, split.notes)
    return replace(model, slope=slope, shift=shift)
