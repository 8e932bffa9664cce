"""What the gate reads from a run: per (example, seed) values, fingerprints, costs, contents.

The one place where the gate touches a run folder. Only the ``confirm`` split is used. Metrics are
oriented so that higher is better: ``harm_*`` enters as 1 - harm.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.runfolder import SCHEMA_VERSION, STAGES, RunFolder, read_json
from rsft_bench.harness.types import FloatArray, Json

CELL = ["suite", "policy", "variant", "seed"]
KEY = [*CELL, "example_id"]
SPLIT = "confirm"
DEFAULT_GATE: Mapping[str, Json] = {
    "metrics": ["gold_pass"],
    "variants": ["sft", "primary"],
    "margin": 0.05,
}
# Columns of ``values`` that are not metrics.
HELD = (*KEY, "cluster", "draws", "draw_set", "answer_set", "weight")
COSTS = tuple(f"{stage}_{unit}" for stage in STAGES for unit in ("tokens", "flops"))


class Arm(NamedTuple):
    """What a check is about: one variant of one policy on one suite."""

    suite: str
    policy: str
    variant: str


@dataclass(frozen=True)
class GateData:
    """One side of the gate.

    ``values`` has one row per (suite, policy, variant, seed, example): cluster, draws, weight (1
    when no draw is missing), digests of which draws there are (``draw_set``) and of their texts and
    weights (``answer_set``), and one column a metric, the weighted mean over draws. ``cells`` has
    policy_fingerprint and cost columns. ``suites`` maps name to version and content digest,
    ``policies`` name to version and base fingerprint.
    """

    manifest: Mapping[str, Json]
    values: pd.DataFrame
    cells: pd.DataFrame
    suites: Mapping[str, Mapping[str, Json]]
    policies: Mapping[str, Mapping[str, Json]]

    def arm(self, arm: Arm) -> pd.DataFrame:
        """The values of one arm."""
        return of_arm(self.values, arm)

    def fingerprints(self, arm: Arm) -> dict[int, str]:
        """Policy fingerprint of each seed of one arm."""
        cells = of_arm(self.cells, arm)
        return {
            int(s): str(f) for s, f in zip(cells["seed"], cells["policy_fingerprint"], strict=True)
        }


def read_description(file: Path) -> dict[str, Json]:
    """A baseline's description. Raises DataError where a part is not the mapping it should be."""
    info = read_json(file)
    for part in ("run", "suites", "policies", "blocking", "margins", "cells"):
        if not isinstance(info.get(part), dict):
            raise DataError(f"{file}: not a baseline ({part!r} is no mapping); save it again")
    return info


def read_manifest(run: Path) -> dict[str, Json]:
    """The manifest, whatever its schema version; the guard judges that."""
    return read_json(Path(run) / "manifest.json")


def readable(manifest: Mapping[str, Json]) -> str | None:
    """Why this run's tables cannot be read for the gate; None if they can."""
    found = manifest.get("schema_version")
    if found != SCHEMA_VERSION:
        return f"run has schema_version {found!r}, this program reads {SCHEMA_VERSION}"
    if manifest.get("status") != "complete":
        return f"run is {manifest.get('status')!r}, not complete; finish it with the same command"
    return None


def read_run(folder: RunFolder, arms: Sequence[str]) -> GateData:
    """Read the variants ``arms`` of a complete run.

    Raises:
        UserError: a file is absent. DataError: a file is damaged.
    """
    manifest, rows, cells = folder.manifest(), read_draws(folder, arms), folder.cells()
    metrics = ["gold_pass", "gold", "proxy", *folder.metrics()]
    cells = cells[cells["variant"].isin(arms)]
    digests = _digests(folder.examples())
    return GateData(
        manifest=manifest,
        values=average_draws(rows, metrics),
        cells=cells[[*CELL, "policy_fingerprint", *COSTS]].reset_index(drop=True),
        suites={
            str(s["name"]): {"version": s.get("version"), "digest": digests.get(s["name"])}
            for s in manifest.get("suites", [])
        },
        policies={
            str(p["name"]): {"version": p.get("version"), "fingerprint": p.get("fingerprint")}
            for p in manifest.get("policies", [])
        },
    )


