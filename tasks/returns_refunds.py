"""Authored suite ``returns_refunds``: what can be returned, how much comes back, and when."""

from __future__ import annotations

from rsft_bench.tasks.authored.suite import AuthoredSuite

RETURNS_REFUNDS = AuthoredSuite(name="returns_refunds", revision="2")
