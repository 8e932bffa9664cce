"""Means of the satisfaction columns of a run, predicted or an index. No words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from rsft_bench.harness.statistics import Effect
from rsft_bench.reports.means import Means

PREDICTED, INDEX = "satisfaction_predicted", "satisfaction_index"
#: (suite, policy, variant, what, level) of every variant that has the column.
Levels: TypeAlias = tuple[tuple[str, str, str, str, Effect], ...]


def satisfaction_levels(means: Means, names: Mapping[str, Any]) -> Levels:
    """Means on confirm of every satisfaction column that the rows have."""
    return tuple(
        (key.suite, key.policy, variant, what, effect)
        for what in (PREDICTED, INDEX)
        if what in means.metrics
        for key in means.keys()
        for variant in names
        if means.has(key, variant)
        for effect in [means.level(key, variant, what)]
        if effect is not None
    )
