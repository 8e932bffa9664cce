"""Costs of arms, best-of-n curves and the break-even between paying once and on every request.

One-off cost = sampling + scoring + training FLOPs of an arm on top of ``sft``; serving cost = FLOPs
of one request. The harness's own test draws are never part of either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np
import pandas as pd

from rsft_bench.harness.statistics import (
    Effect,
    Interval,
    cluster_draws,
    cluster_interval,
    percentile_interval,
)
from rsft_bench.harness.types import FloatArray
from rsft_bench.reports.diagnostics import best_of_curve, draw_matrices
from rsft_bench.reports.means import Key, Means
from rsft_bench.reports.naming import Variant

REPLICATES = 2000
#: Request volumes at which total costs are shown.
VOLUMES = (1_000, 10_000, 100_000)
ONE_OFF = ("sample", "score", "train")


@dataclass(frozen=True)
class Cost:
    """What one arm costs on top of SFT, mean over seeds: FLOPs and seconds once, and a request.

    SFT itself is the origin, 0 once; ``own_flops`` is the training it took, 0 for all others.
    """

    variant: str
    one_off_flops: float
    one_off_wall_s: float
    own_flops: float
    sample_tokens: float
    train_tokens: float
    serve_flops: float
    serve_tokens: float
    latency_s: tuple[float, float] | None
    gold_labels: float
    peak_rss_gib: float

    def total_flops(self, requests: int) -> float:
        """FLOPs once plus those of so many requests."""
        return self.one_off_flops + (requests * self.serve_flops if requests else 0.0)


@dataclass(frozen=True)
class CurvePoint:
    """Best-of-n at one n; the interval covers new seeds and prompts."""

    n: int
    effect: Effect


@dataclass(frozen=True)
class BreakEven:
    """Where paying once and paying on every request meet.

    ``n_star`` is the smallest n whose best-of-n is not inferior to the variant in gold_pass: 1
    means ``sft`` itself is not, None that no n up to ``n_max`` is. ``requests`` = one-off FLOPs /
    (serving n* − serving the variant); infinite where n* is 1, None where n* is None.
    """

    variant: str
    n_max: int
    n_star: int | None
    n_interval: Interval | None
    requests: float | None
    requests_interval: Interval | None
    one_off_flops: float

    @property
    def words(self) -> str:
        """Where RSFT lies on the best-of-n curve."""
        if self.n_star is None:
            return f"above best-of-{self.n_max} at serving"
        if self.n_star == 1:
            return "below best-of-2 at serving"
        return f"matched by best-of-{self.n_star} at serving"


def costs(cells: pd.DataFrame, draws: Mapping[str, pd.DataFrame], key: Key) -> list[Cost]:
    """One row a variant of ``draws``. Latency: median and 95th percentile of timed requests."""
    mine = cells[(cells["suite"] == key.suite) & (cells["policy"] == key.policy)]
    by_id = {str(name): cell for name, cell in mine.groupby("variant")}
    found = []
    for name, rows in draws.items():
        cell = by_id.get(name)
        if cell is None:
            continue
        times = rows["latency_s"].dropna()
        flops = float(sum(cell[f"{s}_flops"].mean() for s in ONE_OFF))
        start = bool((cell["method"] == "sft").all())
        top = 0.0 if start else 1.0
        found.append(
            Cost(
                variant=name,
                one_off_flops=top * flops,
                one_off_wall_s=top * float(sum(cell[f"{s}_wall_s"].mean() for s in ONE_OFF)),
                own_flops=flops if start else 0.0,
                sample_tokens=float(cell["sample_tokens"].mean()),
                train_tokens=top * float(cell["train_tokens"].mean()),
                serve_flops=float(cell["serve_flops"].mean()),
                serve_tokens=float(cell["serve_tokens"].mean()),
                latency_s=(float(times.median()), float(times.quantile(0.95)))
                if len(times)
                else None,
                gold_labels=float(cell["gold_labels"].mean()),
                peak_rss_gib=float(cell["peak_rss_gib"].max()),
            )
        )
    return found


def volumes(costs_: Sequence[Cost]) -> tuple[int, ...]:
    """Request volumes to show total costs at; none but 0 where serving was not measured."""
    return VOLUMES if any(isfinite(c.serve_flops) for c in costs_) else (0,)


def source_of(means: Means, key: Key, table: Mapping[str, Variant]) -> str | None:
    """The variant whose draws best-of-n ranks; None where the run has no best-of-n."""
    for variant in table.values():
        if variant.method == "best_of_n" and means.has(key, variant.id):
            named = variant.parameters.get("source")
            options = [named, "sft", "base"]
            return next((str(o) for o in options if o and means.has(key, str(o))), None)
    return None


def n_max(means: Means, key: Key, table: Mapping[str, Variant]) -> int:
    """The largest n that the run has best-of-n rows for; 1 if none."""
    here = [v.n for v in table.values() if v.method == "best_of_n" and means.has(key, v.id)]
    return max(here, default=1)


def curve(draws: pd.DataFrame, largest: int) -> list[CurvePoint]:
    """Best-of-n for every n up to ``largest`` from the draws of its source."""
    found = draw_matrices(draws)
    if found is None:
        return []
    passed, proxy, units = found
    sizes = range(1, min(largest, passed.shape[1]) + 1)
    values = best_of_curve(passed, proxy, sizes)
    cluster, seed = list(units["cluster"]), list(units["seed"])
    return [
        CurvePoint(n, cluster_interval(values[:, j], cluster, seed)) for j, n in enumerate(sizes)
    ]


def break_even(
    means: Means,
    draws: pd.DataFrame,
    costs_: list[Cost],
    key: Key,
    variant: str,
    table: Mapping[str, Variant],
) -> BreakEven | None:
    """Break-even of ``variant`` against best-of-n over ``draws`` of its source.

    Intervals resample clusters at fixed seeds.
    """
    by_id = {c.variant: c for c in costs_}
    if variant not in by_id or not means.has(key, variant):
        return None
    found = draw_matrices(draws)
    serving = _serving(by_id, table, n_max(means, key, table), by_id[variant].serve_flops)
    if found is None or serving is None:
        return None
    passed, proxy, units = found
    sizes = range(1, min(len(serving), passed.shape[1]) + 1)
    frame = pd.DataFrame(best_of_curve(passed, proxy, sizes), columns=list(sizes))
    frame = pd.concat([units, frame], axis=1)
    rsft = means.table(key, variant)[["seed", "example_id", "gold_pass"]]
    frame = frame.merge(rsft, on=["seed", "example_id"], how="inner").dropna()
    grouped = frame.groupby("cluster", sort=True)
    sums = grouped[[*sizes, "gold_pass"]].sum().to_numpy(float)
    weights = grouped.size().to_numpy(float)
    once = by_id[variant].one_off_flops
    point = _crossing(sums.sum(axis=0, keepdims=True) / weights.sum(), serving, once)
    times = cluster_draws(len(weights), REPLICATES, 0).astype(float)
    spread = _crossing((times @ sums) / (times @ weights)[:, None], serving, once)
    enough = len(weights) >= 10
    n_star, requests = float(point[0][0]), float(point[1][0])
    reached = isfinite(n_star)
    return BreakEven(
        variant=variant,
        n_max=sizes[-1],
        n_star=int(n_star) if reached else None,
        n_interval=percentile_interval(spread[0]) if enough else None,
        requests=requests if reached else None,
        requests_interval=percentile_interval(spread[1]) if enough else None,
        one_off_flops=once,
    )


def _serving(
    by_id: Mapping[str, Cost], table: Mapping[str, Variant], largest: int, one: float
) -> FloatArray | None:
    """FLOPs of serving best-of-n for n = 1..largest; n that were not run are interpolated."""
    known = {1: one} | {
        v.n: by_id[v.id].serve_flops
        for v in table.values()
        if v.method == "best_of_n" and v.id in by_id
    }
    if largest < 2 or one <= 0:
        return None
    ns = sorted(known)
    return np.interp(np.arange(1, largest + 1), ns, [known[n] for n in ns])


def _crossing(
    values: FloatArray, serving: FloatArray, once: float
) -> tuple[FloatArray, FloatArray]:
    """(n*, requests) for each row of values, shape (R, sizes + 1), the last column RSFT's gold.

    n* is infinite where no n reaches it, and then RSFT wins from the first request (0); requests
    are infinite where n* is 1.
    """
    reached = values[:, :-1] >= values[:, -1:]
    first = np.argmax(reached, axis=1)
    any_ = reached.any(axis=1)
    n_star = np.where(any_, first + 1.0, inf)
    extra = serving[first] - serving[0]
    with np.errstate(divide="ignore"):
        requests = np.where(extra > 0, once / np.where(extra > 0, extra, 1.0), inf)
    return n_star, np.where(any_, requests, 0.0)
