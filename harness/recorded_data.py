"""Suites that bring answers with their labels: kinds ``pool`` and ``labels``.

A suite states its kind as the optional attribute ``kind``, by default ``prompts``. A ``pool`` is
answered by its own recorded answers (policy ``pool``) and judged by people; ``labels`` train
rewards (``reward.labels``) and cannot be run. Both hold their answers in ``SuiteData.pool``, and
their judge knows the label of each recorded answer, NaN for any other text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.store import read_rows
from rsft_bench.harness.types import Log, Suite

Kind: TypeAlias = Literal["prompts", "pool", "labels"]
KINDS: tuple[Kind, ...] = ("prompts", "pool", "labels")
POOL_FILE = "pool.jsonl"


def kind_of(suite: Suite) -> Kind:
    """The kind a suite states. Raises ConfigError where it states another than ``KINDS``."""
    stated = getattr(suite, "kind", "prompts")
    for kind in KINDS:
        if stated == kind:
            return kind
    raise ConfigError(
        f"suite {suite.name!r} states kind {stated!r}; allowed: {', '.join(KINDS)}; correct the "
        "suite"
    )


def check_runnable(suite: Suite) -> None:
    """Raise ConfigError for a suite that only trains rewards."""
    if kind_of(suite) == "labels":
        raise ConfigError(
            f"suite {suite.name!r} holds labels for rewards and cannot stand in `suites`; name it "
            f"under the reward instead: reward: {{labels: {{suite: {suite.name}, path: ...}}}}, "
            f"or measure it by `rsft-bench validate {suite.name}`"
        )


def check_answered(suite: Suite, replays: bool, policy: str) -> None:
    """Raise ConfigError where a policy replays a pool and the suite has none, or the reverse."""
    pool = kind_of(suite) == "pool"
    if replays and not pool:
        raise ConfigError(
            f"policy {policy!r} replays the recorded answers of a suite, and suite "
            f"{suite.name!r} has none (its kind is {kind_of(suite)!r}); use another policy or a "
            "suite of kind 'pool'"
        )
    if pool and not replays:
        raise ConfigError(
            f"suite {suite.name!r} knows what people said of its recorded answers and nothing of "
            f"others, so policy {policy!r} cannot be judged on it; use policies: [pool]"
        )


def check_labels(suite: Suite) -> None:
    """Raise ConfigError for a suite that no reward can be fitted on by ``reward.labels``."""
    if kind_of(suite) != "labels":
        raise ConfigError(
            f"reward.labels: suite {suite.name!r} is of kind {kind_of(suite)!r}, must be 'labels', "
            "such as hh_rlhf; leave `labels` out to fit on gold labels of the suite that is run"
        )


def read_pool(folder: Path) -> list[Log]:
    """Recorded answers of a data artifact, in their order; empty where its suite has none."""
    file = folder / POOL_FILE
    return [Log(**row) for row in read_rows(file)] if file.exists() else []
