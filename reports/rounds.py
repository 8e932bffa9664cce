"""What each round of an arm drew and accepted, from pool and selected. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rsft_bench.harness.types import Json
from rsft_bench.reports.audit import JOIN, pools_of
from rsft_bench.reports.means import Key
from rsft_bench.reports.naming import Variant, number

#: Rounds of one arm that are shown: the first, the last, and others evenly between.
SHOWN = 8


@dataclass(frozen=True)
class RoundFacts:
    """One round, or one segment of an online fit; means over seeds. ``number`` counts from 1.

    ``passed`` and ``proxy`` are of the answers drawn, before acceptance; ``accepted`` is the share
    of them that is accepted, ``coverage`` that of prompts with an accepted answer. ``precision`` is
    the pass rate of accepted answers and ``overstated`` their proxy less that; None without gold.
    """

    variant: str
    number: int
    of: int
    passed: float | None
    proxy: float | None
    accepted: float
    coverage: float
    precision: float | None
    overstated: float | None


def round_facts(
    pool: pd.DataFrame,
    selected: pd.DataFrame,
    key: Key,
    table: Mapping[str, Variant],
    config: Mapping[str, Json],
) -> list[RoundFacts]:
    """Rounds of every variant that has several, temperature twins left out.

    ``config`` is the config's ``pool``: how it was drawn where a variant says nothing else.
    """
    mine, chosen = _here(pool, key), _here(selected, key)
    found: list[RoundFacts] = []
    for name, accepted in chosen.groupby("variant", sort=True):
        variant = table.get(str(name))
        several = accepted["round"].nunique() > 1
        if variant is None or variant.temperature != 1 or not several:
            continue
        drawn = pools_of(mine, variant, config)
        if drawn is not None:
            found += _rounds(variant, drawn[1], accepted)
    return found


def _here(frame: pd.DataFrame, key: Key) -> pd.DataFrame:
    return frame[(frame["suite"] == key.suite) & (frame["policy"] == key.policy)]


def _rounds(variant: Variant, pool: pd.DataFrame, accepted: pd.DataFrame) -> list[RoundFacts]:
    pool = pool[pool["draw"] < int(number(variant.parameters["k"]))]
    last = int(pool["round"].max())
    shown = sorted({int(round(n)) for n in np.linspace(0, last, min(SHOWN, last + 1))})
    return [
        _facts(variant.id, turn, last + 1, pool[pool["round"] == turn], accepted) for turn in shown
    ]


def _facts(
    variant: str, turn: int, of: int, pool: pd.DataFrame, accepted: pd.DataFrame
) -> RoundFacts:
    seeds = []
    for seed, drawn in pool.groupby("seed"):
        here = accepted[(accepted["seed"] == seed) & (accepted["round"] == turn)]
        taken = here.merge(drawn, on=JOIN, suffixes=("", "_pool"))
        count = taken["count"].to_numpy(float)
        judged = count * taken["gold"].notna().to_numpy()
        passed = judged @ taken["gold_pass"].to_numpy(float)
        precision = passed / judged.sum() if judged.sum() else np.nan
        proxy = judged @ taken["proxy"].to_numpy(float)
        known = drawn[drawn["gold"].notna()]
        seeds.append(
            {
                "passed": known["gold_pass"].mean() if len(known) else np.nan,
                "proxy": drawn["proxy"].mean(),
                "accepted": count.sum() / len(drawn),
                "coverage": taken.loc[count > 0, "example_id"].nunique()
                / drawn["example_id"].nunique(),
                "precision": precision,
                "overstated": proxy / judged.sum() - precision if judged.sum() else np.nan,
            }
        )
    mean = pd.DataFrame(seeds).astype(float).mean()
    told = {str(name): None if np.isnan(value) else float(value) for name, value in mean.items()}
    return RoundFacts(
        variant=variant,
        number=turn + 1,
        of=of,
        passed=told["passed"],
        proxy=told["proxy"],
        accepted=told["accepted"] or 0.0,
        coverage=told["coverage"] or 0.0,
        precision=told["precision"],
        overstated=told["overstated"],
    )
