"""Choosing a winner without the winner's curse, and ranking quality within prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from rsft_bench.harness.types import FloatArray, IntArray


class Selection(NamedTuple):
    """Result of leave-one-seed-out selection.

    ``winners`` (S,) is the row chosen for each held-out seed, ``values`` (S,) its confirm value
    there, ``estimate`` their mean: the value of the selection procedure, not of one variant.
    """

    winners: IntArray
    values: FloatArray
    estimate: float


def leave_one_seed_out_winner(select: FloatArray, confirm: FloatArray) -> Selection:
    """Choose on the other seeds' ``select`` means, score on the held-out seed's ``confirm`` mean.

    Args:
        select: mean on the select split, shape (V, S).
        confirm: mean on the confirm split, shape (V, S).

    Ties go to the first variant in order.

    Raises:
        ValueError: shapes differ, fewer than 2 seeds, or a NaN.

    Source: protocol section 4, winner's curse.
    """
    if select.shape != confirm.shape or select.ndim != 2 or select.shape[1] < 2:
        raise ValueError("select and confirm must both be (variants, seeds) with at least 2 seeds")
    if np.isnan(select).any() or np.isnan(confirm).any():
        raise ValueError("a variant without a value cannot take part in the selection")
    seeds = select.shape[1]
    others = (select.sum(axis=1, keepdims=True) - select) / (seeds - 1)
    winners = np.argmax(others, axis=0).astype(np.int64)
    values = np.asarray(confirm[winners, np.arange(seeds)], dtype=np.float64)
    return Selection(winners, values, float(values.mean()))


def auc(scores: FloatArray, labels: Sequence[bool] | FloatArray) -> float | None:
    """P(a positive outscores a negative), ties one half. None without both classes."""
    positive = np.asarray(labels, dtype=bool)
    wins, losses = int(positive.sum()), int((~positive).sum())
    if not wins or not losses:
        return None
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - wins * (wins + 1) / 2) / (wins * losses))


def within_prompt_auc(
    scores: FloatArray, labels: Sequence[bool] | FloatArray, prompt: Sequence[str]
) -> float | None:
    """Mean over prompts of the AUC among one prompt's draws. None if no prompt has both classes.

    Prompts where all draws pass or all fail say nothing about ranking and are left out.
    """
    positive, names = np.asarray(labels, dtype=bool), np.asarray(prompt, dtype=str)
    values = np.asarray(scores, dtype=np.float64)
    found = []
    for name in np.unique(names):
        at = names == name
        one = auc(values[at], positive[at])
        if one is not None:
            found.append(one)
    return float(np.mean(found)) if found else None
