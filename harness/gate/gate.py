"""The gate: a run against a baseline, check by check, failing closed (protocol section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.gate.advice import extra_suites, margin_notes, settle
from rsft_bench.harness.gate.baseline import MAX_MARGIN, Baseline, load_baseline
from rsft_bench.harness.gate.comparability import (
    ARTIFACT,
    RECIPE,
    reasons,
    schema_reason,
    scope_of,
)
from rsft_bench.harness.gate.costs import compare_costs
from rsft_bench.harness.gate.data import (
    HELD,
    Arm,
    GateData,
    even,
    read_manifest,
    read_run,
    readable,
    scored,
)
from rsft_bench.harness.gate.decision import (
    ALPHA,
    INCONCLUSIVE,
    MIN_SEEDS,
    NOT_COMPARABLE,
    judge,
    judge_checks,
)
from rsft_bench.harness.gate.result import SHOWN, Check, GateResult
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.statistics import (
    Effect,
    Sample,
    cluster_effect,
    holm,
    lower_bound,
    p_not_worse,
    two_sample_effect,
)
from rsft_bench.harness.statistics.effects import NO_VARIATION

# Differences of means of equal numbers are 0 up to this.
ROUNDING = 1e-9


class _Measured(NamedTuple):
    """A check before its verdict: one-sided bounds and p, or why there are none."""

    check: Check
    effect: Effect


def run_gate(run: Path, baseline: Path, margin: float | None = None) -> GateResult:
    """Compare a run with a baseline.

    Args:
        run: a run folder.
        baseline: a folder made by ``save_baseline``.
        margin: margin of scope recipe instead of the stored one, at most .10; scope artifact keeps
            its own where that is smaller.

    Returns:
        The result; anything missing or different makes it "not comparable", never a pass.

    Raises:
        UserError, DataError: a folder or file is absent or damaged. ConfigError: bad margin.
    """
    if margin is not None and not 0 < margin <= MAX_MARGIN:
        raise ConfigError(f"margin {margin:g} is not in (0, {MAX_MARGIN:g}]")
    early = [why for why in (schema_reason(baseline), readable(read_manifest(run))) if why]
    if early:
        return GateResult(NOT_COMPARABLE, reasons=tuple(early))
    saved = load_baseline(baseline)
    data = read_run(RunFolder(Path(run)), saved.variants)
    late = reasons(data, saved)
    if late or not saved.arms:
        return GateResult(NOT_COMPARABLE, reasons=tuple(late) or ("no blocking checks",))
    measured = [
        _measure(data, saved, arm, metric) for arm in saved.arms for metric in saved.metrics
    ]
    checks = _judged(measured, saved, margin)
    verdict = str(judge(np.array([c.verdict for c in checks], dtype=np.str_)))
    advice = [*margin_notes(checks, saved, margin), *extra_suites(data, saved)]
    if verdict == INCONCLUSIVE:
        advice += [
            settle(c, m.effect, checks, saved)
            for m, c in zip(measured, checks, strict=True)
            if c.verdict == INCONCLUSIVE
        ]
    return GateResult(
        verdict=verdict,
        checks=tuple(checks),
        shown=tuple(_shown(data, saved)),
        costs=tuple(compare_costs(data, saved)),
        advice=tuple(advice),
    )


def _measure(run: GateData, baseline: Baseline, arm: Arm, metric: str) -> _Measured:
    """Effect of one arm and metric in its scope, run minus baseline."""
    scope = scope_of(run, baseline, arm)
    now, then = scored(run.arm(arm), metric), scored(baseline.data.arm(arm), metric)
    sizes = (now["seed"].nunique(), then["seed"].nunique())
    if scope == ARTIFACT:
        both = now.merge(then, on=["seed", "example_id"], suffixes=("", "_then"))
        gap = (both[metric] - both[f"{metric}_then"]).to_numpy(dtype=np.float64)
        gap = np.where(np.abs(gap) < ROUNDING, 0.0, gap)
        same = bool((both["answer_set"] == both["answer_set_then"]).all()) and not gap.any()
        effect = cluster_effect(gap, list(both["cluster"]), list(both["seed"]), identical=same)
        sizes = (sizes[0], sizes[0])
    else:
        effect = two_sample_effect(_sample(now, metric), _sample(then, metric))
    unit = bool(pd.concat([now[metric], then[metric]]).between(-ROUNDING, 1 + ROUNDING).all())
    lower, upper, p = _one_sided(effect, unit)
    why = () if lower is not None else (effect.scope,)
    if scope == RECIPE and min(sizes) < MIN_SEEDS:
        lower = upper = p = None
        why = (f"scope recipe needs {MIN_SEEDS} seeds a side, has {sizes[0]} and {sizes[1]}",)
    size = (effect.n, effect.clusters, *sizes)
    check = Check(
        *(*arm, metric, scope, effect.estimate, lower, upper, p, None),
        *(*size, None, SHOWN, why),
    )
    return _Measured(check, effect)


def _one_sided(
    effect: Effect, unit: bool = True
) -> tuple[float | None, float | None, float | None]:
    """Lower and upper one-sided 95 % bounds and p of "not worse".

    A difference that is the same in every cluster and seed has no variance to make a t interval
    from, and a gate must still block a policy that lost everything and must not pass one whose
    other answers all fail alike. Then, for values in [0, 1] (``unit``), the bounds are exact:
    with C equal clusters at most a share 1 - .05^(1/C) of new clusters differs, by at worst -1 or
    1; and p is that of the sign test over clusters.
    """
    low, p = lower_bound(effect), p_not_worse(effect)
    if low is not None:
        return low, 2 * effect.estimate - low, p
    if effect.scope != NO_VARIATION or not unit:
        return None, None, None
    same = ALPHA ** (1.0 / effect.clusters)
    lower, upper = (effect.estimate * same + end * (1 - same) for end in (-1.0, 1.0))
    return lower, upper, 0.5**effect.clusters if effect.estimate < 0 else 1.0


def _judged(measured: Sequence[_Measured], baseline: Baseline, margin: float | None) -> list[Check]:
    margins = [_margin(m.check.scope, baseline, margin) for m in measured]
    lower = np.array([-inf if m.check.lower is None else m.check.lower for m in measured])
    p = np.array([1.0 if m.check.p is None else m.check.p for m in measured])
    estimate = np.array([m.check.estimate for m in measured])
    verdicts = judge_checks(estimate, lower, p, np.array(margins))
    adjusted = holm(p)
    return [
        replace(
            m.check,
            margin=margins[i],
            verdict=str(verdicts[i]),
            p_adj=None if m.check.p is None else float(adjusted[i]),
        )
        for i, m in enumerate(measured)
    ]


def _margin(scope: str, baseline: Baseline, given: float | None) -> float:
    stored = baseline.margin(scope)
    if given is None:
        return stored
    return min(given, stored) if scope == ARTIFACT else given


def _shown(run: GateData, baseline: Baseline) -> list[Check]:
    """Every other metric that both sides have for the same examples."""
    names = [
        str(c)
        for c in baseline.data.values.columns
        if c not in HELD and c not in baseline.metrics and c in run.values.columns
    ]
    found = []
    for arm in baseline.arms:
        now, then = run.arm(arm), baseline.data.arm(arm)
        for name in names:
            left, right = (set(scored(side, name)["example_id"]) for side in (now, then))
            if left and left == right and even(now, name) and even(then, name):
                found.append(replace(_measure(run, baseline, arm, name).check, p=None))
    return found


def _sample(rows: pd.DataFrame, metric: str) -> Sample:
    values = rows[metric].to_numpy(dtype=np.float64)
    return Sample(values, list(rows["cluster"]), list(rows["seed"]))
