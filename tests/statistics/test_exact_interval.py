"""The exact interval of a proportion: SciPy's own, and coverage by enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from rsft_bench.harness.statistics.proportions import clopper_pearson


@pytest.mark.parametrize(("count", "n"), [(0, 1), (1, 1), (0, 9), (9, 9), (3, 10), (142, 170)])
def test_agrees_with_scipy(count: int, n: int) -> None:
    exact = binomtest(count, n).proportion_ci(confidence_level=0.9, method="exact")
    assert clopper_pearson(count, n, 0.9)[:2] == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize("n", [1, 5, 23])
def test_covers_every_rate_at_least_as_often_as_it_says(n: int) -> None:
    spans = [clopper_pearson(count, n, 0.9) for count in range(n + 1)]
    for rate in np.linspace(0.005, 0.995, 100):
        inside = [span.lo <= rate <= span.hi for span in spans]
        assert binom.pmf(np.arange(n + 1), n, rate)[inside].sum() >= 0.9


def test_impossible_counts_raise() -> None:
    with pytest.raises(ValueError, match="need n >= 1"):
        clopper_pearson(3, 2)
