"""Whether a run may be compared with a baseline at all. Every reason is listed, nothing is mended.

Missing things are never a pass: a suite, policy, variant, seed, example, draw or metric that the
baseline has and the run lacks is a reason. In scope artifact differences are paired by (example,
seed, draw), so there other draws are a reason too; in scope recipe each side has its own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from rsft_bench.harness.gate.baseline import FILE, Baseline
from rsft_bench.harness.gate.data import Arm, GateData, even
from rsft_bench.harness.runfolder import SCHEMA_VERSION, read_json

ARTIFACT = "artifact"
RECIPE = "recipe"


def scope_of(run: GateData, baseline: Baseline, arm: Arm) -> str:
    """``artifact`` where every seed of the run has the baseline's weights, else ``recipe``."""
    now, then = run.fingerprints(arm), baseline.data.fingerprints(arm)
    return ARTIFACT if now and all(then.get(s) == f for s, f in now.items()) else RECIPE


def reasons(run: GateData, baseline: Baseline) -> list[str]:
    """Every reason why ``run`` and ``baseline`` are not comparable; empty if they are."""
    return [
        *_suites(run, baseline),
        *_policies(run, baseline),
        *(why for arm in baseline.arms for why in _arm(run, baseline, arm)),
    ]


def schema_reason(baseline: Path) -> str | None:
    """Why this program cannot read the baseline's tables; None if it can."""
    found = read_json(Path(baseline) / FILE).get("schema_version")
    if found == SCHEMA_VERSION:
        return None
    return f"baseline has schema_version {found!r}, this program reads {SCHEMA_VERSION}"


def _suites(run: GateData, baseline: Baseline) -> list[str]:
    found = []
    for name, then in baseline.data.suites.items():
        now = run.suites.get(name)
        if now is None:
            known = ", ".join(sorted(run.suites)) or "none"
            found.append(f"suite {name!r} is missing or renamed; the run has: {known}")
        elif now["version"] != then["version"]:
            found.append(f"suite {name!r}: version {now['version']}, baseline {then['version']}")
        elif now["digest"] is None or now["digest"] != then["digest"]:
            found.append(f"suite {name!r}: the test examples' contents differ at one version")
    return found


def _policies(run: GateData, baseline: Baseline) -> list[str]:
    found = []
    for name, then in baseline.data.policies.items():
        now = run.policies.get(name)
        if now is None:
            found.append(f"policy {name!r} is missing")
        elif now["version"] != then["version"]:
            found.append(f"policy {name!r}: version {now['version']}, baseline {then['version']}")
        elif now["fingerprint"] != then["fingerprint"]:
            found.append(f"policy {name!r}: base weights differ at one version")
    return found


def _arm(run: GateData, baseline: Baseline, arm: Arm) -> list[str]:
    """Reasons about one arm's rows. An absent suite or policy is named once, elsewhere."""
    if arm.suite not in run.suites or arm.policy not in run.policies:
        return []
    label = f"{arm.suite}, {arm.policy}, {arm.variant}"
    now, then = run.arm(arm), baseline.data.arm(arm)
    if now.empty:
        return [f"{label}: no rows on split confirm"]
    found = _examples(label, now, then)
    seeds = {int(s) for s in run.manifest.get("seeds", [])}
    if {int(s) for s in now["seed"].unique()} != seeds or set(run.fingerprints(arm)) != seeds:
        found.append(f"{label}: rows or cells are missing for some of seeds {sorted(seeds)}")
    incomplete = int((np.abs(now["weight"] - 1.0) > 1e-6).sum())
    if incomplete:
        found.append(f"{label}: draws are missing for {incomplete} answers")
    for metric in baseline.metrics:
        if metric not in now.columns or now[metric].isna().all():
            found.append(f"{label}: metric {metric!r} is missing")
        elif not even(now, metric):
            found.append(f"{label}: metric {metric!r} is missing at some seeds")
        elif _unscored(now, metric) != _unscored(then, metric):
            found.append(f"{label}: metric {metric!r} is missing for other examples")
    if scope_of(run, baseline, arm) == ARTIFACT:
        found += _draws(label, now, then)
    return found


def _draws(label: str, now: pd.DataFrame, then: pd.DataFrame) -> list[str]:
    """Answers of one side that the other lacks: the draws cannot be paired."""
    keys = ["seed", "example_id"]
    both = now.merge(then, on=keys, how="left", suffixes=("", "_then"))
    odd = both[(both["draw_set"] != both["draw_set_then"]) | (both["draws"] != both["draws_then"])]
    if odd.empty:
        return []
    first = odd.iloc[0]
    return [
        f"{label}: draws differ from the baseline's for {len(odd)} answers of the same weights, "
        f"first seed {first['seed']}, {first['example_id']} ({first['draws']} draws, "
        f"baseline {first['draws_then']:g}); repeat the run with the baseline's draws"
    ]


def _examples(label: str, now: pd.DataFrame, then: pd.DataFrame) -> list[str]:
    new, old = _clusters(now), _clusters(then)
    if new.keys() != old.keys():
        odd = sorted(new.keys() ^ old.keys())
        return [f"{label}: {len(odd)} examples are on one side only, first {', '.join(odd[:5])}"]
    if new != old:
        return [f"{label}: examples moved between clusters"]
    counts = now.groupby("seed")["example_id"].nunique()
    if (counts != len(new)).any():
        return [f"{label}: seed {counts.idxmin()} lacks {len(new) - counts.min()} examples"]
    return []


def _clusters(rows: pd.DataFrame) -> dict[str, str]:
    return dict(zip(rows["example_id"].astype(str), rows["cluster"].astype(str), strict=True))


def _unscored(rows: pd.DataFrame, metric: str) -> set[str]:
    return set(rows.loc[rows[metric].isna(), "example_id"].astype(str))
