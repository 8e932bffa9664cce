"""Contests that are more than one pair: best temperature, sweep winner, signs of gaming, the map.

Choices are made on ``select`` and measured on ``confirm``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rsft_bench.harness.statistics import Effect, leave_one_seed_out_winner
from rsft_bench.reports.comparisons import Record, at_temperature, comparator, find, record
from rsft_bench.reports.means import Key, Means, Paired, difference, paired, sample_effect
from rsft_bench.reports.naming import Variant, number


@dataclass(frozen=True)
class Ladder:
    """One variant against SFT at each temperature, and each at its own best.

    ``steps`` holds (temperature, id, rival id, record). ``best`` compares the two chosen on
    ``select``; None where the run has only one temperature, so the contest was not held.
    """

    steps: tuple[tuple[float, str, str, Record], ...]
    mine: str | None
    rival: str | None
    best: Record | None


@dataclass(frozen=True)
class Winner:
    """Leave-one-seed-out choice among the RSFT settings of a run.

    ``chosen`` maps each held-out seed to the setting that the other seeds chose; ``effect`` is the
    procedure's gain over ``against``.
    """

    candidates: tuple[str, ...]
    chosen: Mapping[int, str]
    value: float
    against: str
    effect: Effect

    @property
    def favourite(self) -> tuple[str, int]:
        """The setting chosen most often, and how often."""
        names = list(self.chosen.values())
        best = max(sorted(set(names)), key=names.count)
        return best, names.count(best)


@dataclass(frozen=True)
class Signs:
    """What changed beside quality: primary − ``against``, and the level it changed from.

    ``overstated`` is proxy − gold_pass, ``entropy`` −logprob of an answer in nats.
    """

    against: str
    overstated: Effect | None
    entropy: Effect | None
    entropy_from: float | None
    tokens: Effect
    tokens_from: float


@dataclass(frozen=True)
class MapCell:
    """One RSFT setting on the k × λ or k × threshold map, with its gain over ``sft_more``."""

    variant: str
    rule: str
    k: int
    weight: float
    target_rate: float | None
    tau: float | None
    record: Record


def ladder(means: Means, key: Key, table: Mapping[str, Variant], variant: str) -> Ladder:
    """Contest of ``variant`` and SFT over serving temperatures."""
    mine = at_temperature(means, key, table, table[variant])
    plain = at_temperature(means, key, table, table["sft"]) if "sft" in table else {}
    more = at_temperature(means, key, table, table["sft_more"]) if "sft_more" in table else {}
    rivals = {**plain, **more}
    steps = tuple(
        (
            t,
            mine[t],
            rivals[t],
            record(means, (key, mine[t], rivals[t], "gold_pass", "confirm"), "ladder"),
        )
        for t in sorted(set(mine) & set(rivals))
    )
    if len(mine) < 2 or len(plain) < 2:
        return Ladder(steps, None, None, None)
    a = _best_on_select(means, key, list(mine.values()))
    b = _best_on_select(means, key, [*plain.values(), *more.values()])
    if a is None or b is None:
        return Ladder(steps, None, None, None)
    best = record(means, (key, a, b, "gold_pass", "confirm"), "ladder")
    return Ladder(steps, a, b, best)


def winner(means: Means, key: Key, table: Mapping[str, Variant]) -> Winner | None:
    """The sweep winner by leaving one seed out; None with one setting or one seed.

    Candidates: every RSFT setting that uses the proxy, at temperature 1, not oracle.
    """
    against = comparator(means, key)
    names = [
        v.id
        for v in table.values()
        if v.method == "rsft" and not v.oracle and not v.is_control and v.temperature == 1
        if means.has(key, v.id) and means.has(key, v.id, "select")
    ]
    if len(names) < 2 or against is None:
        return None
    seeds = sorted(set.intersection(*(set(means.by_seed(key, v)) for v in names)))
    if len(seeds) < 2:
        return None
    select = np.array([[means.by_seed(key, v, split="select")[s] for s in seeds] for v in names])
    confirm = np.array([[means.by_seed(key, v)[s] for s in seeds] for v in names])
    if np.isnan(select).any() or np.isnan(confirm).any():
        return None
    chosen = leave_one_seed_out_winner(select, confirm)
    by_seed = {s: names[int(i)] for s, i in zip(seeds, chosen.winners, strict=True)}
    sides = {v: paired(means, key, v, against) for v in set(by_seed.values())}
    effect = sample_effect(_stitch(sides, by_seed))
    return Winner(tuple(names), by_seed, chosen.estimate, against, effect)


def signs(means: Means, key: Key, variant: str) -> Signs | None:
    """Gaming, diversity and length of ``variant`` beside the SFT control."""
    against = comparator(means, key)
    if against is None or against == variant:
        return None

    def change(metric: str) -> Effect | None:
        sides = (means.mean(key, variant, metric), means.mean(key, against, metric))
        return None if None in sides else difference(means, key, variant, against, metric)

    tokens = difference(means, key, variant, against, "tokens_out")
    return Signs(
        against=against,
        overstated=change("overstated"),
        entropy=change("entropy"),
        entropy_from=means.mean(key, against, "entropy"),
        tokens=tokens,
        tokens_from=means.mean(key, against, "tokens_out") or 0.0,
    )


def map_cells(
    records: list[Record], means: Means, key: Key, table: Mapping[str, Variant]
) -> list[MapCell]:
    """RSFT settings at temperature 1, controls left out, with their gain over the comparator."""
    against = comparator(means, key)
    cells = []
    for v in table.values():
        if v.method != "rsft" or v.is_control or v.oracle or v.temperature != 1 or against is None:
            continue
        found = find(records, key, v.id, against)
        if found is None:
            continue
        rate, tau = v.parameters.get("target_rate"), v.parameters.get("tau")
        cells.append(
            MapCell(
                variant=v.id,
                rule=str(v.parameters.get("accept", "argmax")),
                k=int(v.parameters.get("k", 0)),
                weight=number(v.parameters.get("lambda", 1.0)),
                target_rate=None if rate is None else number(rate),
                tau=None if tau is None else number(tau),
                record=found,
            )
        )
    return cells


def _best_on_select(means: Means, key: Key, names: list[str]) -> str | None:
    scored = {v: means.mean(key, v, split="select") for v in names if means.has(key, v, "select")}
    known = {v: x for v, x in scored.items() if x is not None}
    return max(known, key=lambda v: known[v]) if known else None


def _stitch(sides: Mapping[str, Paired], chosen: Mapping[int, str]) -> Paired:
    """Each seed's differences from the setting chosen for that seed."""
    values: list[float] = []
    cluster: list[str] = []
    seed: list[int] = []
    same: list[bool] = []
    for s, variant in chosen.items():
        side = sides[variant]
        at = [i for i, x in enumerate(side.seed) if x == s]
        values += [float(side.values[i]) for i in at]
        cluster += [side.cluster[i] for i in at]
        seed += [s] * len(at)
        same += [bool(side.same[i]) for i in at]
    return Paired(np.array(values), cluster, seed, np.array(same, dtype=np.bool_))
