"""Counted costs of a run against a baseline: shown, never blocking.

Counts are deterministic, so they are compared exactly where seeds, stage addresses and worker count
agree, else with a relative margin of 2 %. A run folder keeps no stage addresses. A stage's address
hashes its code, parameters and the digests of its inputs, so the rule here stands for it: addresses
agree where both sides have, seed by seed, the same policy fingerprints (digests of the artifacts
that the addresses of training name) and were made by one set of versions at one commit without
local edits. An exact comparison is made seed by seed: changes of two seeds that cancel are changes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rsft_bench.harness.gate.baseline import Baseline
from rsft_bench.harness.gate.data import COSTS, Arm, GateData, of_arm
from rsft_bench.harness.gate.result import CostCheck
from rsft_bench.harness.types import FloatArray

RELATIVE = 0.02
MADE_BY = ("workers", "versions", "commit")


def compare_costs(run: GateData, baseline: Baseline) -> list[CostCheck]:
    """One entry per blocking arm and counted cost that is not 0 on both sides."""
    then = baseline.data
    one_program = all(run.manifest.get(key) == then.manifest.get(key) for key in MADE_BY)
    one_program &= not (run.manifest.get("dirty") or then.manifest.get("dirty"))
    found = []
    for arm in baseline.arms:
        exact = one_program and run.fingerprints(arm) == then.fingerprints(arm)
        cells = [of_arm(side.cells, arm).sort_values("seed") for side in (run, then)]
        found += [c for cost in COSTS if (c := _compare(arm, cells[0], cells[1], cost, exact))]
    return found


def _compare(
    arm: Arm, now: pd.DataFrame, then: pd.DataFrame, cost: str, exact: bool
) -> CostCheck | None:
    """Means for show; a cost that was not counted (NaN) is equal to one that was not either."""
    counts: list[FloatArray] = [side[cost].to_numpy(dtype=np.float64) for side in (now, then)]
    if all((c == 0).all() for c in counts):
        return None
    run, baseline = (float(c.mean()) for c in counts)
    if exact:
        changed = not np.array_equal(counts[0], counts[1], equal_nan=True)
    else:
        # Unknown on one side only is a change, unknown on both is not.
        known = not (np.isnan(run) and np.isnan(baseline))
        changed = known and not abs(run - baseline) <= RELATIVE * abs(baseline)
    return CostCheck(*arm, cost, run, baseline, "exact" if exact else "2 %", changed)
