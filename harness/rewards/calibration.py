"""A linear score as a probability, and what a reward's report says of it. Pure NumPy.

Calibration is Platt's sigmoid on answers that the fit has not seen, with a slope that is never
negative, so that it changes no ranking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rsft_bench.harness.rewards.labelled import BoolArray, Halves
from rsft_bench.harness.statistics.reliability import Bin, reliability
from rsft_bench.harness.statistics.selection import auc, within_prompt_auc
from rsft_bench.harness.types import FloatArray

MIN_SLOPE = 0.05
MARGIN = 1e-6


@dataclass(frozen=True)
class RewardReport:
    """How a reward does on the held-out fifth, which also set its calibration's two numbers.

    Attributes:
        n_label: gold labels spent.
        positive_share: share of positive labels among them.
        n_held_out: answers in the held-out fifth.
        iterations: of the solver over the other four fifths, 0 where nothing was fitted.
        auc: over all held-out answers, None where one class is missing.
        within_auc: mean AUC among the held-out answers of one prompt, None where no prompt has
            answers of both classes.
        n_correct: held-out answers that the score puts on the right side of .5.
        brier: mean squared error of the probability, None without held-out answers.
        precision: share of positives among held-out answers scored at least .5, None if none is.
        reliability: ten equal-width bins, empty ones left out.
        notes: what the reader must know, such as a constant score.
        n_pairs: pairs of answers that the fit compared, None where it compares none.
        n_paired_prompts: prompts that these pairs come from.
    """

    n_label: int
    positive_share: float
    n_held_out: int
    iterations: int
    auc: float | None
    within_auc: float | None
    n_correct: int
    brier: float | None
    precision: float | None
    reliability: tuple[Bin, ...]
    notes: tuple[str, ...]
    n_pairs: int | None = None
    n_paired_prompts: int | None = None


def sigmoid(linear: FloatArray, slope: float = 1.0, shift: float = 0.0) -> FloatArray:
    """Probability of a linear score, shape kept, in [MARGIN, 1 - MARGIN]."""
    raw = 1.0 / (1.0 + np.exp(-np.clip(slope * linear + shift, -30, 30)))
    return np.asarray(np.clip(raw, MARGIN, 1 - MARGIN), dtype=np.float64)


def calibrate(linear: FloatArray, truth: BoolArray, notes: list[str]) -> tuple[float, float]:
    """(slope, shift) on held-out answers; (1, 0) where these have one class. Adds to ``notes``."""
    if len(set(truth)) < 2:
        notes.append("held-out labels of one class only: the score is not calibrated")
        return 1.0, 0.0
    slope, shift = platt(linear, truth)
    if slope < MIN_SLOPE:
        notes.append(f"calibration slope {slope:.3f} raised to {MIN_SLOPE}")
        slope, shift = MIN_SLOPE, platt(linear, truth, MIN_SLOPE)[1]
    return slope, shift


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


def report_of(
    scores: FloatArray, split: Halves, iterations: int, pairs: tuple[int, int] | None = None
) -> RewardReport:
    """What ``scores`` (n_held_out,) in [0, 1] of the held-out answers say of a reward.

    ``pairs`` are the pairs compared and the prompts they come from.
    """
    truth = split.rest.truth
    accepted = truth[scores >= 0.5]
    return RewardReport(
        n_label=len(split.whole.texts),
        positive_share=float(split.whole.truth.mean()),
        n_held_out=len(truth),
        iterations=iterations,
        auc=auc(scores, truth.astype(np.float64)),
        within_auc=within_prompt_auc(scores, truth.astype(np.float64), split.rest.prompts),
        n_correct=int(((scores >= 0.5) == truth).sum()),
        brier=float(((scores - truth) ** 2).mean()) if len(truth) else None,
        precision=float(accepted.mean()) if len(accepted) else None,
        reliability=reliability(scores, truth),
        notes=tuple(split.notes),
        n_pairs=None if pairs is None else pairs[0],
        n_paired_prompts=None if pairs is None else pairs[1],
    )
