"""How far predicted satisfaction can be trusted: cross-validated by session, beside published rows.

The published figures are those of Sun et al. 2021 (SIGIR, arXiv 2105.03748), table of user
satisfaction prediction, columns SGD, as shown in the upstream repository
(imgs/satisfaction-prediction.png). They are no like for like comparison: upstream also predicts the
customer's first line and the rating of whole dialogues, cuts folds by line and not by session, and
its neural rows keep the best epoch on the test fold for each measure (baselines/train_sat.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from rsft_bench.harness.rewards.satisfaction import (
    Embed,
    features,
    law,
    likeliest,
    shares_of,
    softened,
    thresholds,
)
from rsft_bench.harness.rewards.satisfaction_data import MOST, Ratings
from rsft_bench.harness.seeding import keyed_unit, stream
from rsft_bench.harness.types import FloatArray, IntArray, Json

FOLDS = 5
REPLICATES = 500
SCALE = np.arange(1, MOST + 1)


class Published(NamedTuple):
    """One row of the paper's table for the SGD part."""

    name: str
    uar: float
    kappa: float
    rho: float


PUBLISHED = (
    Published("logistic regression", 0.211, 0.049, 0.251),
    Published("SVM", 0.230, 0.074, 0.169),
    Published("XGBoost", 0.202, 0.011, 0.442),
    Published("HiGRU+ATTN", 0.262, 0.082, 0.475),
    Published("HiGRU", 0.293, 0.118, 0.451),
    Published("GRU", 0.245, 0.072, 0.248),
    Published("BERT", 0.261, 0.094, 0.477),
)


@dataclass(frozen=True, slots=True)
class RuleError:
    """One rule of naming a rating. Intervals: 95 %, sessions resampled, the models not refitted.

    ``uar``: unweighted average recall over five ratings, a rating that never occurs counting 0, as
    upstream has it. ``kappa``: Cohen's. ``rho``: Spearman's with mean ranks for ties;
    ``rho_upstream``: by upstream's formula, which takes the smallest rank of a tie and is therefore
    far from 0 for a constant prediction. NaN where a rule names one rating only.
    """

    uar: float
    uar_interval: tuple[float, float]
    kappa: float
    kappa_interval: tuple[float, float]
    rho: float
    rho_upstream: float


@dataclass(frozen=True, slots=True)
class SatisfactionError:
    """Cross-validated error. ``mae`` and ``mae_constant``: of the expected rating and of the mean.

    Both against the mean of the annotators, in rating points. ``rho_expected``: Spearman's rank
    correlation of expected and mean rating.
    """

    answers: int
    sessions: int
    folds: int
    shares: tuple[float, ...]
    likeliest: RuleError
    softened: RuleError
    constant: RuleError
    mae: float
    mae_constant: float
    rho_expected: float

    def to_json(self) -> dict[str, Json]:
        """Plain values with the published rows; None for what is not known."""
        plain = _without_nan(asdict(self))
        return {**plain, "published": [p._asdict() for p in PUBLISHED]}


def cross_validated(
    ratings: Ratings, seed: int = 0, folds: int = FOLDS, embed: Embed | None = None
) -> SatisfactionError:
    """Error on answers of sessions that the fit has not seen.

    Raises:
        ValueError: fewer sessions than folds.
    """
    answers = ratings.answers
    sessions = np.array([a.session for a in answers], dtype=np.int64)
    votes = np.array([a.vote for a in answers], dtype=np.int64)
    means = np.array([a.mean for a in answers], dtype=np.float64)
    fold = fold_of(sessions, folds, seed)
    matrix = features([a.prompt for a in answers], [a.text for a in answers], embed)
    found = np.empty((len(answers), MOST))
    spread, middle = np.empty(len(answers), dtype=np.int64), np.empty(len(answers))
    for k in range(folds):
        train, test = fold != k, fold == k
        shares = shares_of(votes[train])
        found[test] = law(thresholds(matrix[train], votes[train]), matrix[test])
        spread[test] = softened(found[test], shares)
        middle[test] = means[train].mean()
    expected = found @ SCALE
    common = np.full(len(votes), int(np.bincount(votes).argmax()), dtype=np.int64)
    return SatisfactionError(
        answers=len(answers),
        sessions=len(set(sessions.tolist())),
        folds=folds,
        shares=tuple(float(s) for s in shares_of(votes)),
        likeliest=rule_error(votes, likeliest(found), sessions, seed),
        softened=rule_error(votes, spread, sessions, seed),
        constant=rule_error(votes, common, sessions, seed),
        mae=float(np.abs(expected - means).mean()),
        mae_constant=float(np.abs(middle - means).mean()),
        rho_expected=spearman(expected, means),
    )


