"""The turning point of policies trained one after another: its error rate, coverage and power."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import turning_of

CLUSTERS, EACH, SEEDS, RUNS = 30, 2, 5, 300
ROUNDS = [0, 1, 2, 3, 4]
CLUSTER = [f"c{i // EACH}" for i in range(CLUSTERS * EACH)] * SEEDS
SEED = [s for s in range(SEEDS) for _ in range(CLUSTERS * EACH)]


def curve(run: int, levels: list[float]) -> np.ndarray:
    """Pass rates (units, points) with effects of cluster, seed x point and draw."""
    rng = stream(run, "turning", *map(str, levels))
    points = len(levels)
    cluster = rng.normal(0, 0.08, (1, CLUSTERS, 1, 1)) + rng.normal(
        0, 0.04, (1, CLUSTERS, 1, points)
    )
    weights = rng.normal(0, 0.02, (SEEDS, 1, 1, points))
    draws = rng.normal(0, 0.3, (SEEDS, CLUSTERS, EACH, points))
    return np.asarray((np.array(levels) + cluster + weights + draws).reshape(-1, points))


def test_a_flat_curve_is_seldom_called_a_turning_point() -> None:
    found = [turning_of(curve(r, [0.4] * 5), ROUNDS, CLUSTER, SEED) for r in range(RUNS)]
    seen = np.mean([t is not None and t.seen for t in found])
    assert seen < 0.05 + 4 * sqrt(0.05 * 0.95 / RUNS)


def test_a_rising_curve_is_never_called_one_and_its_interval_holds_the_end() -> None:
    found = [
        turning_of(curve(r, [0.3, 0.36, 0.4, 0.43, 0.45]), ROUNDS, CLUSTER, SEED) for r in range(60)
    ]
    assert not any(t is not None and t.seen for t in found)
    assert np.mean([t is not None and t.hi == 4 for t in found]) > 0.95


def test_a_turn_is_found_where_it_is() -> None:
    """Known to be highest after two rounds, well above the last."""
    levels = [0.3, 0.4, 0.5, 0.4, 0.3]
    found = [turning_of(curve(r, levels), ROUNDS, CLUSTER, SEED) for r in range(60)]
    known = [t for t in found if t is not None]
    assert len(known) == 60
    assert np.mean([t.seen for t in known]) > 0.95
    assert np.mean([t.n == 2 for t in known]) > 0.9
    assert np.mean([t.lo <= 2 <= t.hi for t in known]) > 0.95
    assert np.mean([1 <= t.lo and t.hi <= 3 for t in known]) > 0.9


def test_what_cannot_be_told() -> None:
    flat = np.full((20, 3), 0.5)
    few = [f"c{i % 5}" for i in range(20)]
    assert turning_of(flat, [0, 1, 2], few, [0] * 20) is None
    many = [f"c{i}" for i in range(20)]
    still = turning_of(flat, [0, 1, 2], many, [0] * 20)
    assert still is not None
    assert (still.lo, still.hi, still.seen) == (0, 2, False)
    with pytest.raises(ValueError, match="rising sizes"):
        turning_of(flat, [0, 2, 1], many, [0] * 20)
