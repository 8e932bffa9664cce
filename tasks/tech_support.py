"""Authored suite ``tech_support``: the next step of a guide, in order, until solved or handed over.

D is 94 % right by default; docs/suites/tech_support.md has the difficulty that was measured.
"""

from __future__ import annotations

from dataclasses import replace

from rsft_bench.tasks.authored.options import OPTIONS
from rsft_bench.tasks.authored.steps import STEPS_KIT
from rsft_bench.tasks.authored.suite import AuthoredSuite

MIXTURE = {
    "correct": 0.94,
    "terse": 0.015,
    "wrong_fact": 0.015,
    "wrong_decision": 0.01,
    "rude": 0.01,
    "over_promising": 0.01,
}

TECH_SUPPORT = AuthoredSuite(
    name="tech_support",
    revision="1",
    options=tuple(replace(p, default=MIXTURE) if p.name == "mixture" else p for p in OPTIONS),
    kit=STEPS_KIT,
)
