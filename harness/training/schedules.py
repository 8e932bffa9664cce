"""Learning rate schedules: warm-up, then one of three ways to go on. Pure functions of the step."""

from __future__ import annotations

import math

from rsft_bench.harness.types import Budget

SCHEDULES = ("linear", "cosine", "constant")


def learning_rate(step: int, budget: Budget) -> float:
    """Rate of 0-based ``step``: linear up to ``lr`` over the warm-up share, then ``schedule``.

    With u the share of the remaining steps that is done: ``linear`` lr (1 - u), ``cosine``
    lr (1 + cos(pi u)) / 2 (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts),
    ``constant`` lr. The first two reach 0 after the last step, never in it.
    """
    warm = math.ceil(budget.warmup * budget.steps)
    if step < warm:
        return budget.lr * (step + 1) / warm
    if budget.schedule == "constant":
        return budget.lr
    if budget.schedule == "cosine":
        done = (step - warm) / (budget.steps - warm)
        return budget.lr * (1 + math.cos(math.pi * done)) / 2
    return budget.lr * (budget.steps - step) / (budget.steps - warm)
