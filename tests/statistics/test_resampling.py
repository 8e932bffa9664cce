"""The bootstrap in bounded memory: chunks change nothing, and means follow the drawn counts."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from rsft_bench.harness.statistics import cluster_draws, resampled_means
from rsft_bench.harness.statistics.resampling import FIXED_SEEDS, RESAMPLED_SEEDS


def table(seeds: int, clusters: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    sizes = rng.integers(0, 4, size=(seeds, clusters)).astype(float)
    return rng.normal(size=(seeds, clusters, columns)) * sizes[:, :, None], sizes


@pytest.mark.parametrize("seeds", [5, 12])
@pytest.mark.parametrize("chunk", [1, 40_000, 123_457])
def test_chunked_equals_unchunked(seeds: int, chunk: int) -> None:
    sums, sizes = table(seeds, 30, 4)
    whole, label = resampled_means(sums, sizes, 203, 7, chunk_bytes=2**40)
    parts, same = resampled_means(sums, sizes, 203, 7, chunk_bytes=chunk)
    np.testing.assert_allclose(parts, whole, rtol=1e-12)
    assert label == same == (RESAMPLED_SEEDS if seeds >= 10 else FIXED_SEEDS)


def test_fixed_seeds_weigh_clusters_as_they_were_drawn() -> None:
    sums, sizes = table(3, 11, 2)
    found, _ = resampled_means(sums, sizes, 50, 4)
    counts = cluster_draws(11, 50, 4)
    for r in range(50):
        rows = [(s, c) for s in range(3) for c in np.repeat(np.arange(11), counts[r])]
        total = sum(sums[at] for at in rows)
        assert found[r] == pytest.approx(total / sum(sizes[at] for at in rows))


def test_resampled_seeds_add_their_variance() -> None:
    """Seeds that differ and clusters that do not: Var = σ²/S with S seeds drawn, |z| < 4."""
    seeds, replicates = 12, 4000
    effect = np.random.default_rng(3).normal(size=seeds)
    sums = np.tile(effect[:, None, None], (1, 15, 1))
    found, label = resampled_means(sums, np.ones((seeds, 15)), replicates, 0)
    assert label == RESAMPLED_SEEDS
    expected = effect.var() / seeds
    assert abs(found.var() / expected - 1) < 4 * np.sqrt(2 / replicates)


@pytest.mark.parametrize("seeds", [5, 20])
def test_memory_is_bounded(seeds: int) -> None:
    """A product over replicates, seeds and clusters at once would take 320 or 1,280 MB."""
    sums, sizes = table(seeds, 4000, 17)
    tracemalloc.start()
    try:
        resampled_means(sums, sizes, 2000, 0, chunk_bytes=32 * 2**20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6
