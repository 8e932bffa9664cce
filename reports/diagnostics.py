"""What the draws of one suite say about the task itself: headroom, the proxy, harm, strata.

All functions read frames and return plain dataclasses; None means the run has no data for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pandas as pd

from rsft_bench.harness.statistics import (
    Effect,
    auc,
    best_of_curve,
    brier,
    ece,
    pass_at_k,
    pass_hat_k,
    within_prompt_auc,
    zero_count_upper,
)
from rsft_bench.harness.statistics.reliability import Bin, reliability
from rsft_bench.harness.types import FloatArray
from rsft_bench.reports.means import Key, Means, paired, sample_effect

SIXTEEN = 16


@dataclass(frozen=True)
class Headroom:
    """How much better answers ``sft`` already has among its own draws (N a prompt).

    ``oracle`` = pass@k − pass@1 (a perfect picker), ``proxy`` = best-of-k by proxy − pass@1, with
    k = min(16, N).
    """

    k: int
    pass_1: float
    pass_k: float
    best_k: float

    @property
    def oracle(self) -> float:
        """Gain of a picker that knows gold."""
        return self.pass_k - self.pass_1

    @property
    def proxy(self) -> float:
        """Gain of the proxy as picker."""
        return self.best_k - self.pass_1


@dataclass(frozen=True)
class ProxyQuality:
    """AUC, Brier and ECE of the proxy against gold_pass on ``sft`` draws of one split.

    Mean and range over seeds. Brier = mean of (proxy - gold_pass)^2; ``accuracy`` is the share of
    draws on the right side of .5, ``bins`` are the reliability diagram of all seeds together.
    ``ece`` is the mean over seeds of the calibration error in ten bins of equal size,
    ``ece_interval`` its 95 % interval over clusters. These and Brier are unknown where a score lies
    outside [0, 1].
    """

    overall: float | None
    overall_range: tuple[float, float] | None
    within: float | None
    within_range: tuple[float, float] | None
    brier: float | None = None
    brier_range: tuple[float, float] | None = None
    accuracy: float | None = None
    accuracy_range: tuple[float, float] | None = None
    bins: tuple[Bin, ...] = ()
    ece: float | None = None
    ece_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Harm:
    """How often one kind of harm occurred. ``upper`` is the exact bound at count 0, else None."""

    kind: str
    count: int
    draws: int
    effect: Effect | None
    upper: float | None


@dataclass(frozen=True)
class Passes:
    """pass@1, pass@16 and pass^4 of one variant; None where it has too few draws."""

    pass_1: float | None
    pass_16: float | None
    pass_hat_4: float | None


def by_variant(rows: pd.DataFrame, key: Key, split: str = "confirm") -> dict[str, pd.DataFrame]:
    """Rows of every variant of one suite and policy, in (seed, example, draw) order."""
    at = (rows["suite"] == key.suite) & (rows["policy"] == key.policy) & (rows["split"] == split)
    ordered = rows[at].sort_values(["seed", "example_id", "draw"])
    return {str(name): part for name, part in ordered.groupby("variant", sort=False)}


def draw_matrices(draws: pd.DataFrame) -> tuple[FloatArray, FloatArray, pd.DataFrame] | None:
    """(gold_pass, proxy), each of shape (units, N), and one row a unit (seed, example, cluster).

    Units without gold are left out. None where units have unequal numbers of draws or none.
    """
    scored = draws[draws["gold"].notna()]
    if scored.empty:
        return None
    sizes = scored.groupby(["seed", "example_id"], sort=False).size()
    if sizes.nunique() != 1:
        return None
    n = int(sizes.iloc[0])
    units = scored.iloc[::n][["seed", "example_id", "cluster"]].reset_index(drop=True)
    passed = scored["gold_pass"].to_numpy(float).reshape(-1, n)
    return passed, scored["proxy"].to_numpy(float).reshape(-1, n), units


def headroom(sft_draws: pd.DataFrame) -> Headroom | None:
    """Headroom from the test draws of ``sft``; None with fewer than two draws a prompt."""
    found = draw_matrices(sft_draws)
    if found is None or found[0].shape[1] < 2:
        return None
    passed, proxy, _ = found
    n = passed.shape[1]
    k = min(SIXTEEN, n)
    return Headroom(
        k=k,
        pass_1=float(passed.mean()),
        pass_k=_mean_pass(passed, k),
        best_k=float(best_of_curve(proxy, passed, [k]).mean()),
    )


def passes(draws: pd.DataFrame) -> Passes:
    """pass@1, pass@16, pass^4 from equally weighted draws."""
    found = draw_matrices(draws)
    if found is None:
        return Passes(None, None, None)
    passed = found[0]
    n = passed.shape[1]
    hat = [pass_hat_k(n, int(c), 4) for c in passed.sum(axis=1)] if n >= 4 else []
    return Passes(
        pass_1=float(passed.mean()),
        pass_16=_mean_pass(passed, SIXTEEN) if n >= SIXTEEN else None,
        pass_hat_4=fmean(hat) if hat else None,
    )


def proxy_quality(sft_draws: pd.DataFrame) -> ProxyQuality:
    """AUC overall and within prompt, Brier, accuracy and ECE, each per seed; bins over all."""
    found: dict[str, list[float | None]] = {n: [] for n in ("auc", "within", "brier", "right")}
    scored, passed, kept = [], [], []
    for _, frame in sft_draws[sft_draws["gold"].notna()].groupby("seed"):
        scores, labels = frame["proxy"].to_numpy(float), frame["gold_pass"].to_numpy(float)
        if not np.isfinite(scores).all():
            continue
        found["auc"].append(auc(scores, labels))
        found["within"].append(within_prompt_auc(scores, labels, list(frame["example_id"])))
        if ((scores >= 0) & (scores <= 1)).all():
            found["brier"].append(brier(scores, labels).score)
            found["right"].append(float(np.mean((scores >= 0.5) == (labels > 0))))
            scored.append(scores)
            passed.append(labels > 0)
            kept.append(frame)
    bins = reliability(np.concatenate(scored), np.concatenate(passed)) if scored else ()
    known = {name: [x for x in values if x is not None] for name, values in found.items()}
    mean = {name: fmean(values) if values else None for name, values in known.items()}
    ends = {name: (min(values), max(values)) if values else None for name, values in known.items()}
    error, spread = _calibration(kept)
    return ProxyQuality(
        *(mean["auc"], ends["auc"], mean["within"], ends["within"]),
        *(mean["brier"], ends["brier"], mean["right"], ends["right"]),
        bins=bins,
        ece=error,
        ece_interval=spread,
    )


def _calibration(
    frames: Sequence[pd.DataFrame],
) -> tuple[float | None, tuple[float, float] | None]:
    """ECE, mean over the seeds' frames, with its interval over clusters (None under 10)."""
    if not frames:
        return None, None
    draws = pd.concat(frames)
    found = ece(
        draws["proxy"].to_numpy(float),
        draws["gold_pass"].to_numpy(float),
        list(draws["cluster"]),
        list(draws["seed"]),
    )
    return found.estimate, found.interval and (found.interval.lo, found.interval.hi)


