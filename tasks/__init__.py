"""Suites: an explicit list. Importing it reads no data."""

from __future__ import annotations

from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Suite
from rsft_bench.tasks.jsonl import JSONL
from rsft_bench.tasks.order_status import ORDER_STATUS
from rsft_bench.tasks.returns_refunds import RETURNS_REFUNDS
from rsft_bench.tasks.sgd import SGD

SUITES: Registry[Suite] = Registry(
    "suite", [ORDER_STATUS, RETURNS_REFUNDS, SGD, JSONL], group="rsft_bench.suites"
)

__all__ = ["SUITES"]
