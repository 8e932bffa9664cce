"""Suites: an explicit list. Importing it reads no data."""

from __future__ import annotations

from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Suite
from rsft_bench.tasks.dstc9 import DSTC9
from rsft_bench.tasks.hh_rlhf import HH_RLHF
from rsft_bench.tasks.intent_routing import INTENT_ROUTING
from rsft_bench.tasks.jsonl import JSONL
from rsft_bench.tasks.order_status import ORDER_STATUS
from rsft_bench.tasks.returns_refunds import RETURNS_REFUNDS
from rsft_bench.tasks.sgd import SGD
from rsft_bench.tasks.synthetic_choices import SYNTHETIC_CHOICES
from rsft_bench.tasks.taskmaster_reward import TASKMASTER_REWARD
from rsft_bench.tasks.uss import USS

SUITES: Registry[Suite] = Registry(
    "suite",
    [
        *(ORDER_STATUS, RETURNS_REFUNDS, SYNTHETIC_CHOICES, INTENT_ROUTING, SGD, JSONL),
        *(DSTC9, HH_RLHF, TASKMASTER_REWARD, USS),
    ],
    group="rsft_bench.suites",
)

__all__ = ["SUITES"]
