"""Rewards by name; outside the package ``rewards``, whose source decides scores and joins keys."""

from __future__ import annotations

from dataclasses import dataclass

from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Reward


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A reward that the stages know."""

    name: str
    doc: str
    accepts: bool


REWARDS: Registry[Reward] = Registry(
    "reward",
    [
        BuiltIn(
            "proxy",
            "logistic regression on text and record agreement, fitted on gold labels per seed",
            accepts=True,
        ),
        BuiltIn(
            "gold",
            "the suite's own judge; accepts only where a variant says oracle: true",
            accepts=False,
        ),
    ],
    group="rsft_bench.rewards",
)