def read_draws(folder: RunFolder, arms: Sequence[str]) -> pd.DataFrame:
    """Rows of the confirm split of some variants, one a draw.

    ``gold_pass`` is a bool in the file and a number here: NaN where the example has no gold.
    """
    rows = folder.rows()
    rows = rows[(rows["split"] == SPLIT) & rows["variant"].isin(arms)]
    return rows.assign(gold_pass=rows["gold_pass"].astype(float).where(rows["gold"].notna()))


def gate_settings(manifest: Mapping[str, Json]) -> tuple[list[str], list[str], float]:
    """Blocking metrics, blocking variants (``primary`` resolved) and margin of a run's config.

    Raises:
        ConfigError: ``primary`` is named and the run has none.
    """
    config = {**DEFAULT_GATE, **(manifest.get("config", {}).get("gate") or {})}
    primary = manifest.get("primary")
    variants: list[str] = []
    for name in config["variants"]:
        if name == "primary" and primary is None:
            raise ConfigError(
                "gate.variants names 'primary' and the run has no primary variant; "
                "set `primary` or list variant ids in gate.variants"
            )
        variants.append(str(primary if name == "primary" else name))
    return list(config["metrics"]), list(dict.fromkeys(variants)), float(config["margin"])


def oriented(metric: str, values: FloatArray) -> FloatArray:
    """Values with higher meaning better."""
    return 1.0 - values if metric.startswith("harm_") else values


def of_arm(frame: pd.DataFrame, arm: Arm) -> pd.DataFrame:
    """The rows of one arm, in stored order."""
    at = (frame["suite"] == arm.suite) & (frame["policy"] == arm.policy)
    return frame[at & (frame["variant"] == arm.variant)]


def scored(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that have a value of ``metric``."""
    return rows[rows[metric].notna()]


def even(rows: pd.DataFrame, metric: str) -> bool:
    """Whether every example scored at some seed is scored at all of them."""
    kept = scored(rows, metric)
    return len(kept) == kept["example_id"].nunique() * rows["seed"].nunique()


def average_draws(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Weighted mean over draws per (cell, example); NaN where any draw of it is NaN."""
    weight = rows["weight"].to_numpy(dtype=np.float64)
    work = rows[[*KEY, "cluster"]].copy()
    work["draws"], work["weight"] = 1, weight
    # Sums of hashes, modulo 2^64, do not depend on the order of draws.
    work["draw_set"] = pd.util.hash_pandas_object(rows[["draw"]], index=False)
    answer = rows[["draw", "text", "weight"]]
    work["answer_set"] = pd.util.hash_pandas_object(answer, index=False)
    for metric in metrics:
        values = oriented(metric, rows[metric].to_numpy(dtype=np.float64))
        work[metric] = weight * values
        work[f"nan {metric}"] = np.isnan(values)
    grouped = work.groupby([*KEY, "cluster"], sort=True, observed=True)
    out = grouped.sum().reset_index()
    for metric in metrics:
        out.loc[out.pop(f"nan {metric}") > 0, metric] = np.nan
    return out


def _digests(examples: pd.DataFrame) -> dict[str, str]:
    """Content of each suite's confirm examples; does not depend on seeds or on train data."""
    columns = ["example_id", "prompt", "references", "facts", "cluster", "stratum", "language"]
    found: dict[str, str] = {}
    test = examples[examples["split"] == SPLIT].sort_values("example_id")
    for suite, part in test.groupby("suite", observed=True):
        hasher = hashlib.sha256()
        for record in part[columns].itertuples(index=False):
            plain = [list(v) if isinstance(v, np.ndarray) else str(v) for v in record]
            hasher.update(json.dumps(plain).encode() + b"\n")
        found[str(suite)] = hasher.hexdigest()
    return found
