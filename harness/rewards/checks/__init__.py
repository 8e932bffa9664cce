"""Checks of an answer by code, to be put together into a reward. Pure; no torch.

``service`` holds the checks of the English authored suites; the others read English and Chinese:
``facts`` (facts stated, claims forbidden, steps in order), ``values`` (numbers, money, dates, times
and durations in one form), ``conduct`` (asks, hands over, leaks, politeness), ``form`` (language,
length, format), ``grounded`` (nothing made up). ``table`` names them for configs.
"""

from __future__ import annotations

from rsft_bench.harness.rewards.checks.service import (
    Decision,
    apologises,
    asks_for,
    claims_status,
    decision,
    denies_record,
    is_rude,
    names_target,
    overpromises,
    repeats_prompt,
    says,
    topic_pattern,
)

__all__ = [
    "Decision",
    "apologises",
    "asks_for",
    "claims_status",
    "decision",
    "denies_record",
    "is_rude",
    "names_target",
    "overpromises",
    "repeats_prompt",
    "says",
    "topic_pattern",
]
