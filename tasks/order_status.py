"""Authored suite ``order_status``: where an order is, when it comes, what may be changed."""

from __future__ import annotations

from rsft_bench.tasks.authored.suite import AuthoredSuite

ORDER_STATUS = AuthoredSuite(name="order_status", revision="2")
