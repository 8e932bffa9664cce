"""A baseline: a self-contained folder that later runs are gated against.

``baseline.json`` holds versions, contents, fingerprints, costs, variance components and margins;
``values.parquet`` holds the blocking variants' value per (example, seed). No other file is needed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rsft_bench.harness.errors import ConfigError, DataError, NotComparableError, UserError
from rsft_bench.harness.gate.components import Components, fit_data
from rsft_bench.harness.gate.data import (
    HELD,
    Arm,
    GateData,
    even,
    gate_settings,
    read_description,
    read_draws,
    read_manifest,
    read_run,
    readable,
)
from rsft_bench.harness.gate.margins import (
    Size,
    artifact_margin,
    recipe_margin,
    remedies,
    standard_error,
)
from rsft_bench.harness.runfolder import SCHEMA_VERSION, RunFolder, write_json
from rsft_bench.harness.types import Json

FILE = "baseline.json"
VALUES = "values.parquet"
MAX_MARGIN = 0.10
# Scope artifact has its own margin; protocol section 6 puts a floor of .03 under a computed one.
ARTIFACT_FLOOR = 0.03
RUN_SEEDS = 5


@dataclass(frozen=True)
class Baseline:
    """A saved baseline. ``info`` is baseline.json."""

    path: Path
    info: Mapping[str, Json]
    data: GateData

    @property
    def metrics(self) -> tuple[str, ...]:
        """Blocking metrics."""
        return tuple(self.info["blocking"]["metrics"])

    @property
    def variants(self) -> tuple[str, ...]:
        """Blocking variants."""
        return tuple(self.info["blocking"]["variants"])

    @property
    def arms(self) -> list[Arm]:
        """Every (suite, policy, variant) that must be present in a run."""
        return [Arm(*names) for names in self.info["arms"]]

    def margin(self, scope: str) -> float:
        """Stored margin of a scope, ``recipe`` or ``artifact``."""
        return float(self.info["margins"][scope])

    def components(self) -> list[Components]:
        """Fitted variance components."""
        return [Components.from_dict(c) for c in self.info["components"]]


@dataclass(frozen=True)
class Saved:
    """What ``save_baseline`` stored: margins in force and the computed ones behind them."""

    path: Path
    recipe: float
    artifact: float
    computed: Mapping[str, float]
    warnings: tuple[str, ...]


def save_baseline(
    run: Path,
    out: Path,
    margin: float | None = None,
    accept_margin: float | None = None,
    run_seeds: int = RUN_SEEDS,
) -> Saved:
    """Write a baseline folder from a complete run.

    Args:
        run: the run folder.
        out: the baseline's folder, made if absent; an older baseline there is replaced.
        margin: margin asked for; the run's ``gate.margin`` if None.
        accept_margin: the widest margin accepted where the run is too small for ``margin``; the
            one in force is then the computed margin rounded up to .005, at most this.
        run_seeds: seeds that later runs will have (preset ``gate``: 5).

    Raises:
        NotComparableError: the run is partial, lacks values, or an unchanged program would pass
            the margin less than 90 times in 100; the message names what would bring it down.
        ConfigError: a margin outside (0, .10], or blocking checks that the run does not have.
        UserError: ``out`` holds something else.
    """
    manifest = read_manifest(run)
    why = readable(manifest)
    if why is not None:
        raise NotComparableError(f"{run}: {why}")
    metrics, variants, configured = gate_settings(manifest)
    asked = _checked(configured if margin is None else margin, "margin")
    accepted = None if accept_margin is None else _checked(accept_margin, "accept-margin")
    _free(Path(out))
    folder = RunFolder(Path(run))
    data = read_run(folder, variants)
    arms = _arms(manifest, data, metrics, variants)
    fitted = fit_data(data, read_draws(folder, variants), metrics, variants)
    size = Size(run_seeds, len(data.values["seed"].unique()))
    computed = {
        "recipe": recipe_margin(fitted, size),
        "artifact": artifact_margin(fitted, size.run),
    }
    recipe = _in_force(fitted, size, computed, asked, accepted)
    artifact = min(recipe, max(ARTIFACT_FLOOR, computed["artifact"]))
    margins = {"asked": asked, "accepted": accepted, "computed": computed, "run_seeds": run_seeds}
    margins |= {"recipe": recipe, "artifact": artifact}
    _write(Path(out), data, {"arms": arms, "margins": margins, "components": fitted}, metrics)
    warnings = _warnings(fitted, size, computed["recipe"], asked)
    return Saved(Path(out), recipe, artifact, computed, warnings)


def load_baseline(path: Path) -> Baseline:
    """Read a baseline folder.

    Raises:
        UserError: a file is absent. DataError: a file is damaged or was edited.
    """
    path = Path(path)
    info = read_description(path / FILE)
    try:
        raw = (path / VALUES).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path / VALUES} is missing; save the baseline again") from None
    if hashlib.sha256(raw).hexdigest() != info.get("values_sha256"):
        raise DataError(f"{path / VALUES} is not the file that {FILE} describes; save it again")
    values: pd.DataFrame = pq.read_table(pa.BufferReader(raw)).to_pandas()
    if absent := set(HELD) - set(values.columns):
        raise DataError(f"{path / VALUES} lacks column {min(absent)!r}; save the baseline again")
    try:
        data = GateData(
            manifest=info["run"],
            values=values,
            cells=pd.DataFrame(info["cells"]),
            suites=info["suites"],
            policies=info["policies"],
        )
        baseline = Baseline(path, info, data)
        _ = (baseline.metrics, baseline.variants, baseline.arms, baseline.components())
        _ = (baseline.margin("recipe"), baseline.margin("artifact"))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path / FILE}: not a baseline ({error}); save it again") from None
    return baseline


def _arms(
    manifest: Mapping[str, Json], data: GateData, metrics: Sequence[str], variants: Sequence[str]
) -> list[Arm]:
    """Blocking arms, all present, with every value in [0, 1] and the same examples per seed."""
    unknown = [m for m in metrics if m not in data.values.columns]
    if unknown:
        raise ConfigError(f"gate.metrics: the run has no metric {unknown[0]!r}")
    arms = [
        Arm(str(s["name"]), str(p), v)
        for s in manifest["suites"]
        for p in s.get("policies") or [p["name"] for p in manifest["policies"]]
        for v in variants
    ]
    for arm in arms:
        rows = data.arm(arm)
        if rows.empty:
            raise ConfigError(
                f"gate.variants: the run has no rows of {arm.variant!r} on suite {arm.suite!r}, "
                f"policy {arm.policy!r}, split confirm"
            )
        counts = rows.groupby("example_id")["seed"].nunique()
        if (counts != len(manifest["seeds"])).any() or (np.abs(rows["weight"] - 1) > 1e-6).any():
            raise NotComparableError(f"{arm}: seeds lack examples or draws; finish the run")
        for metric in metrics:
            values = rows[metric].dropna()
            if values.empty or not values.between(-1e-9, 1 + 1e-9).all():
                raise ConfigError(f"gate.metrics: {metric!r} does not lie in [0, 1] for {arm}")
            if not even(rows, metric):
                raise NotComparableError(f"{arm}: {metric!r} is missing at some seeds")
    return arms


def _in_force(
    fitted: Sequence[Components],
    size: Size,
    computed: Mapping[str, float],
    asked: float,
    accepted: float | None,
) -> float:
    """The margin of scope recipe, or NotComparableError with what would bring it down.

    Accepting .10 does not put .10 in force where .06 is enough.
    """
    needed = max(computed.values())
    if needed <= asked:
        return asked
    if accepted is not None and needed <= accepted:
        return min(accepted, _rounded_up(needed))
    if math.isinf(needed):
        clusters = min(len(c.sizes) for c in fitted)
        raise NotComparableError(
            f"no margin can be computed from {size.baseline} seeds and {clusters} clusters: "
            "a gate needs at least 3 seeds a side and 10 clusters in each suite"
        )
    worst, check = max(
        ((c, k) for c in fitted for k in range(len(c.checks))),
        key=lambda pair: standard_error(pair[0], pair[1], size),
    )
    hint = (
        f"; or accept it with --accept-margin {_rounded_up(needed):g}"
        if needed <= MAX_MARGIN
        else ""
    )
    raise NotComparableError(
        f"an unchanged program passes 90 times in 100 only at a margin of {needed:.3f}, asked "
        f"{asked:g}; noisiest check: {worst.suite} {worst.checks[check][0]}; it comes down with "
        f"{remedies(worst, check, size, asked / needed)}{hint}"
    )


def _rounded_up(margin: float) -> float:
    """To the next multiple of .005; a multiple stays, whatever its last binary digit."""
    return math.ceil(round(margin * 200, 6)) / 200


def _warnings(
    fitted: Sequence[Components], size: Size, needed: float, asked: float
) -> tuple[str, ...]:
    found = []
    if needed > asked:
        found.append(f"the margin is wider than asked ({asked:g}): the run is small")
    if min(c.seeds for c in fitted) < size.run:
        found.append("seed variance is estimated from fewer seeds than later runs will have")
    return tuple(found)


def _write(out: Path, data: GateData, parts: Mapping[str, Any], metrics: Sequence[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(data.values, preserve_index=False), sink)
    raw = sink.getvalue().to_pybytes()
    kept = ("name", "config_hash", "seeds", "versions", "commit", "dirty", "workers")
    arms: list[Arm] = parts["arms"]
    info = {
        "schema_version": SCHEMA_VERSION,
        "run": {key: data.manifest.get(key) for key in kept},
        "suites": data.suites,
        "policies": data.policies,
        "blocking": {"metrics": list(metrics), "variants": [*{a.variant: None for a in arms}]},
        "arms": [list(arm) for arm in arms],
        "margins": parts["margins"],
        "components": [c.to_dict() for c in parts["components"]],
        "cells": data.cells.replace({np.nan: None}).to_dict(orient="list"),
        "values_sha256": hashlib.sha256(raw).hexdigest(),
    }
    # The description goes last: a folder without it, or with an older one, is refused on reading.
    temporary = out / f".{VALUES}.part"
    temporary.write_bytes(raw)
    temporary.replace(out / VALUES)
    write_json(out / FILE, info)


def _free(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; name a folder for the baseline")
    if out.is_dir() and any(out.iterdir()) and not (out / FILE).exists():
        raise UserError(f"{out} is not empty and holds no baseline; name another folder")


def _checked(margin: float, name: str) -> float:
    if not 0 < margin <= MAX_MARGIN:
        raise ConfigError(f"{name} {margin:g} is not in (0, {MAX_MARGIN:g}]")
    return margin
