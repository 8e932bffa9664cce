"""A pairwise reward: which of two answers to one prompt is the better one.

Bradley and Terry 1952 (Biometrika 39:324-345): P(i beats j) = sigmoid(r_i - r_j). With r linear in
the features of the proxy, this is a logistic regression without intercept on differences of
features between answers to one prompt, so nothing that is the same for all answers to a prompt,
such as how hard it is, can be learned from. As a reward model: Ouyang et al. 2022
(arXiv 2203.02155), section 3.5, equation 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.rewards.calibration import RewardReport, report_of
from rsft_bench.harness.rewards.labelled import BoolArray, Labelled, halves
from rsft_bench.harness.rewards.proxy import PENALTY_C, calibrated
from rsft_bench.harness.rewards.proxy_model import ProxyReward, design, known_values
from rsft_bench.harness.types import FloatArray, IntArray

__all__ = ["Pairs", "fit_bradley_terry", "preference_pairs"]


class Pairs(NamedTuple):
    """Row numbers of better and worse answers, each of shape (pairs,), and of how many prompts."""

    better: IntArray
    worse: IntArray
    prompts: int


def fit_bradley_terry(
    prompts: Sequence[str],
    texts: Sequence[str],
    labels: BoolArray,
    clusters: Sequence[str],
    seed: int,
    grades: FloatArray | None = None,
) -> tuple[ProxyReward, RewardReport]:
    """Fit on the pairs of four fifths of the clusters, calibrate and measure on the rest.

    Every pair of answers to one prompt with different grades counts once. The score is calibrated
    to the probability of a pass on single held-out answers, as the proxy's is, so that ``tau``
    means the same; across prompts it is only as good as the features are comparable.

    Arguments are those of ``labelled.halves``; ``grades`` (n,) order the answers to one prompt, by
    default the labels do, and a number added to all grades of one prompt changes nothing.

    Raises:
        DataError: no prompt of the four fifths has two answers of different grades.
    """
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    split = halves(prompts, texts, labels, clusters, seed, grades)
    pairs = preference_pairs(split.train.prompts, split.train.grades)
    if not len(pairs.better):
        raise DataError(_no_pair(split.train))
    features = design(known_values(prompts), split.train.prompts, split.train.texts)
    difference = features.matrix[pairs.better] - features.matrix[pairs.worse]
    # Both orders of each pair, at half weight: one class alone cannot be fitted.
    both = sparse.vstack([difference, -difference]).tocsr()
    won = np.repeat([True, False], len(pairs.better))
    regression = LogisticRegression(C=PENALTY_C, max_iter=1000, tol=1e-6, fit_intercept=False)
    regression.fit(both, won, sample_weight=np.full(len(won), 0.5))
    model = calibrated(features.reward(regression.coef_[0], 0.0), split)
    scores = model.score(split.rest.prompts, split.rest.texts)
    counts = len(pairs.better), pairs.prompts
    return model, report_of(scores, split, int(regression.n_iter_[0]), counts)


def preference_pairs(prompts: Sequence[str], grades: FloatArray) -> Pairs:
    """All pairs of rows of one prompt whose grades differ, in row order; NaN is in no pair."""
    rows: dict[str, list[int]] = {}
    for i, prompt in enumerate(prompts):
        rows.setdefault(prompt, []).append(i)
    better, worse, paired = [], [], 0
    for members in rows.values():
        found = [(i, j) for i in members for j in members if grades[i] > grades[j]]
        paired += bool(found)
        better += [i for i, _ in found]
        worse += [j for _, j in found]
    return Pairs(np.array(better, dtype=np.int64), np.array(worse, dtype=np.int64), paired)


def _no_pair(train: Labelled) -> str:
    asked = len(set(train.prompts))
    return (
        f"reward bradley_terry found no pair: of {asked} prompts with {len(train.texts)} labelled "
        f"answers, {int(train.truth.sum())} of which pass, none has two answers of different "
        "gold; raise reward.n_label, lower n_proxy_label so that each prompt has more answers, or "
        "use reward.name: proxy"
    )