def harms(means: Means, key: Key, variant: str, draws: pd.DataFrame) -> list[Harm]:
    """Every ``harm_*`` metric of one variant on ``confirm``.

    At count 0 the bound counts prompts, not draws, as trials: answers to one prompt are not
    independent.
    """
    found = []
    for name in (m for m in means.metrics if m.startswith("harm_")):
        known = draws[draws[name].notna()]
        if known.empty:
            continue
        count = int(((known[name] > 0) & (known["weight"] > 0)).sum())
        prompts = int(known["example_id"].nunique())
        found.append(
            Harm(
                kind=name.removeprefix("harm_").replace("_", " "),
                count=count,
                draws=len(known),
                effect=means.level(key, variant, name) if count else None,
                upper=None if count else zero_count_upper(prompts),
            )
        )
    return found


def strata(means: Means, key: Key, a: str, b: str) -> Mapping[str, Effect]:
    """Difference a − b in gold_pass for each stratum of ``confirm``."""
    names = sorted(means.table(key, a)["stratum"].unique())
    return {name: sample_effect(paired(means, key, a, b, stratum=name)) for name in names}


def _mean_pass(passed: FloatArray, k: int) -> float:
    n = passed.shape[1]
    return fmean(pass_at_k(n, int(c), k) for c in passed.sum(axis=1))
