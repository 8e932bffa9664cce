"""A run folder turned into everything the report says, and into results.json.

``analyse`` computes; the questions, tables and plots only read its result, so no renderer ever
computes a p-value. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

import pandas as pd

from rsft_bench.harness.runfolder import SCHEMA_VERSION, RunFolder
from rsft_bench.harness.statistics import Effect
from rsft_bench.harness.types import Json
from rsft_bench.reports.audit import ArmFacts, accept_audits, arm_facts
from rsft_bench.reports.choices import at_temperature, comparator
from rsft_bench.reports.comparisons import Record, comparisons, effect_fields
from rsft_bench.reports.contests import (
    ladder,
    map_cells,
    signs,
    winner,
)
from rsft_bench.reports.diagnostics import (
    by_variant,
    harms,
    headroom,
    proxy_quality,
    strata,
)
from rsft_bench.reports.diversity import Diversity, diversities
from rsft_bench.reports.economics import (
    break_even,
    costs,
    curve,
    n_max,
    source_of,
)
from rsft_bench.reports.findings import Analysis, Level, SuiteAnalysis
from rsft_bench.reports.means import Key, Means, full_seeds
from rsft_bench.reports.naming import Variant, order, variants
from rsft_bench.reports.overoptimization import pressures
from rsft_bench.reports.pools import as_json, pool_studies
from rsft_bench.reports.rounds import round_facts
from rsft_bench.reports.satisfaction import satisfaction_levels

DEFAULT_MARGIN = 0.05
PLACE = ("suite", "policy", "a", "b", "metric", "split")


def analyse(run: RunFolder) -> Analysis:
    """Analyse a run folder, once a reader. Raises UserError, DataError or NotComparableError."""
    found: Analysis = run.once("analysis", lambda: _analyse(run))
    return found


def _analyse(run: RunFolder) -> Analysis:
    manifest, rows, left_out = run.manifest(), run.rows(), list[str]()
    if manifest.get("status") != "complete":
        rows, left_out = full_seeds(rows)
    means, table = Means(rows, run.metrics()), variants(manifest)
    records = comparisons(means, manifest, table)
    gate = manifest.get("config", {}).get("gate") or {}
    return Analysis(
        manifest=manifest,
        variants=table,
        records=tuple(records),
        suites=tuple(
            _suite(run, rows, manifest, means, table, records, key) for key in means.keys()
        ),
        left_out=tuple(left_out),
        satisfaction=satisfaction_levels(means, table),
        pools=tuple(pool_studies(rows, run.examples(), manifest, table)),
        margin=float(gate.get("margin", DEFAULT_MARGIN)),
    )


def compare(run: RunFolder) -> dict[str, Any]:
    """What results.json holds: ``comparisons`` and the report's other numbers, without NaN."""
    return as_results(analyse(run))


def as_results(found: Analysis) -> dict[str, Any]:
    """An analysis as JSON."""
    from rsft_bench.reports.questions import answers

    return {
        "schema_version": SCHEMA_VERSION,
        "margin": found.margin,
        "answers": [asdict(a) for a in answers(found)],
        "comparisons": list(found.records),
        "suites": [_suite_results(s) for s in found.suites],
        "pools": [as_json(study) for study in found.pools],
    }


def _suite_results(s: SuiteAnalysis) -> dict[str, Any]:
    even, best, won = s.break_even, s.ladder, s.winner
    return {
        "suite": s.key.suite,
        "policy": s.key.policy,
        "levels": [{"variant": v.variant, **effect_fields(v.passed)} for v in s.levels if v.passed],
        "headroom": asdict(s.headroom) if s.headroom else None,
        "proxy": asdict(s.proxy),
        "proxy_select": asdict(s.proxy_select),
        "diversity": [asdict(d) | _ranges(d) for d in s.diversity],
        "best_temperature": best.best if best else None,
        "winner": {
            "chosen": {str(k): v for k, v in won.chosen.items()},
            **{k: v for k, v in won.record.items() if k not in PLACE},
        }
        if won
        else None,
        "overoptimization": [asdict(p) for p in s.pressures],
        "break_even": {
            "n_star": even.n_star,
            "n_max": even.n_max,
            "n_interval": _finite(even.n_interval),
            "requests": "inf" if even.n_star == 1 else even.requests,
            "requests_interval": _finite(even.requests_interval),
        }
        if even
        else None,
        "strata": {
            v: {name: effect_fields(e) for name, e in effects.items()}
            for v, effects in s.strata.items()
        },
    }


