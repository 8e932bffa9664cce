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
    positive = np.asarray(labels, dtype=bool)
    names, group = np.unique(np.asarray(prompt, dtype=str), return_inverse=True)
    if not len(names):
        return None
    ranks = _ranks_within(np.asarray(scores, dtype=np.float64), group)
    wins = np.bincount(group[positive], minlength=len(names))
    losses = np.bincount(group[~positive], minlength=len(names))
    summed = np.bincount(group[positive], ranks[positive], len(names))
    both = (wins > 0) & (losses > 0)
    if not both.any():
        return None
    above = summed[both] - wins[both] * (wins[both] + 1) / 2
    return float(np.mean(above / (wins[both] * losses[both])))


def _ranks_within(values: FloatArray, group: IntArray) -> FloatArray:
    """Rank (n,) of each value in its group from 1, ties averaged; NaN in a group that holds one."""
    order = np.lexsort((values, group))
    sorted_values, sorted_group = values[order], group[order]
    first = np.ones(len(values), dtype=bool)
    first[1:] = sorted_group[1:] != sorted_group[:-1]
    opens = first.copy()
    opens[1:] |= sorted_values[1:] != sorted_values[:-1]
    begin = np.flatnonzero(opens)
    end = np.append(begin[1:], len(values))
    middle = ((begin + end + 1) / 2)[np.cumsum(opens) - 1]
    ranks = np.empty(len(values))
    ranks[order] = middle - np.flatnonzero(first)[np.cumsum(first) - 1]
    broken = np.bincount(group, np.isnan(values)) > 0
    ranks[broken[group]] = np.nan
    return ranks
