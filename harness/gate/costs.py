"""Counted costs of a run against a baseline: shown, never blocking.

Counts are deterministic, so they are compared exactly where seeds, stage addresses and worker count
agree, else with a relative margin of 2 %. Equal policy fingerprints stand for equal stage
addresses: they are digests of the artifacts those addresses name.
"""

from __future__ import annotations

from rsft_bench.harness.gate.baseline import Baseline
from rsft_bench.harness.gate.data import COSTS, Arm, GateData, of_arm
from rsft_bench.harness.gate.result import CostCheck

RELATIVE = 0.02


def compare_costs(run: GateData, baseline: Baseline) -> list[CostCheck]:
    """One entry per blocking arm and counted cost that is not 0 on both sides."""
    same_workers = run.manifest.get("workers") == baseline.data.manifest.get("workers")
    found = []
    for arm in baseline.arms:
        exact = same_workers and run.fingerprints(arm) == baseline.data.fingerprints(arm)
        found += [c for cost in COSTS if (c := _compare(run, baseline, arm, cost, exact))]
    return found


def _compare(
    run: GateData, baseline: Baseline, arm: Arm, cost: str, exact: bool
) -> CostCheck | None:
    now = float(of_arm(run.cells, arm)[cost].mean())
    then = float(of_arm(baseline.data.cells, arm)[cost].mean())
    if now == then == 0.0:
        return None
    changed = now != then if exact else abs(now - then) > RELATIVE * abs(then)
    return CostCheck(*arm, cost, now, then, "exact" if exact else "2 %", changed)
