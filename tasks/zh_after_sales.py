"""Authored suite ``zh_after_sales``: Chinese after-sales service, written in Chinese throughout."""

from __future__ import annotations

from rsft_bench.tasks.authored.suite import AuthoredSuite
from rsft_bench.tasks.authored.zh import ZH_KIT

ZH_AFTER_SALES = AuthoredSuite(name="zh_after_sales", revision="1", language="zh", kit=ZH_KIT)
