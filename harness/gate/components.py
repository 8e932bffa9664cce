"""Variance components of a suite's blocking checks, fitted from a run, and their simulation.

Model of one value (example e in cluster c, seed s, mean over D draws), for M checks jointly:
mean + cluster_c + example_e + seed_s + seed_cluster_cs + residual_es, where the residual holds
example x seed and draw noise. Cluster and example effects cancel between two runs of one program,
because both answer the same prompts. Every component is an M x M covariance, so that checks that
share seeds and prompts are simulated together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rsft_bench.harness.gate.data import Arm, GateData, of_arm, oriented, read_draws, read_run
from rsft_bench.harness.runfolder import RunFolder, read_json, write_json
from rsft_bench.harness.types import FloatArray, IntArray, Json

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Components:
    """Fitted components of one (suite, policy).

    ``checks`` names the M (variant, metric) pairs; ``sizes`` are examples per cluster; ``seeds``
    the seeds fitted from; ``draws`` and ``draw`` (M,) the draws behind each value and the variance
    of one draw (0 where it cannot be told apart, then the residual holds it).
    """

    suite: str
    policy: str
    checks: tuple[tuple[str, str], ...]
    sizes: tuple[int, ...]
    seeds: int
    level: tuple[float, ...]
    seed: Matrix
    cluster: Matrix
    example: Matrix
    seed_cluster: Matrix
    residual: Matrix
    draws: tuple[float, ...]
    draw: tuple[float, ...]

    def to_dict(self) -> dict[str, Json]:
        """JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Json]) -> Components:
        """Inverse of ``to_dict`` after a JSON round trip."""
        return cls(**{key: _tuples(value) for key, value in data.items()})

    @property
    def weights(self) -> FloatArray:
        """Share of the examples in each cluster, shape (C,)."""
        return np.array(self.sizes, dtype=np.float64) / sum(self.sizes)


def fit_values(y: FloatArray, group: IntArray) -> dict[str, FloatArray]:
    """Method-of-moments components from values ``y`` (N, S, M); ``group`` (N,) numbers clusters.

    Returns M x M matrices ``seed``, ``cluster``, ``example``, ``seed_cluster``, ``residual``, made
    positive semidefinite. With one seed only cluster and example are estimable; with one example a
    cluster the residual is 0 and seed_cluster holds it.
    """
    examples, seeds, checks = y.shape
    sizes = np.bincount(group).astype(np.float64)
    clusters = sizes.size
    x = np.zeros((clusters, seeds, checks))
    np.add.at(x, group, y)
    x /= sizes[:, None, None]
    inverse = float(np.mean(1.0 / sizes))  # mean 1/n_c: residual variance left in a cluster mean
    zero = np.zeros((checks, checks))
    inner_df = float(examples - clusters)
    residual, cell, between = zero, zero, zero
    if seeds > 1:
        deviation = y - y.mean(axis=1, keepdims=True)
        deviation = deviation - (x - x.mean(axis=1, keepdims=True))[group]
        if inner_df:
            residual = _cross(deviation) / (inner_df * (seeds - 1))
        additive = x - x.mean(axis=1, keepdims=True) - x.mean(axis=0) + x.mean(axis=(0, 1))
        cell = _cross(additive) / ((clusters - 1) * (seeds - 1))
        by_seed = x.mean(axis=0) - x.mean(axis=(0, 1))
        between = _cross(by_seed) / (seeds - 1) - cell / clusters
    means = y.mean(axis=1)
    inner = means - x.mean(axis=1)[group]
    example = _cross(inner) / inner_df - residual / seeds if inner_df else zero
    by_cluster = x.mean(axis=1) - x.mean(axis=(0, 1))
    outer = _cross(by_cluster) / (clusters - 1) - example * inverse - cell / seeds
    return {
        "seed": _psd(between),
        "cluster": _psd(outer),
        "example": _psd(example),
        "seed_cluster": _psd(cell - residual * inverse),
        "residual": _psd(residual),
    }


def fit_run(run: Path, metrics: Sequence[str], variants: Sequence[str]) -> list[Components]:
    """Components of every (suite, policy) of a run, for the given blocking checks.

    With ``save_components`` this regenerates ``tests/fixtures/variance_components.json`` from a
    recorded run.
    """
    folder = RunFolder(Path(run))
    return fit_data(read_run(folder, variants), read_draws(folder, variants), metrics, variants)


def fit_data(
    data: GateData, draws: pd.DataFrame, metrics: Sequence[str], variants: Sequence[str]
) -> list[Components]:
    """As ``fit_run``, from tables already read."""
    pairs = data.values[["suite", "policy"]].drop_duplicates().itertuples(index=False)
    return [_fit_suite(data, draws, str(s), str(p), (metrics, variants)) for s, p in pairs]


def save_components(path: Path, fitted: Sequence[Components], source: str) -> None:
    """Write components as JSON; ``source`` says where they come from."""
    write_json(path, {"source": source, "components": [c.to_dict() for c in fitted]})


def load_components(path: Path) -> list[Components]:
    """Read what ``save_components`` wrote."""
    return [Components.from_dict(c) for c in read_json(path)["components"]]


def _fit_suite(
    data: GateData,
    draws: pd.DataFrame,
    suite: str,
    policy: str,
    named: tuple[Sequence[str], Sequence[str]],
) -> Components:
    checks = tuple((variant, metric) for variant in named[1] for metric in named[0])
    tables, noise = [], []
    for variant, metric in checks:
        arm = Arm(suite, policy, variant)
        tables.append(data.arm(arm).pivot(index="example_id", columns="seed", values=metric))
        noise.append(_draw_variance(of_arm(draws, arm), metric))
    kept = np.isfinite(np.stack([t.to_numpy() for t in tables], axis=-1)).all(axis=(1, 2))
    y = np.stack([t.to_numpy() for t in tables], axis=-1)[kept]  # (N, S, M)
    first = data.arm(Arm(suite, policy, checks[0][0])).drop_duplicates("example_id")
    cluster = first.set_index("example_id")["cluster"].loc[tables[0].index[kept]]
    _, group = np.unique(cluster.to_numpy(dtype=str), return_inverse=True)
    fitted = fit_values(y, group.astype(np.int64))
    return Components(
        suite=suite,
        policy=policy,
        checks=checks,
        sizes=tuple(int(n) for n in np.bincount(group)),
        seeds=int(y.shape[1]),
        level=tuple(float(v) for v in y.mean(axis=(0, 1))),
        draws=tuple(d for d, _ in noise),
        draw=tuple(v for _, v in noise),
        **{name: _tuples(matrix.tolist()) for name, matrix in fitted.items()},
    )


def _draw_variance(rows: pd.DataFrame, metric: str) -> tuple[float, float]:
    """Draws per value and the variance of one draw; (1, 0) for unequal weights or one draw."""
    values = pd.Series(oriented(metric, rows[metric].to_numpy(dtype=np.float64)), index=rows.index)
    grouped = values.groupby([rows["seed"], rows["example_id"]])
    count = float(grouped.size().mean())
    if count <= 1 or rows["weight"].nunique() > 1:
        return 1.0, 0.0
    spread = float(grouped.var(ddof=1).mean())
    return count, spread if np.isfinite(spread) else 0.0


def _cross(deviation: FloatArray) -> FloatArray:
    flat = deviation.reshape(-1, deviation.shape[-1])
    return np.asarray(flat.T @ flat)


def _psd(matrix: FloatArray) -> FloatArray:
    """Nearest positive semidefinite matrix: a negative variance estimate becomes 0."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def _tuples(value: Json) -> Json:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value
