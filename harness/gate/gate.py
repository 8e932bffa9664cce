"""The gate: a run against a baseline, check by check, failing closed (protocol section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.gate.baseline import MAX_MARGIN, Baseline, load_baseline
from rsft_bench.harness.gate.comparability import reasons, schema_reason
from rsft_bench.harness.gate.costs import compare_costs
from rsft_bench.harness.gate.data import (
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
from rsft_bench.harness.gate.margins import Size, recipe_margin, remedies
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

ARTIFACT = "artifact"
RECIPE = "recipe"


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
    advice = [*_margin_notes(checks, saved, margin), *_extra_suites(data, saved)]
    if verdict == INCONCLUSIVE:
        advice += [
            _settle(m, c, saved)
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


def scope_of(run: GateData, baseline: Baseline, arm: Arm) -> str:
    """``artifact`` where every seed of the run has the baseline's weights, else ``recipe``."""
    now, then = run.fingerprints(arm), baseline.data.fingerprints(arm)
    return ARTIFACT if now and all(then.get(s) == f for s, f in now.items()) else RECIPE


def _measure(run: GateData, baseline: Baseline, arm: Arm, metric: str) -> _Measured:
    """Effect of one arm and metric in its scope, run minus baseline."""
    scope = scope_of(run, baseline, arm)
    now, then = scored(run.arm(arm), metric), scored(baseline.data.arm(arm), metric)
    sizes = (now["seed"].nunique(), then["seed"].nunique())
    if scope == ARTIFACT:
        both = now.merge(then, on=["seed", "example_id"], suffixes=("", "_then"))
        gap = (both[metric] - both[f"{metric}_then"]).to_numpy(dtype=np.float64)
        effect = cluster_effect(gap, list(both["cluster"]), list(both["seed"]))
        sizes = (sizes[0], sizes[0])
    else:
        effect = two_sample_effect(_sample(now, metric), _sample(then, metric))
    lower, upper, p = _one_sided(effect)
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


def _one_sided(effect: Effect) -> tuple[float | None, float | None, float | None]:
    """Lower and upper one-sided 95 % bounds and p of "not worse".

    A difference that is the same in every cluster and seed has no variance to make a t interval
    from, and a gate must still block a policy that lost everything. Then the bounds are exact for
    values in [0, 1]: with C equal clusters at most a share 1 - .05^(1/C) of new clusters differs,
    by at worst -1 or 1; and p is that of the sign test over clusters.
    """
    low, p = lower_bound(effect), p_not_worse(effect)
    if low is not None:
        return low, 2 * effect.estimate - low, p
    if effect.scope != NO_VARIATION:
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
    held = ("suite", "policy", "variant", "seed", "example_id", "cluster", "draws", "weight")
    names = [
        str(c)
        for c in baseline.data.values.columns
        if c not in held and c not in baseline.metrics and c in run.values.columns
    ]
    found = []
    for arm in baseline.arms:
        now, then = run.arm(arm), baseline.data.arm(arm)
        for name in names:
            left, right = (set(scored(side, name)["example_id"]) for side in (now, then))
            if left and left == right and even(now, name) and even(then, name):
                found.append(replace(_measure(run, baseline, arm, name).check, p=None))
    return found


def _margin_notes(checks: Sequence[Check], saved: Baseline, margin: float | None) -> list[str]:
    """Warnings about the margin in force in scope recipe."""
    recipe = [c for c in checks if c.scope == RECIPE]
    if not recipe:
        return []
    notes = []
    if margin is not None and margin > saved.margin(RECIPE):
        notes.append(f"margin {margin:g} is wider than the baseline's {saved.margin(RECIPE):g}")
    size = Size(min(c.seeds for c in recipe), min(c.baseline_seeds for c in recipe))
    needed = recipe_margin(saved.components(), size)
    used = max(c.margin or 0.0 for c in recipe)
    if used < needed < inf:
        notes.append(
            f"with {size.run} seeds against {size.baseline} an unchanged program passes 90 times "
            f"in 100 only at a margin of {needed:.3f}; this gate uses {used:g}"
        )
    return notes


def _extra_suites(run: GateData, saved: Baseline) -> list[str]:
    extra = sorted(set(run.suites) - set(saved.data.suites))
    return [f"suite {name!r} is not in the baseline and was not checked" for name in extra]


def _settle(m: _Measured, c: Check, saved: Baseline) -> str:
    """What would settle one inconclusive check."""
    label = f"{c.suite}, {c.policy}, {c.variant}, {c.metric}"
    if c.reasons or not m.effect.se or m.effect.df is None or c.margin is None:
        return f"{label}: {'; '.join(c.reasons) or 'no interval'}"
    gap = c.margin + c.estimate if c.estimate > -c.margin else -c.estimate
    ratio = gap / (float(stats.t.ppf(1 - ALPHA, m.effect.df)) * m.effect.se)
    if ratio < 0.1:
        return f"{label}: the estimate lies at the margin; no practical size settles it"
    if c.scope == ARTIFACT:
        return f"{label}: {int(np.ceil(c.clusters / ratio**2))} clusters (now {c.clusters})"
    for fitted in saved.components():
        if (fitted.suite, fitted.policy) == (c.suite, c.policy):
            at = fitted.checks.index((c.variant, c.metric))
            size = Size(c.seeds, c.baseline_seeds)
            return f"{label}: {remedies(fitted, at, size, min(ratio, 0.99))}"
    return f"{label}: more seeds, examples or draws"


def _sample(rows: pd.DataFrame, metric: str) -> Sample:
    values = rows[metric].to_numpy(dtype=np.float64)
    return Sample(values, list(rows["cluster"]), list(rows["seed"]))
