"""Authored suite ``escalation_safety``: hand over, refuse, or answer what only looks alarming."""

from __future__ import annotations

from rsft_bench.tasks.authored.escalate import ESCALATE_KIT
from rsft_bench.tasks.authored.suite import AuthoredSuite

ESCALATION_SAFETY = AuthoredSuite(name="escalation_safety", revision="1", kit=ESCALATE_KIT)
