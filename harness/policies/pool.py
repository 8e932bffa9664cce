"""Policy ``pool``: replays the recorded answers that a suite of kind ``pool`` brings itself.

Draw i is the i-th recorded answer of a prompt. What the answers are worth is known from people, so
serving rules can be compared by what people said of the answers that they choose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.policies.recorded import RecordedPolicy
from rsft_bench.harness.recorded_data import read_pool
from rsft_bench.harness.types import Capability, Completion, Json, Param, Sampling

CAPABILITIES: frozenset[Capability] = frozenset({"sampler"})


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """Answers of the data that it is given by ``over``; none before."""

    capabilities: frozenset[Capability] = CAPABILITIES

    def over(self, folder: Path) -> RecordedPolicy:
        """The recorded answers of a data artifact."""
        found: dict[str, list[str]] = {}
        for answer in read_pool(folder):
            found.setdefault(answer.example_id, []).append(answer.text)
        return RecordedPolicy(
            {name: tuple(texts) for name, texts in found.items()}, {}, "the suite's own pool"
        )

    def sample(
        self,
        prompts: Sequence[tuple[str, str]],
        draws: range,
        sampling: Sampling,
        seed: int,
        purpose: str,
    ) -> Sequence[Completion]:
        """Refused: without data there is nothing to replay. Raises DataError."""
        raise DataError("policy pool answers a suite of kind 'pool' only, by its recorded answers")


@dataclass(frozen=True, slots=True)
class PoolAnswers:
    """The registered entry. ``replays`` tells the engine to hand it the suite's data."""

    name: str = "pool"
    version: str = "1"
    doc: str = "Replays the recorded answers of a suite of kind pool; needs no weights"
    options: tuple[Param, ...] = ()
    capabilities: frozenset[Capability] = CAPABILITIES
    code: tuple[str, ...] = (
        "rsft_bench.harness.policies.pool",
        "rsft_bench.harness.policies.recorded",
        "rsft_bench.harness.policies.counting",
        "rsft_bench.harness.recorded_data",
    )
    replays: bool = field(default=True)

    def fingerprint(self, options: Mapping[str, Json]) -> str:
        """A constant: its answers are those of the data, whose digest joins every key."""
        return f"pool-{self.version}"

    def load(self, options: Mapping[str, Json]) -> PoolPolicy:
        """A policy that waits for data."""
        return PoolPolicy()


POOL = PoolAnswers()
