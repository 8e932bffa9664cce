"""Suites: an explicit list. Importing it reads no data."""

from __future__ import annotations

from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Suite
from rsft_bench.tasks.billing import BILLING
from rsft_bench.tasks.intent_routing import INTENT_ROUTING
from rsft_bench.tasks.jsonl import JSONL
from rsft_bench.tasks.order_status import ORDER_STATUS
from rsft_bench.tasks.returns_refunds import RETURNS_REFUNDS
from rsft_bench.tasks.sgd import SGD
from rsft_bench.tasks.synthetic_choices import SYNTHETIC_CHOICES
from rsft_bench.tasks.tech_support import TECH_SUPPORT

SUITES: Registry[Suite] = Registry(
    "suite",
    [
        ORDER_STATUS,
        RETURNS_REFUNDS,
        BILLING,
        TECH_SUPPORT,
        SYNTHETIC_CHOICES,
        INTENT_ROUTING,
        SGD,
        JSONL,
    ],
    group="rsft_bench.suites",
)

__all__ = ["SUITES"]