def _ranges(d: Diversity) -> dict[str, Any]:
    pairs = {"self_bleu": d.self_bleu, "vendi": d.vendi}
    return {name: effect_fields(e) if e else None for name, e in pairs.items()}


def _finite(interval: Any) -> list[float | str] | None:
    if interval is None:
        return None
    return [x if isfinite(x) else "inf" for x in (interval.lo, interval.hi)]


def _suite(
    run: RunFolder,
    rows: pd.DataFrame,
    manifest: Mapping[str, Json],
    means: Means,
    table: Mapping[str, Variant],
    records: list[Record],
    key: Key,
) -> SuiteAnalysis:
    cells, by_name = run.cells(), by_variant(rows, key)
    here = [v for v in sorted(table.values(), key=order) if means.has(key, v.id)]
    names = [v.id for v in here]
    confirm = {name: by_name[name] for name in names}
    source = source_of(means, key, table) or ("sft" if "sft" in names else None)
    draws = confirm[source] if source else rows.iloc[:0]
    primary = manifest.get("primary") if manifest.get("primary") in names else None
    against = comparator(means, key)
    spent = costs(cells, confirm, key)
    infos = {s["name"]: s for s in manifest.get("suites", [])}
    return SuiteAnalysis(
        key=key,
        info=infos.get(key.suite, {}),
        comparator=against,
        primary=primary,
        levels=tuple(_level(means, key, name) for name in names),
        headroom=headroom(draws),
        proxy=proxy_quality(draws),
        proxy_select=proxy_quality(
            by_variant(rows, key, "select").get(source or "", draws.iloc[:0])
        ),
        audits=tuple(accept_audits(run.pool(), run.selected(), cells, key, table, _pool(manifest))),
        arms=tuple(_arm(means, confirm[v.id], cells, key, table, v) for v in here),
        costs=tuple(spent),
        curve=tuple(curve(draws, n_max(means, key, table))),
        break_even=break_even(means, draws, spent, key, primary, table) if primary else None,
        harms={v: harms(means, key, v, rows) for v, rows in confirm.items()},
        strata=_strata(means, key, here, against),
        ladder=ladder(records, means, key, table, primary) if primary else None,
        winner=winner(records, means, key, table, manifest),
        signs=signs(means, key, primary) if primary else None,
        cells=tuple(map_cells(records, means, key, table)),
        diversity=tuple(diversities(confirm, table)),
        rounds=tuple(round_facts(run.pool(), run.selected(), key, table, _pool(manifest))),
        pressures=tuple(pressures(means, key, table, draws, source)),
    )


def _pool(manifest: Mapping[str, Json]) -> Mapping[str, Json]:
    """How the pool was drawn where a variant says nothing else."""
    return (manifest.get("config") or {}).get("pool") or {}


def _level(means: Means, key: Key, variant: str) -> Level:
    return Level(
        variant,
        means.level(key, variant),
        means.level(key, variant, "gold"),
        means.by_seed(key, variant),
    )


def _strata(
    means: Means, key: Key, here: list[Variant], against: str | None
) -> dict[str, Mapping[str, Effect]]:
    """Gain over the comparator by stratum of every trained arm at temperature 1."""
    if against is None:
        return {}
    arms = [v.id for v in here if v.trained and v.temperature == 1 and v.id != against]
    return {v: strata(means, key, v, against) for v in arms}


def _arm(
    means: Means,
    draws: pd.DataFrame,
    cells: pd.DataFrame,
    key: Key,
    table: Mapping[str, Variant],
    variant: Variant,
) -> ArmFacts:
    greedy = None
    if not variant.served and variant.temperature == 1:
        greedy = at_temperature(means, key, table, variant).get(0.0)
    return arm_facts(means, draws, cells, key, variant, greedy)
