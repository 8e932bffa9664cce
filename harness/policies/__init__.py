"""Policies by name. Importing this package imports no torch."""

from __future__ import annotations

from rsft_bench.harness.policies.causal_lm import CAUSAL_LM, NANO_1, CausalLMPolicy
from rsft_bench.harness.policies.recorded import RECORDED, RecordedAnswers
from rsft_bench.harness.registry import Registry

PolicyKind = CausalLMPolicy | RecordedAnswers

POLICIES: Registry[PolicyKind] = Registry(
    "policy", [NANO_1, CAUSAL_LM, RECORDED], group="rsft_bench.policies"
)
