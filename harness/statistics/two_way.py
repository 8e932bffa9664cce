"""Variance of a mean over clusters and seeds, for one table or for many simulated ones at once.

Owns the arithmetic of the protocol's two-way interval. Arrays are (..., C, S): clusters by seeds,
leading axes are independent replicates. Imports numpy only.

Unequal clusters: the estimand is the mean over examples, so cluster c has weight n_c / n. The
components are the weighted sums of squares that are unbiased when the cluster effects and the cells
have one variance, and that equal the textbook mean squares when all clusters have one size. The
clusters carry C - 1 degrees of freedom whatever their sizes (protocol section 5).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rsft_bench.harness.types import FloatArray


class Variance(NamedTuple):
    """Estimate, variance components of the estimate, standard error and degrees of freedom.

    Every field has the shape of the leading axes. ``v_seed`` and ``v_cell`` are 0 for one seed.
    """

    estimate: FloatArray
    v_seed: FloatArray
    v_cluster: FloatArray
    v_cell: FloatArray
    se: FloatArray
    df: FloatArray


def cluster_weights(sizes: FloatArray) -> FloatArray:
    """Share of the examples in each cluster, shape (C,), summing to 1."""
    return np.asarray(sizes, dtype=np.float64) / float(np.sum(sizes))


def two_way(x: FloatArray, weights: FloatArray) -> Variance:
    """Variance of the weighted mean of ``x`` (..., C, S) over new clusters and new seeds.

    V = V_seed + V_cluster - V_cell, never below V_seed or V_cluster; Satterthwaite degrees of
    freedom, at least S - 1. V_cell is subtracted because the cell noise is in both other terms.

    Raises:
        ValueError: fewer than 2 clusters or 2 seeds.

    Source: protocol section 5; Satterthwaite 1946 (Biometrics Bulletin 2:110-114).
    """
    seeds = x.shape[-1]
    if seeds < 2:
        raise ValueError("two_way needs at least 2 seeds; use one_way for one")
    v_seed, v_cell = _seed_and_cell(x, weights)
    means = x.mean(axis=-1)
    v_cluster = _cluster(means, weights)
    terms = ((v_seed, seeds - 1.0),)
    return _combine(means @ weights, terms, (v_cluster, x.shape[-2] - 1.0), v_cell)


def two_sample(a: FloatArray, b: FloatArray, weights: FloatArray) -> Variance:
    """Variance of mean(a) - mean(b): same clusters, the seeds of the two sides independent.

    ``a`` is (..., C, S_a), ``b`` is (..., C, S_b). Cluster effects are paired; the two seed terms
    add, each with its own degrees of freedom (Welch). Degrees of freedom at least
    min(S_a, S_b) - 1.

    Raises:
        ValueError: fewer than 2 clusters, or fewer than 2 seeds on a side.
    """
    if min(a.shape[-1], b.shape[-1]) < 2:
        raise ValueError("two_sample needs at least 2 seeds on each side")
    seed_a, cell_a = _seed_and_cell(a, weights)
    seed_b, cell_b = _seed_and_cell(b, weights)
    gap = a.mean(axis=-1) - b.mean(axis=-1)
    terms = ((seed_a, a.shape[-1] - 1.0), (seed_b, b.shape[-1] - 1.0))
    cluster = (_cluster(gap, weights), a.shape[-2] - 1.0)
    return _combine(gap @ weights, terms, cluster, cell_a + cell_b)


def one_way(x: FloatArray, weights: FloatArray) -> Variance:
    """Variance of the weighted mean of cluster means ``x`` (..., C) over new clusters only."""
    v_cluster = _cluster(x, weights)
    zero = np.zeros_like(v_cluster)
    df = np.full_like(v_cluster, weights.shape[0] - 1.0)
    return Variance(np.asarray(x @ weights), zero, v_cluster, zero, np.sqrt(v_cluster), df)


def _correction(weights: FloatArray) -> float:
    """Factor that makes a weighted sum of squares about the weighted mean unbiased; C/(C-1)."""
    if weights.shape[0] < 2:
        raise ValueError("a variance over clusters needs at least 2 clusters")
    second, third = float(np.sum(weights**2)), float(np.sum(weights**3))
    return second / (second - 2.0 * third + second**2)


def _cluster(means: FloatArray, weights: FloatArray) -> FloatArray:
    """Variance of the weighted mean of (..., C) cluster means."""
    deviation = means - (means @ weights)[..., None]
    return np.asarray((deviation**2) @ weights**2) * _correction(weights)


def _seed_and_cell(x: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """V_seed and V_cell of (..., C, S)."""
    seeds = x.shape[-1]
    by_seed = np.einsum("...cs,c->...s", x, weights)  # (..., S)
    grand = by_seed.mean(axis=-1)
    v_seed = by_seed.var(axis=-1, ddof=1) / seeds
    residual = x - x.mean(axis=-1)[..., None] - by_seed[..., None, :] + grand[..., None, None]
    squares = (residual**2).sum(axis=-1) @ weights**2
    v_cell = squares * _correction(weights) / ((seeds - 1.0) * seeds)
    return np.asarray(v_seed), np.asarray(v_cell)


def _combine(
    estimate: FloatArray,
    terms: tuple[tuple[FloatArray, float], ...],
    cluster: tuple[FloatArray, float],
    v_cell: FloatArray,
) -> Variance:
    """Add the components, (variance, degrees of freedom) each, and give the sum its own."""
    v_cluster, cluster_df = cluster
    v_seed = np.sum([v for v, _ in terms], axis=0)
    v = np.maximum(v_seed + v_cluster - v_cell, np.maximum(v_seed, v_cluster))
    floor = min(d for _, d in terms)
    below = v_cluster**2 / cluster_df
    below = below + np.sum([t**2 / d for t, d in terms], axis=0)
    df = np.divide(v**2, below, out=np.full_like(v, floor), where=below > 0)
    return Variance(
        np.asarray(estimate), v_seed, v_cluster, v_cell, np.sqrt(v), np.maximum(df, floor)
    )
