"""Gold and proxy against the distance from SFT: best-of-n, and RSFT round by round.

Reads confirm rows of a run that measured that distance (``evaluation.kl``). Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from rsft_bench.harness.statistics import (
    Effect,
    best_of_curve,
    best_of_n_kl_terms,
    cluster_interval,
    proxy_gold_curve,
    turning_of,
)
from rsft_bench.harness.statistics.overoptimization import Bands, Turning
from rsft_bench.harness.types import FloatArray
from rsft_bench.reports.means import Key, Means
from rsft_bench.reports.naming import Variant, number

RATIO = "log_ratio"
#: Test draws below which a best-of-n curve has no second point: n goes to half of them.
LEAST_DRAWS = 4
#: Parameters in which the steps of one curve may differ.
STEPPED = ("rounds", "temperature")
RATIO_ESTIMATOR = "k1, the mean of log policy − log SFT over the policy's own answers"
BEST_ESTIMATOR = "from the probability of the answer picked (Beirami et al. 2025)"


class Band(NamedTuple):
    """A value with its 95 % limits, None where there are none."""

    value: float
    lo: float | None
    hi: float | None


@dataclass(frozen=True)
class Step:
    """One point: n of best-of-n or the number of rounds; KL to SFT in nats, proxy and pass rate."""

    size: int
    kl: Band
    proxy: Band
    gold: Band


@dataclass(frozen=True)
class Pressure:
    """One way to press harder on the proxy, step by step.

    ``variant`` is what the steps start from: whose draws best-of-n picks from, or the arm with the
    fewest rounds. ``turning`` is None where nothing can be said (under 10 clusters); ``covers``
    says what its interval holds for, ``estimator`` how KL was estimated.
    """

    kind: Literal["best_of_n", "rounds"]
    variant: str
    steps: tuple[Step, ...]
    turning: Turning | None
    covers: str
    estimator: str


def called(p: Pressure, label: Callable[[str], str]) -> str:
    """What a curve is called; ``label`` names a variant."""
    return f"{'best-of-n' if p.kind == 'best_of_n' else 'rounds'} of {label(p.variant)}"


def root(kl: float) -> float:
    """√KL; 0 where chance took the estimate below it."""
    return float(max(kl, 0.0) ** 0.5)


def pressures(
    means: Means, key: Key, table: Mapping[str, Variant], draws: pd.DataFrame, source: str | None
) -> list[Pressure]:
    """The curves of a suite and policy; none where the run did not measure the distance.

    Args:
        means: of all rows.
        key: suite and policy.
        table: variants of the run.
        draws: confirm draws of ``source``, whose answers best-of-n picks from.
        source: their variant.
    """
    if RATIO not in means.metrics:
        return []
    found = [] if source is None else [_best_of_n(draws, source)]
    families: dict[tuple[tuple[str, str], ...], dict[int, str]] = {}
    for v in table.values():
        if v.method == "rsft" and v.temperature == 1 and means.has(key, v.id):
            rest = {name: str(x) for name, x in v.parameters.items() if name not in STEPPED}
            turns = int(number(v.parameters.get("rounds", 1)))
            families.setdefault(tuple(sorted(rest.items())), {})[turns] = v.id
    found += [_rounds(means, key, f) for f in families.values() if len(f) > 1]
    return [pressure for pressure in found if pressure is not None]


def _best_of_n(draws: pd.DataFrame, source: str) -> Pressure | None:
    scored = draws[draws["gold"].notna()]
    each = scored.groupby(["seed", "example_id"], sort=False).size()
    if each.nunique() != 1 or int(each.iloc[0]) < LEAST_DRAWS:
        return None
    total = int(each.iloc[0])
    units = scored.iloc[::total]
    passed, proxy, logprob = (
        scored[name].to_numpy(float).reshape(-1, total)
        for name in ("gold_pass", "proxy", "logprob")
    )
    if not np.isfinite(proxy).all():
        return None
    sizes = [2**i for i in range(total.bit_length()) if 2**i <= total // 2]
    cluster, seed = list(units["cluster"]), [int(s) for s in units["seed"]]
    curve = proxy_gold_curve(proxy, passed, cluster, seed, sizes)
    steps = tuple(
        Step(
            n,
            # The best of one draw is SFT itself.
            Band(0.0, 0.0, 0.0)
            if n == 1
            else _effect(_picked(proxy, best_of_n_kl_terms(logprob, n), n), cluster, seed),
            _band(curve.proxy, curve.proxy_bands, i),
            _band(curve.gold, curve.gold_bands, i),
        )
        for i, n in enumerate(sizes)
    )
    return Pressure("best_of_n", source, steps, curve.turning, curve.label, BEST_ESTIMATOR)


def _picked(proxy: FloatArray, terms: FloatArray, n: int) -> FloatArray:
    """Mean term of the best of n by proxy, (units,)."""
    return best_of_curve(proxy, terms, [n])[:, 0]


def _rounds(means: Means, key: Key, family: Mapping[int, str]) -> Pressure | None:
    """Round 0 is SFT, where every round's training starts."""
    named = {0: "sft", **dict(sorted(family.items()))}
    if not means.has(key, "sft"):
        return None
    unit = ["seed", "example_id"]
    frames = {n: means.table(key, v).set_index(unit) for n, v in named.items()}
    first = frames[0]
    shared = first.index[first["gold_pass"].notna()]
    for frame in frames.values():
        known = frame[["gold_pass", "proxy"]].notna().all(axis=1)
        shared = shared.intersection(frame.index[known])
    if shared.empty:
        return None
    cluster = list(first.loc[shared, "cluster"])
    seed = [int(s) for s in shared.get_level_values("seed")]
    values = {n: frame.loc[shared] for n, frame in frames.items()}
    steps = tuple(
        Step(
            n,
            Band(0.0, 0.0, 0.0) if n == 0 else _effect(_column(frame, RATIO), cluster, seed),
            _effect(_column(frame, "proxy"), cluster, seed),
            _effect(_column(frame, "gold_pass"), cluster, seed),
        )
        for n, frame in values.items()
    )
    gold = np.stack([_column(frame, "gold_pass") for frame in values.values()], axis=1)
    turning = turning_of(gold, list(values), cluster, seed)
    covers = "new seeds and new prompts" if len(set(seed)) > 1 else "these checkpoints (one seed)"
    return Pressure("rounds", named[min(family)], steps, turning, covers, RATIO_ESTIMATOR)


def _column(frame: pd.DataFrame, name: str) -> FloatArray:
    return frame[name].to_numpy(dtype=np.float64)


def _effect(values: FloatArray, cluster: list[str], seed: list[int]) -> Band:
    """Mean and interval; a value that is not known, or infinite, makes the mean so."""
    if not np.isfinite(values).all():
        return Band(float(np.mean(values)), None, None)
    effect: Effect = cluster_interval(values, cluster, seed)
    return Band(effect.estimate, effect.lo, effect.hi)


def _band(values: FloatArray, bands: Bands | None, i: int) -> Band:
    if bands is None:
        return Band(float(values[i]), None, None)
    return Band(float(values[i]), float(bands.lo[i]), float(bands.hi[i]))
