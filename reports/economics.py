"""Costs of arms, best-of-n curves and the break-even between paying once and on every request.

One-off cost = sampling + scoring + training FLOPs of an arm on top of ``sft``; serving cost = FLOPs
of one request. The harness's own test draws are never part of either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan, nan

import numpy as np
import pandas as pd

from rsft_bench.harness.statistics import (
    Effect,
    Interval,
    best_of_curve,
    cluster_interval,
    percentile_interval,
    resampled_means,
)
from rsft_bench.harness.statistics.effects import MIN_CLUSTERS
from rsft_bench.harness.types import FloatArray
from rsft_bench.reports.diagnostics import draw_matrices
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
    (serving n* − serving the variant); infinite where n* is 1, None where n* is None or where the
    run timed no requests, so that serving costs are unknown.
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

    @property
    def resampled(self) -> str:
        """What the intervals resample; "none" without them."""
        return "none" if self.n_interval is None else self.n_interval.label


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
    """The variant whose draws best-of-n ranks; None where the run has no best-of-n.

    Where best-of-n runs on several variants it is ``sft``, else the first of them.
    """
    sources = [
        source
        for variant in table.values()
        if variant.best_of and means.has(key, variant.id)
        if (source := _ranked(means, key, variant)) is not None
    ]
    return "sft" if "sft" in sources else next(iter(sources), None)


def _ranked(means: Means, key: Key, variant: Variant) -> str | None:
    """Id of the variant whose draws one best-of-n ranks; None where its rows are absent."""
    named = variant.parameters.get("source")
    options = ["sft", "base"] if named is None else [str(named)]
    return next((name for name in options if means.has(key, name)), None)


def ladder_of(means: Means, key: Key, table: Mapping[str, Variant]) -> list[Variant]:
    """Best-of-n variants that rank the draws of ``source_of``; others have a curve of their own."""
    source = source_of(means, key, table)
    return [
        variant
        for variant in table.values()
        if variant.best_of and means.has(key, variant.id)
        if _ranked(means, key, variant) == source
    ]


def n_max(means: Means, key: Key, table: Mapping[str, Variant]) -> int:
    """The largest n that the run has best-of-n rows of ``source_of`` for; 1 if none."""
    return max((v.n for v in ladder_of(means, key, table)), default=1)


def curve(draws: pd.DataFrame, largest: int) -> list[CurvePoint]:
    """Best-of-n for every n up to ``largest`` from the draws of its source."""
    found = draw_matrices(draws)
    if found is None:
        return []
    passed, proxy, units = found
    sizes = range(1, min(largest, passed.shape[1]) + 1)
    values = best_of_curve(proxy, passed, sizes)
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

    Intervals resample clusters and, with at least 10 seeds, seeds; else seeds are fixed and the
    label says so.
    """
    by_id = {c.variant: c for c in costs_}
    if variant not in by_id or not means.has(key, variant):
        return None
    found = draw_matrices(draws)
    serving = _serving(by_id, ladder_of(means, key, table), by_id[variant].serve_flops)
    if found is None or serving is None:
        return None
    passed, proxy, units = found
    sizes = range(1, min(len(serving), passed.shape[1]) + 1)
    frame = pd.DataFrame(best_of_curve(proxy, passed, sizes), columns=list(sizes))
    frame = pd.concat([units, frame], axis=1)
    rsft = means.table(key, variant)[["seed", "example_id", "gold_pass"]]
    frame = frame.merge(rsft, on=["seed", "example_id"], how="inner").dropna()
    values = [*sizes, "gold_pass"]
    once = by_id[variant].one_off_flops
    point = _crossing(frame[values].mean().to_numpy(float)[None], serving, once)
    replicates, label = _resampled(frame, values)
    spread = _crossing(replicates, serving, once)
    enough = frame["cluster"].nunique() >= MIN_CLUSTERS
    priced = bool(np.isfinite(serving).all())
    n_star, requests = float(point[0][0]), float(point[1][0])
    reached = isfinite(n_star)
    return BreakEven(
        variant=variant,
        n_max=sizes[-1],
        n_star=int(n_star) if reached else None,
        n_interval=percentile_interval(spread[0], label=label) if enough else None,
        requests=None if not reached or isnan(requests) else requests,
        requests_interval=(
            percentile_interval(spread[1], label=label) if enough and priced else None
        ),
        one_off_flops=once,
    )


def _resampled(frame: pd.DataFrame, columns: Sequence[str | int]) -> tuple[FloatArray, str]:
    """Means of ``columns`` in every bootstrap replicate, (R, columns), and what was resampled."""
    grouped = frame.groupby(["seed", "cluster"], sort=True)
    levels = [sorted(frame[c].unique()) for c in ("seed", "cluster")]
    index = pd.MultiIndex.from_product(levels)
    sums = grouped[list(columns)].sum().reindex(index, fill_value=0.0).to_numpy(float)
    sizes = np.asarray(grouped.size().reindex(index, fill_value=0), dtype=np.float64)
    shape = (len(levels[0]), len(levels[1]))
    return resampled_means(sums.reshape(*shape, len(columns)), sizes.reshape(shape), REPLICATES, 0)


def _serving(by_id: Mapping[str, Cost], rivals: Sequence[Variant], one: float) -> FloatArray | None:
    """FLOPs of serving best-of-n of one source for n = 1 to the largest of ``rivals``.

    n that were not run are interpolated; NaN where nothing was timed.
    """
    known = {1: one} | {v.n: by_id[v.id].serve_flops for v in rivals if v.id in by_id}
    largest = max((v.n for v in rivals), default=1)
    if largest < 2 or one <= 0:
        return None
    ns = sorted(known)
    return np.interp(np.arange(1, largest + 1), ns, [known[n] for n in ns])


def _crossing(
    values: FloatArray, serving: FloatArray, once: float
) -> tuple[FloatArray, FloatArray]:
    """(n*, requests) for each row of values, shape (R, sizes + 1), the last column RSFT's gold.

    n* is infinite where no n reaches it, and then RSFT wins from the first request (0); requests
    are infinite where n* is 1, and NaN elsewhere if serving costs are.
    """
    reached = values[:, :-1] >= values[:, -1:]
    first = np.argmax(reached, axis=1)
    any_ = reached.any(axis=1)
    n_star = np.where(any_, first + 1.0, inf)
    extra = np.where(first == 0, 0.0, serving[first] - serving[0])
    requests = np.where(extra > 0, once / np.where(extra > 0, extra, 1.0), inf)
    requests = np.where(np.isnan(extra), nan, requests)
    return n_star, np.where(any_, requests, 0.0)
