"""The gate: baselines, comparability, verdicts. Imports no torch."""

from rsft_bench.harness.gate.baseline import Baseline, Saved, load_baseline, save_baseline
from rsft_bench.harness.gate.components import Components, fit_run
from rsft_bench.harness.gate.gate import run_gate
from rsft_bench.harness.gate.result import Check, CostCheck, GateResult

__all__ = [
    "Baseline",
    "Check",
    "Components",
    "CostCheck",
    "GateResult",
    "Saved",
    "fit_run",
    "load_baseline",
    "run_gate",
    "save_baseline",
]
