"""What the gate says beside its verdict: doubtful margins, unchecked suites, what settles it."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf, log

from scipy import stats

from rsft_bench.harness.gate.baseline import Baseline
from rsft_bench.harness.gate.comparability import ARTIFACT, RECIPE
from rsft_bench.harness.gate.data import GateData
from rsft_bench.harness.gate.decision import ALPHA
from rsft_bench.harness.gate.margins import Size, artifact_margin, recipe_margin, remedies
from rsft_bench.harness.gate.result import Check
from rsft_bench.harness.statistics import Effect
from rsft_bench.harness.statistics.effects import NO_VARIATION

HOPELESS = 0.1
AT_MARGIN = "the estimate lies at the margin; no practical size settles it"


def margin_notes(checks: Sequence[Check], saved: Baseline, given: float | None) -> list[str]:
    """Warnings about the margins in force, scope by scope."""
    notes = []
    recipe = [c for c in checks if c.scope == RECIPE]
    artifact = [c for c in checks if c.scope == ARTIFACT]
    if recipe and given is not None and given > saved.margin(RECIPE):
        notes.append(f"margin {given:g} is wider than the baseline's {saved.margin(RECIPE):g}")
    if recipe:
        size = Size(min(c.seeds for c in recipe), min(c.baseline_seeds for c in recipe))
        needed = recipe_margin(saved.components(), size)
        notes += _too_small(recipe, needed, f"{size.run} seeds against {size.baseline}")
    if artifact:
        seeds = min(c.seeds for c in artifact)
        needed = artifact_margin(saved.components(), seeds)
        notes += _too_small(artifact, needed, f"other draws of the same weights at {seeds} seeds")
    return notes


def extra_suites(run: GateData, saved: Baseline) -> list[str]:
    """Suites of the run that no check covers."""
    extra = sorted(set(run.suites) - set(saved.data.suites))
    return [f"suite {name!r} is not in the baseline and was not checked" for name in extra]


def settle(c: Check, effect: Effect, checks: Sequence[Check], saved: Baseline) -> str:
    """What would settle one inconclusive check."""
    label = f"{c.suite}, {c.policy}, {c.variant}, {c.metric}"
    if c.reasons or c.margin is None:
        return f"{label}: {'; '.join(c.reasons) or 'no interval'}"
    if effect.scope == NO_VARIATION:
        return f"{label}: {_more_equal_clusters(c.estimate, c.margin, c.clusters)}"
    if not effect.se or effect.df is None:
        return f"{label}: no interval"
    ratio = shrinkage(c, effect.se, effect.df, checks)
    if ratio < HOPELESS:
        return f"{label}: {AT_MARGIN}"
    if c.scope == ARTIFACT:
        return f"{label}: {ceil(c.clusters / ratio**2)} clusters (now {c.clusters})"
    for fitted in saved.components():
        if (fitted.suite, fitted.policy) == (c.suite, c.policy):
            at = fitted.checks.index((c.variant, c.metric))
            return f"{label}: {remedies(fitted, at, Size(c.seeds, c.baseline_seeds), ratio)}"
    return f"{label}: more seeds, examples or draws"


def shrinkage(c: Check, se: float, df: float, checks: Sequence[Check]) -> float:
    """Share of ``se`` at which the check would be settled if its estimate stayed as it is.

    Above -margin the verdict in reach is a pass, whose bound is uncorrected. Below it is a
    regression, for which p must fall below .05 / (checks that Holm has not rejected yet).
    """
    margin = c.margin or 0.0
    if c.estimate > -margin:
        return (margin + c.estimate) / (float(stats.t.ppf(1 - ALPHA, df)) * se)
    held = sum(o.p_adj is None or o.p_adj >= ALPHA for o in checks)
    return -c.estimate / (float(stats.t.ppf(1 - ALPHA / max(held, 1), df)) * se)


def _too_small(checks: Sequence[Check], needed: float, where: str) -> list[str]:
    """A note where the narrowest margin in force is below the one an unchanged program needs."""
    used = min(c.margin or 0.0 for c in checks)
    if not used < needed < inf:
        return []
    return [
        f"with {where} an unchanged program passes 90 times in 100 only at a margin of "
        f"{needed:.3f}; this gate uses {used:g}"
    ]


def _more_equal_clusters(estimate: float, margin: float, clusters: int) -> str:
    """Clusters at which the exact bound of a constant difference clears -margin."""
    room = (margin + estimate) / (1.0 + estimate) if estimate > -margin else 0.0
    if room <= 0:
        return AT_MARGIN
    wanted = max(clusters + 1, ceil(log(ALPHA) / log(1.0 - room)))
    return f"every difference is {estimate:+g}; {wanted} clusters (now {clusters})"
