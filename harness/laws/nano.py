"""L20: on a small language model, reward does not fall in k and is concave; reported, not counted.

The reward is the proxy that accepts (protocol.md section 7). Failure to reproduce is an outcome.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rsft_bench.harness.laws.result import Check, Checks, Setting
from rsft_bench.harness.statistics import effects
from rsft_bench.harness.types import Json

SIZES = (1, 2, 4, 8, 16)
NOT_MEASURED = "not measured: run with --full"


def config() -> dict[str, Json]:
    """The run: nano-1 on one authored suite, five seeds, argmax at every k, lambda infinite."""
    return {
        "policies": ["nano-1"],
        "suites": ["order_status"],
        "seeds": [0, 1, 2, 3, 4],
        "variants": ["sft", *map(variant, SIZES)],
        "primary": variant(SIZES[-1]),
        "evaluation": {"draws": 4, "best_of_draws": 16, "primary_draws": 4, "temperatures": []},
    }


def variant(k: int) -> str:
    """Id of the arm with k candidates a prompt."""
    return f"rsft[accept=argmax,k={k},lambda=inf]"


def l20_nano(setting: Setting) -> Checks | str:
    """Steps of the mean proxy along k, at least 0, and changes of its slope, at most 0.

    A check fails only where its 95 % interval lies on the wrong side: a point that cannot tell is
    no failure to reproduce. Entropy over rounds needs several rounds of one arm, which this
    program does not plan yet: not measured.
    """
    if not setting.full or setting.run is None:
        return NOT_MEASURED
    table = setting.run(config())
    curve = _curve(table[table["split"] == "confirm"])
    steps = np.diff(curve.values, axis=1)
    slopes = steps / np.diff(SIZES)
    checks = [
        _sign(f"proxy at k={b} less k={a}", curve, steps[:, i], rising=True)
        for i, (a, b) in enumerate(zip(SIZES, SIZES[1:], strict=False))
    ]
    checks += [
        _sign(f"slope after k={k} less before", curve, slopes[:, i + 1] - slopes[:, i], False)
        for i, k in enumerate(SIZES[1:-1])
    ]
    return tuple(checks)


class Curve:
    """Mean proxy of every (seed, example) at each k: ``values`` (n, sizes), clusters and seeds."""

    def __init__(self, values: Any, clusters: list[str], seeds: list[int]) -> None:
        """Aligned by row."""
        self.values, self.clusters, self.seeds = values, clusters, seeds


def _curve(rows: Any) -> Curve:
    names = [variant(k) for k in SIZES]
    kept = rows[rows["variant"].isin(names)]
    wide = kept.pivot_table(
        index=["seed", "example_id", "cluster"], columns="variant", values="proxy", aggfunc="mean"
    ).dropna()
    seeds = [int(s) for s in wide.index.get_level_values("seed")]
    clusters = [str(c) for c in wide.index.get_level_values("cluster")]
    return Curve(wide[names].to_numpy(dtype=np.float64), clusters, seeds)


def _sign(what: str, curve: Curve, values: Any, rising: bool) -> Check:
    """The estimate, refuted where its interval excludes the side that the law names."""
    effect = effects.two_way_effect(values, curve.clusters, curve.seeds)
    if effect.lo is None or effect.hi is None:
        return Check(f"{what} ({effect.scope})", 0.0, effect.estimate, -np.inf, np.inf)
    half = effect.estimate - effect.lo
    limits = (-half, np.inf) if rising else (-np.inf, half)
    return Check(
        f"{what} (95 %: {effect.lo:.4f} to {effect.hi:.4f})", 0.0, effect.estimate, *limits
    )
