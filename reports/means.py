"""Rows folded to one value per (variant, seed, example), and the pairing of two variants.

The fold is the weighted mean over draws; everything later (intervals, tests, tables) starts here.
Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rsft_bench.harness.errors import NotComparableError
from rsft_bench.harness.statistics import Effect, cluster_interval, two_way_effect
from rsft_bench.harness.statistics.effects import ROUNDING
from rsft_bench.harness.types import FloatArray

GROUP = ["suite", "policy", "variant", "split"]
UNIT = ["seed", "example_id"]
ANSWERS = "answers"
BUILT_IN = (
    "gold_pass",
    "gold",
    "proxy",
    "overstated",
    "tokens_out",
    "served_tokens_out",
    "entropy",
    "truncated",
    "empty",
)


class Key(NamedTuple):
    """Where a verdict holds: one suite and one policy."""

    suite: str
    policy: str


class Paired(NamedTuple):
    """Differences of two variants, one per (seed, example).

    ``same`` (n,) says where the two sides hold the same answers: draws, texts and weights, and one
    value of the metric.
    """

    values: FloatArray
    cluster: Sequence[str]
    seed: Sequence[int]
    same: NDArray[np.bool_]


class Means:
    """Weighted means of every metric per (variant, split, seed, example).

    Metrics are the built-in ones (``entropy`` is −logprob of an answer in nats, ``overstated`` is
    proxy − gold_pass) and every metric column of the rows. A mean is over the draws that have a
    value, NaN if none has; ``gold_pass`` is NaN where the example has no gold.
    """

    def __init__(self, rows: pd.DataFrame, metrics: Sequence[str]) -> None:
        """Fold ``rows``; ``metrics`` are their metric columns."""
        self.metrics = (*BUILT_IN, *metrics)
        self._groups = _fold(rows, self.metrics)

    def keys(self) -> list[Key]:
        """Suites and policies that have rows, in order of first appearance."""
        return list(dict.fromkeys(Key(suite, policy) for suite, policy, _, _ in self._groups))

    def has(self, key: Key, variant: str, split: str = "confirm") -> bool:
        """Whether the variant has rows there."""
        return (*key, variant, split) in self._groups

    def table(self, key: Key, variant: str, split: str = "confirm") -> pd.DataFrame:
        """One row a (seed, example), sorted; columns cluster, stratum, answers and every metric.

        ``answers`` is a digest of the draws, their texts and weights.

        Raises:
            NotComparableError: the variant has no rows there.
        """
        try:
            return self._groups[(*key, variant, split)]
        except KeyError:
            where = f"{key.suite}/{key.policy}/{split}"
            raise NotComparableError(f"variant {variant!r} has no rows in {where}") from None

    def level(
        self, key: Key, variant: str, metric: str = "gold_pass", split: str = "confirm"
    ) -> Effect | None:
        """Mean of one variant with its interval, over the examples that have it in every seed.

        None where no example has the metric.
        """
        frame = self.table(key, variant, split)
        valued = frame[metric].notna().groupby(frame["example_id"]).transform("all")
        frame = frame[valued]
        if frame.empty:
            return None
        return cluster_interval(
            frame[metric].to_numpy(dtype=np.float64), list(frame["cluster"]), list(frame["seed"])
        )

    def mean(
        self, key: Key, variant: str, metric: str = "gold_pass", split: str = "confirm"
    ) -> float | None:
        """Mean over examples and seeds; None where no example has the metric."""
        value = float(self.table(key, variant, split)[metric].mean())
        return None if np.isnan(value) else value

    def by_seed(
        self, key: Key, variant: str, metric: str = "gold_pass", split: str = "confirm"
    ) -> dict[int, float]:
        """Mean over examples for each seed."""
        frame = self.table(key, variant, split)
        means = frame.groupby("seed")[metric].mean()
        return {int(str(seed)): float(value) for seed, value in means.items()}


def full_seeds(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Rows of a partial run that can be paired, and words on what was left out.

    For each suite and policy: the seeds that have the most variants, then the variants that have
    all of those seeds with the most examples.
    """
    kept, left_out = [], []
    for (suite, policy), part in rows.groupby(["suite", "policy"], sort=False):
        units = part[["variant", "seed", "split", "example_id"]].drop_duplicates()
        counts = units.groupby("seed")["variant"].nunique()
        seeds = set(counts[counts == counts.max()].index)
        units = units[units["seed"].isin(seeds)]
        sizes = units.groupby("variant").size()
        names = set(sizes[sizes == sizes.max()].index)
        kept.append(part[part["seed"].isin(seeds) & part["variant"].isin(names)])
        gone = [f"seed {s}" for s in sorted(set(part["seed"].unique()) - seeds)]
        gone += sorted(set(part["variant"].unique()) - names)
        if gone:
            left_out.append(f"{suite}/{policy}: left out as incomplete: {', '.join(gone)}.")
    return (pd.concat(kept, ignore_index=True) if kept else rows), left_out


