"""Choices made on ``select``: own best temperatures and the sweep winner. Measured elsewhere.

Also which variants stand against each other by default. Reads ``Means``; makes no test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rsft_bench.harness.statistics import leave_one_seed_out_winner
from rsft_bench.harness.types import Json
from rsft_bench.reports.means import Key, Means
from rsft_bench.reports.naming import Variant, number


@dataclass(frozen=True)
class Rungs:
    """One variant against SFT by serving temperature.

    ``steps`` holds (temperature, id, rival id). ``mine`` and ``rival`` are each side's own best on
    ``select``; None where the run has only one temperature, so the contest was not held.
    """

    steps: tuple[tuple[float, str, str], ...]
    mine: str | None
    rival: str | None


@dataclass(frozen=True)
class Choice:
    """The RSFT setting that the other seeds chose for each seed, and among which."""

    candidates: tuple[str, ...]
    chosen: Mapping[int, str]
    against: str


def comparator(means: Means, key: Key) -> str | None:
    """What exploratory arms are held against: sft_more, else sft, else base."""
    return next((v for v in ("sft_more", "sft", "base") if means.has(key, v)), None)


def at_temperature(
    means: Means, key: Key, table: Mapping[str, Variant], like: Variant
) -> dict[float, str]:
    """Variants with rows that differ from ``like`` in serving temperature only, by temperature."""

    def rest(variant: Variant) -> dict[str, Json]:
        return {k: v for k, v in variant.parameters.items() if k != "temperature"}

    same = [v for v in table.values() if v.method == like.method and rest(v) == rest(like)]
    return {v.temperature: v.id for v in same if means.has(key, v.id)}


def rungs(means: Means, key: Key, table: Mapping[str, Variant], variant: str) -> Rungs:
    """Contest of ``variant`` and SFT over serving temperatures; sft_more stands in where it ran."""
    mine = at_temperature(means, key, table, table[variant])
    plain = at_temperature(means, key, table, table["sft"]) if "sft" in table else {}
    more = at_temperature(means, key, table, table["sft_more"]) if "sft_more" in table else {}
    rivals = {**plain, **more}
    steps = tuple((t, mine[t], rivals[t]) for t in sorted(set(mine) & set(rivals)))
    if len(mine) < 2 or len(plain) < 2:
        return Rungs(steps, None, None)
    a = _best_on_select(means, key, list(mine.values()))
    b = _best_on_select(means, key, [*plain.values(), *more.values()])
    return Rungs(steps, a, b) if a and b else Rungs(steps, None, None)


def winner_choice(
    means: Means, key: Key, table: Mapping[str, Variant], manifest: Mapping[str, Json]
) -> Choice | None:
    """The sweep winner by leaving one seed out; None with one setting or one seed.

    The choice that the run wrote down, else made here among every RSFT setting that uses the
    proxy and its accepted set, at temperature 1, not oracle.
    """
    against = comparator(means, key)
    names = tuple(
        v.id
        for v in table.values()
        if v.method == "rsft" and not v.oracle and not v.is_control and v.temperature == 1
        if number(v.parameters.get("lambda", 1.0)) > 0
        if means.has(key, v.id) and means.has(key, v.id, "select")
    )
    if len(names) < 2 or against is None:
        return None
    for entry in manifest.get("winners", []):
        if Key(entry["suite"], entry["policy"]) == key:
            chosen = {int(s): str(v) for s, v in entry["chosen"].items()}
            known = all([means.has(key, v) for v in chosen.values()])
            return Choice(names, chosen, against) if known else None
    seeds = sorted(set.intersection(*(set(means.by_seed(key, v)) for v in names)))
    if len(seeds) < 2:
        return None
    select = np.array([[means.by_seed(key, v, split="select")[s] for s in seeds] for v in names])
    if np.isnan(select).any():
        return None
    picks = leave_one_seed_out_winner(select, select).winners
    return Choice(names, {s: names[int(i)] for s, i in zip(seeds, picks, strict=True)}, against)


def _best_on_select(means: Means, key: Key, names: list[str]) -> str | None:
    scored = {v: means.mean(key, v, split="select") for v in names if means.has(key, v, "select")}
    known = {v: x for v, x in scored.items() if x is not None}
    return max(known, key=lambda v: known[v]) if known else None