def fold_of(sessions: IntArray, folds: int, seed: int) -> IntArray:
    """The fold of each answer, whole sessions in keyed order, sizes equal up to one session."""
    names = sorted(set(sessions.tolist()), key=lambda s: keyed_unit("satisfaction-fold", seed, s))
    if len(names) < folds:
        raise ValueError(f"{len(names)} sessions cannot make {folds} folds")
    place = {name: i * folds // len(names) for i, name in enumerate(names)}
    return np.array([place[s] for s in sessions.tolist()], dtype=np.int64)


def rule_error(votes: IntArray, named: IntArray, sessions: IntArray, seed: int) -> RuleError:
    """Measures of one rule with intervals over sessions."""
    units, unit = np.unique(sessions, return_inverse=True)
    cell = (unit * MOST + votes - 1) * MOST + named - 1
    tables = np.bincount(cell, minlength=units.size * MOST * MOST)
    tables = tables.reshape(units.size, MOST, MOST).astype(np.float64)
    rng = stream(seed, "satisfaction-bootstrap")
    draws = rng.integers(0, units.size, (REPLICATES, units.size))
    times = np.stack([np.bincount(d, minlength=units.size) for d in draws]).astype(np.float64)
    again = (times @ tables.reshape(units.size, -1)).reshape(REPLICATES, MOST, MOST)
    whole = tables.sum(axis=0)[None]
    return RuleError(
        uar=float(uar(whole)[0]),
        uar_interval=_interval(uar(again)),
        kappa=float(kappa(whole)[0]),
        kappa_interval=_interval(kappa(again)),
        rho=spearman(named, votes),
        rho_upstream=upstream_rho(named, votes),
    )


def uar(tables: FloatArray) -> FloatArray:
    """Unweighted average recall of confusion tables (r, 5, 5), truth by rows; shape (r,)."""
    size = tables.sum(axis=2)
    right = np.diagonal(tables, axis1=1, axis2=2)
    recall = np.divide(right, size, out=np.zeros_like(size), where=size > 0)
    return np.asarray(recall.mean(axis=1))


def kappa(tables: FloatArray) -> FloatArray:
    """Cohen's kappa of confusion tables (r, 5, 5), shape (r,); 0 where chance agrees wholly.

    Source: Cohen 1960, A coefficient of agreement for nominal scales.
    """
    total = tables.sum(axis=(1, 2))
    agree = np.trace(tables, axis1=1, axis2=2) / total
    chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / total**2
    gap = 1 - chance
    return np.asarray(np.divide(agree - chance, gap, out=np.zeros_like(gap), where=gap > 0))


def spearman(a: Sequence[float] | FloatArray | IntArray, b: FloatArray | IntArray) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN where one side is constant."""
    from scipy.stats import rankdata

    x, y = rankdata(a), rankdata(b)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def upstream_rho(a: IntArray, b: IntArray) -> float:
    """1 - 6 Σd²/(n(n² - 1)) with the smallest rank for ties: what the published rows hold."""
    from scipy.stats import rankdata

    gap = rankdata(a, method="min") - rankdata(b, method="min")
    n = len(gap)
    return float(1 - 6 * (gap**2).sum() / (n * (n**2 - 1.0)))


def _interval(values: FloatArray) -> tuple[float, float]:
    lo, hi = np.quantile(values, [0.025, 0.975])
    return float(lo), float(hi)


def _without_nan(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and np.isnan(value) else value
