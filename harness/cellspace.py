"""What every arm of one suite, policy and seed shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rsft_bench.harness.learning import LOSSES
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.proposals import Proposal
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Capability, Example, Json, Split


@dataclass(frozen=True, slots=True)
class Settings:
    """The config's numbers that nodes depend on, as plain values."""

    pool: Mapping[str, Json]
    training: Mapping[str, Json]
    reward: Mapping[str, Json]
    evaluation: Mapping[str, Json]
    primary: str


@dataclass(frozen=True, slots=True)
class Cellspace:
    """One suite, policy and seed: what all its arms share. ``label`` names the suite in files.

    ``scored``: test draws get a proxy score, because some arm of this space has a proxy.
    ``losses``: names of ``learning.LOSSES`` that the policy's trainer has.
    """

    suite: str
    label: str
    suite_code: tuple[str, ...]
    policy: str
    capabilities: frozenset[Capability]
    seed: int
    settings: Settings
    data: Node
    base: Node
    examples: Mapping[Split, tuple[Example, ...]]
    k_max: Mapping[Proposal, int]
    rules: Registry[Any]
    reward_code: tuple[str, ...] = ()
    scored: bool = True
    losses: frozenset[str] = frozenset(LOSSES)
