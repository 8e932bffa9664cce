"""Contests that are more than one pair: best temperature, sweep winner, signs of gaming, the map.

Choices are made on ``select`` and measured on ``confirm``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.harness.runfolder import WINNER
from rsft_bench.harness.statistics import Effect
from rsft_bench.harness.types import Json
from rsft_bench.reports.choices import comparator, rungs, winner_choice
from rsft_bench.reports.comparisons import Record, find
from rsft_bench.reports.means import Key, Means, difference
from rsft_bench.reports.naming import Variant, number

AXES = {"accept", "k", "lambda", "target_rate", "tau", "beta", "temperature"}


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

    ``chosen`` maps each held-out seed to the setting that the other seeds chose; ``record`` is the
    procedure's gain over ``against``, adjusted in its family.
    """

    candidates: tuple[str, ...]
    chosen: Mapping[int, str]
    against: str
    record: Record

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
    """One RSFT setting on a k × λ, threshold or β map, with its gain over the comparator.

    ``rest`` names what else differs from the defaults, so that two settings never share a cell.
    """

    variant: str
    rule: str
    rest: str
    k: int
    weight: float
    target_rate: float | None
    tau: float | None
    record: Record
    beta: float | None = None


def ladder(
    records: list[Record], means: Means, key: Key, table: Mapping[str, Variant], variant: str
) -> Ladder:
    """Contest of ``variant`` and SFT over serving temperatures, each pair with its adjusted p."""
    contest = rungs(means, key, table, variant)
    found = [(t, a, b, find(records, key, a, b)) for t, a, b in contest.steps]
    steps = tuple((t, a, b, r) for t, a, b, r in found if r is not None)
    if contest.mine is None or contest.rival is None:
        return Ladder(steps, None, None, None)
    best = find(records, key, contest.mine, contest.rival)
    return Ladder(steps, contest.mine, contest.rival, best)


def winner(
    records: list[Record],
    means: Means,
    key: Key,
    table: Mapping[str, Variant],
    manifest: Mapping[str, Json],
) -> Winner | None:
    """The sweep winner with its record; None with one setting or one seed."""
    choice = winner_choice(means, key, table, manifest)
    if choice is None:
        return None
    record = find(records, key, WINNER, choice.against)
    if record is None:
        return None
    return Winner(choice.candidates, choice.chosen, choice.against, record)


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


def _rest(v: Variant) -> str:
    """What a setting differs in beside the axes of the map."""
    words = [f"{name}={value}" for name, value in sorted(v.told.items()) if name not in AXES]
    return ", ".join([*words, *([f"pool from {v.source}"] if v.source else [])])


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
        read = {name: v.parameters.get(name) for name in ("target_rate", "tau", "beta")}
        rate, tau, beta = (None if x is None else number(x) for x in read.values())
        cells.append(
            MapCell(
                variant=v.id,
                rule=str(v.parameters.get("accept", "argmax")),
                rest=_rest(v),
                k=int(v.parameters.get("k", 0)),
                weight=number(v.parameters.get("lambda", 1.0)),
                target_rate=rate,
                tau=tau,
                record=found,
                beta=beta,
            )
        )
    return cells
