"""Authored suite ``billing``: totals, differences, refunds, due dates and late fees."""

from __future__ import annotations

from rsft_bench.tasks.authored.billing import BILLING_KIT
from rsft_bench.tasks.authored.suite import AuthoredSuite

BILLING = AuthoredSuite(name="billing", revision="1", kit=BILLING_KIT)
