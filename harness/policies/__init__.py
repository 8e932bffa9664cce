"""Policies by name. Importing this package imports no torch."""

from __future__ import annotations

from rsft_bench.harness.policies.categorical import CATEGORICAL
from rsft_bench.harness.policies.causal_lm import CAUSAL_LM, NANO_1
from rsft_bench.harness.policies.logistic_kind import LOGISTIC
from rsft_bench.harness.policies.pool import POOL
from rsft_bench.harness.policies.recorded import RECORDED
from rsft_bench.harness.policies.selector_kind import SELECTOR, SELECTOR_KERAS
from rsft_bench.harness.policies.seq2seq_kind import SEQ2SEQ
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Policy

POLICIES: Registry[Policy] = Registry(
    "policy",
    [
        *(NANO_1, CAUSAL_LM, CATEGORICAL, SELECTOR, SELECTOR_KERAS, LOGISTIC, SEQ2SEQ),
        *(RECORDED, POOL),
    ],
    group="rsft_bench.policies",
)
