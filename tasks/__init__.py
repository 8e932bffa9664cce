"""Suites: an explicit list. Importing it reads no data."""

from __future__ import annotations

from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Suite
from rsft_bench.tasks.abcd import ABCD
from rsft_bench.tasks.account_multi_turn import ACCOUNT_MULTI_TURN
from rsft_bench.tasks.banking77 import BANKING77
from rsft_bench.tasks.billing import BILLING
from rsft_bench.tasks.bitext import BITEXT
from rsft_bench.tasks.clinc_oos import CLINC_OOS
from rsft_bench.tasks.crosswoz import CROSSWOZ
from rsft_bench.tasks.dstc9 import DSTC9
from rsft_bench.tasks.ecommerce_faq import ECOMMERCE_FAQ
from rsft_bench.tasks.escalation_safety import ESCALATION_SAFETY
from rsft_bench.tasks.hh_rlhf import HH_RLHF
from rsft_bench.tasks.intent_routing import INTENT_ROUTING
from rsft_bench.tasks.jsonl import CSV, JSONL, PARQUET
from rsft_bench.tasks.multiwoz import MULTIWOZ
from rsft_bench.tasks.order_status import ORDER_STATUS
from rsft_bench.tasks.returns_refunds import RETURNS_REFUNDS
from rsft_bench.tasks.sgd import SGD
from rsft_bench.tasks.synthetic_choices import SYNTHETIC_CHOICES
from rsft_bench.tasks.taskmaster_reward import TASKMASTER_REWARD
from rsft_bench.tasks.tau2 import TAU2
from rsft_bench.tasks.tech_support import TECH_SUPPORT
from rsft_bench.tasks.uss import USS
from rsft_bench.tasks.zh_after_sales import ZH_AFTER_SALES

SUITES: Registry[Suite] = Registry(
    "suite",
    [
        ORDER_STATUS,
        RETURNS_REFUNDS,
        BILLING,
        TECH_SUPPORT,
        ACCOUNT_MULTI_TURN,
        ESCALATION_SAFETY,
        ZH_AFTER_SALES,
        SYNTHETIC_CHOICES,
        INTENT_ROUTING,
        SGD,
        MULTIWOZ,
        CROSSWOZ,
        DSTC9,
        BANKING77,
        CLINC_OOS,
        BITEXT,
        TAU2,
        ABCD,
        ECOMMERCE_FAQ,
        HH_RLHF,
        TASKMASTER_REWARD,
        USS,
        JSONL,
        CSV,
        PARQUET,
    ],
    group="rsft_bench.suites",
)

__all__ = ["SUITES"]