def paired(
    means: Means,
    key: Key,
    a: str,
    b: str,
    metric: str = "gold_pass",
    split: str = "confirm",
    stratum: str | None = None,
) -> Paired:
    """Differences a − b joined on (seed, example).

    Raises:
        NotComparableError: the sides hold different examples (five are named), or one side misses
            a value that the other has.
    """
    left, right = means.table(key, a, split), means.table(key, b, split)
    if stratum is not None:
        left, right = left[left["stratum"] == stratum], right[right["stratum"] == stratum]
    # Both tables are sorted by (seed, example), so equal keys mean aligned rows.
    if not left[UNIT].reset_index(drop=True).equals(right[UNIT].reset_index(drop=True)):
        units = [set(zip(t["seed"], t["example_id"], strict=True)) for t in (left, right)]
        alone = units[0] ^ units[1]
        raise NotComparableError(
            f"{a} and {b} hold different examples in {key.suite}/{split}: {len(alone)} unpaired, "
            f"such as {', '.join(sorted({e for _, e in alone})[:5])}"
        )
    x, y = left[metric].to_numpy(float), right[metric].to_numpy(float)
    one_side = np.isnan(x) != np.isnan(y)
    if one_side.any():
        raise NotComparableError(
            f"{metric} is missing on one side of {a} − {b} for {int(one_side.sum())} examples, "
            f"such as {', '.join(sorted(set(left.loc[one_side, 'example_id']))[:5])}"
        )
    keep = ~np.isnan(x)
    same = (left[ANSWERS].to_numpy() == right[ANSWERS].to_numpy()) & (np.abs(x - y) < ROUNDING)
    gap, left = np.where(same, 0.0, x - y), left[keep]
    return Paired(gap[keep], list(left["cluster"]), list(left["seed"]), same[keep])


def difference(
    means: Means, key: Key, a: str, b: str, metric: str = "gold_pass", split: str = "confirm"
) -> Effect:
    """Paired difference a − b with the two-way interval. Raises NotComparableError."""
    return sample_effect(paired(means, key, a, b, metric, split))


def sample_effect(sample: Paired) -> Effect:
    """Two-way effect of a sample, or an effect without interval where nothing has a value."""
    if sample.values.size == 0:
        why = "no interval: no example has a value"
        return Effect(float("nan"), None, None, None, None, 0, 0, 0, None, None, why)
    return two_way_effect(*sample[:3], identical=bool(sample.same.all()))


def narrow(effect: Effect, level: float = 0.90) -> tuple[float, float] | None:
    """The interval at another level, from the same standard error; None where there is none."""
    if effect.scope == "identical":
        return (0.0, 0.0)
    if effect.se is None or effect.df is None:
        return None
    half = float(stats.t.ppf(0.5 + level / 2, effect.df)) * effect.se
    return (effect.estimate - half, effect.estimate + half)


def _fold(
    rows: pd.DataFrame, metrics: Sequence[str]
) -> dict[tuple[str, str, str, str], pd.DataFrame]:
    gold = rows["gold"].to_numpy(float)
    passed = np.where(np.isnan(gold), np.nan, rows["gold_pass"].to_numpy(float))
    derived = {
        "gold_pass": passed,
        "overstated": rows["proxy"].to_numpy(float) - passed,
        "entropy": -rows["logprob"].to_numpy(float),
        "truncated": (rows["finish_reason"] == "length").to_numpy(float),
        "empty": (rows["text"].str.strip() == "").to_numpy(float),
    }
    weight = rows["weight"].to_numpy(float)
    columns: dict[str, object] = {c: rows[c] for c in [*GROUP, *UNIT, "cluster", "stratum"]}
    # The sum of row hashes, modulo 2^64, does not depend on the order of draws.
    columns[ANSWERS] = pd.util.hash_pandas_object(rows[["draw", "text", "weight"]], index=False)
    for name in metrics:
        value = derived[name] if name in derived else rows[name].to_numpy(float)
        known = ~np.isnan(value)
        columns[f"{name}:sum"] = np.where(known, value, 0.0) * weight
        columns[f"{name}:weight"] = known * weight
    frame = pd.DataFrame(columns)
    by = [*GROUP, *UNIT]
    spec = {c: "first" if c in {"cluster", "stratum"} else "sum" for c in columns if c not in by}
    folded = frame.groupby(by, sort=True).agg(spec).reset_index()
    for name in metrics:
        total = folded.pop(f"{name}:weight").to_numpy(float)
        sums = folded.pop(f"{name}:sum").to_numpy(float)
        folded[name] = np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)
    groups = folded.groupby(GROUP, sort=False)
    return {
        (str(n[0]), str(n[1]), str(n[2]), str(n[3])): part.drop(columns=GROUP).reset_index(
            drop=True
        )
        for n, part in groups
    }
