"""Choosing among recorded answers: what people said of the answer that each way of choosing serves.

For suites of kind ``pool``, whose facts hold every rater's rating of every answer. Reads the run
folder's tables only; imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from rsft_bench.harness.statistics import Effect, cluster_interval, two_way_effect
from rsft_bench.harness.statistics.raters import human_best
from rsft_bench.harness.types import FloatArray, Json
from rsft_bench.reports.comparisons import effect_fields
from rsft_bench.reports.naming import Variant

SPLIT, NAIVE = "people, split raters", "people, naive"
RANDOM_PICK = "random pick"


@dataclass(frozen=True)
class Choice:
    """One way of choosing. ``mean`` on the raters' scale; ``gain`` over the random pick.

    ``over_system`` is the gain over always taking the system that is best on the labelled split.
    ``recovered`` is the share of the split raters' gain, None where that gain is not positive.
    ``variant`` is empty for people and for always taking one system.
    """

    name: str
    variant: str
    mean: Effect
    gain: Effect | None
    recovered: float | None
    over_system: Effect | None = None


@dataclass(frozen=True)
class PoolStudy:
    """All ways of choosing on one suite and split; ``raters`` and ``answers`` a prompt."""

    suite: str
    split: str
    scale: tuple[float, float]
    raters: int
    answers: int
    examples: int
    equal: int
    choices: tuple[Choice, ...]


def pool_studies(
    rows: pd.DataFrame,
    examples: pd.DataFrame,
    manifest: Mapping[str, Json],
    table: Mapping[str, Variant],
) -> list[PoolStudy]:
    """One study a suite of rated pools that has a random pick (``base``); else none."""
    own = str(((manifest.get("config") or {}).get("reward") or {}).get("name", "proxy"))
    found = []
    for info in manifest.get("suites", []):
        if (info.get("report") or {}).get("kind") != "pool":
            continue
        name = str(info["name"])
        mine = rows[(rows["suite"] == name) & (rows["split"] == "confirm")]
        here = examples[examples["suite"] == name]
        rated = _rated(here[here["split"] == "confirm"])
        if rated and "base" in set(mine["variant"]):
            best = best_system(list(_rated(here[here["split"] == "proxy_label"]).values()))
            found.append(_study(name, mine, rated, own, table, best))
    return found


def as_json(study: PoolStudy) -> dict[str, Json]:
    """A study as ``results.json`` holds it."""
    plain = {k: v for k, v in vars(study).items() if k != "choices"}
    plain["choices"] = [
        {"name": c.name, "variant": c.variant, "recovered": c.recovered}
        | {"mean": effect_fields(c.mean), "gain": effect_fields(c.gain) if c.gain else None}
        | {"over_system": effect_fields(c.over_system) if c.over_system else None}
        for c in study.choices
    ]
    return plain


def _rated(examples: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Facts by example, of those whose answers at least two people rated."""
    facts = {
        str(name): json.loads(text)
        for name, text in zip(examples["example_id"], examples["facts"], strict=True)
    }
    return {n: f for n, f in facts.items() if f.get("ratings") and len(f["ratings"][0]) > 1}


def pooled_ratings(facts: Mapping[str, Any]) -> FloatArray:
    """Ratings (k, R) in which equal texts share theirs, rater by rater, as gold has it."""
    ratings = np.array(facts["ratings"], dtype=np.float64)
    texts = np.array(facts["texts"], dtype=object)
    for text in set(facts["texts"]):
        same = texts == text
        ratings[same] = ratings[same].mean(axis=0)
    return ratings


def best_system(facts: Sequence[Mapping[str, Any]]) -> str | None:
    """The system with the highest mean rating; None without systems or ratings."""
    sums: dict[str, list[float]] = {}
    for fact in facts:
        for system, ratings in zip(fact.get("systems") or (), fact["ratings"], strict=False):
            sums.setdefault(system, []).append(fmean(ratings))
    return max(sums, key=lambda s: (fmean(sums[s]), s), default=None)


def _of_system(facts: Mapping[str, Any], system: str) -> float:
    return float(pooled_ratings(facts)[facts["systems"].index(system)].mean())


def _study(
    name: str,
    rows: pd.DataFrame,
    rated: Mapping[str, Mapping[str, Any]],
    own: str,
    table: Mapping[str, Variant],
    best: str | None,
) -> PoolStudy:
    first = next(iter(rated.values()))
    lo, hi = (float(x) for x in first["scale"])
    rows = rows[rows["example_id"].isin(rated)]
    served = rows.assign(value=rows["weight"] * (lo + (hi - lo) * rows["gold"]))
    keys = ["variant", "seed", "example_id"]
    folded = served.groupby(keys, sort=True).agg(
        value=("value", "sum"), cluster=("cluster", "first")
    )
    folded = folded.reset_index()
    base = folded[folded["variant"] == "base"]
    people = {n: human_best(pooled_ratings(f)) for n, f in rated.items()}
    split = base.assign(value=[people[n].split for n in base["example_id"]])
    naive = base.assign(value=[people[n].naive for n in base["example_id"]])
    top = float(split["value"].mean() - base["value"].mean())
    always = None
    if best is not None and all(best in f.get("systems", ()) for f in rated.values()):
        always = base.assign(value=[_of_system(rated[n], best) for n in base["example_id"]])
    choices = [_choice(RANDOM_PICK, "base", base, None, top)]
    for variant in dict.fromkeys(folded["variant"]):
        if variant != "base":
            label = _label(table[variant], own) if variant in table else variant
            frame = folded[folded["variant"] == variant]
            choices.append(_choice(label, variant, frame, base, top, always))
    if always is not None:
        choices.append(_choice(f"always {best}", "", always, base, top))
    choices.sort(key=lambda c: c.mean.estimate)
    choices.append(_choice(SPLIT, "", split, base, top, always))
    choices.append(_choice(NAIVE, "", naive, base, top, always))
    return PoolStudy(
        suite=name,
        split="confirm",
        scale=(lo, hi),
        raters=len(first["ratings"][0]),
        answers=len(first["texts"]),
        examples=len(rated),
        equal=sum(len(set(f["texts"])) < len(f["texts"]) for f in rated.values()),
        choices=tuple(choices),
    )


def _label(variant: Variant, own: str) -> str:
    """The reward that chooses; the whole label where the method is another than best-of-n."""
    if not variant.best_of:
        return variant.label
    reward = str(variant.parameters.get("reward", own))
    return f"{reward}, best of {variant.n}"


def _choice(
    name: str,
    variant: str,
    frame: pd.DataFrame,
    base: pd.DataFrame | None,
    top: float,
    always: pd.DataFrame | None = None,
) -> Choice:
    frame = frame.sort_values(["seed", "example_id"])
    cluster, seed = list(frame["cluster"].astype(str)), [int(s) for s in frame["seed"]]
    mean = cluster_interval(frame["value"].to_numpy(np.float64), cluster, seed)
    if base is None:
        return Choice(name, variant, mean, None, None)

    def over(other: pd.DataFrame) -> Effect:
        against = other.sort_values(["seed", "example_id"])["value"].to_numpy(np.float64)
        return two_way_effect(frame["value"].to_numpy(np.float64) - against, cluster, seed)

    gain = over(base)
    share = gain.estimate / top if top > 0 else None
    return Choice(name, variant, mean, gain, share, None if always is None else over(always))
