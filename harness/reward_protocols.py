"""What a reward is to the engine, from the least that may accept to what may be set and needed.

A registered reward is plain where it needs nothing but answers and labels. Three optional things
make more of it: ``options`` with ``configured`` (what a config may set), ``needs_body`` with
``on_body`` (the policy's own weights), and ``least_draws``, an int: labelled answers to each prompt
without which it cannot be fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.types import FloatArray, Json, Param


class Scorer(Protocol):
    """A reward ready to score answers."""

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Shape (n,), higher is better; NaN is never accepted. Each pair by itself."""

    def flops(self, answers: int) -> float:
        """FLOPs of scoring so many answers."""

    def save(self, folder: Path) -> None:
        """Write what ``FittedReward.load`` reads."""


@runtime_checkable
class DrawScorer(Protocol):
    """A scorer that judges equal answers to one prompt apart, by the number of the draw."""

    def score_draws(
        self, prompts: Sequence[str], texts: Sequence[str], draws: Sequence[int]
    ) -> FloatArray:
        """Shape (n,); used in place of ``Scorer.score`` where draws are known."""


def score_draws(
    scorer: Scorer, prompts: Sequence[str], texts: Sequence[str], draws: Sequence[int]
) -> FloatArray:
    """Scores (n,), draw by draw where the reward tells draws apart."""
    if isinstance(scorer, DrawScorer):
        return scorer.score_draws(prompts, texts, draws)
    return scorer.score(prompts, texts)


@runtime_checkable
class FittedReward(Protocol):
    """A reward that answers can be accepted by."""

    def fit(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        labels: NDArray[np.bool_],
        clusters: Sequence[str],
        seed: int,
    ) -> tuple[Scorer, Mapping[str, Json]]:
        """From gold-labelled answers, or whatever they are: the scorer and fields of its report."""

    def load(self, folder: Path) -> Scorer:
        """Read what ``Scorer.save`` wrote."""


@runtime_checkable
class GradedReward(Protocol):
    """A reward that can be fitted on graded gold beside the verdicts."""

    def fit_graded(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        labels: NDArray[np.bool_],
        clusters: Sequence[str],
        seed: int,
        gold: FloatArray,
    ) -> tuple[Scorer, Mapping[str, Json]]:
        """As ``FittedReward.fit``, in its place; ``gold`` (n,) in [0, 1], NaN where unknown."""


@runtime_checkable
class ConfigurableReward(Protocol):
    """A reward with options, each declared as a ``Param``."""

    @property
    def options(self) -> tuple[Param, ...]:
        """What a config may set beside ``name`` and ``n_label``."""

    def configured(self, options: Mapping[str, Json]) -> FittedReward:
        """The reward with all its options set. Raises ConfigError on options that do not fit."""


@runtime_checkable
class BodyReward(Protocol):
    """A reward that reads hidden states of the policy that is judged."""

    @property
    def needs_body(self) -> bool:
        """Whether, as configured, it does."""

    def on_body(self, folder: Path) -> FittedReward:
        """The reward over the causal language model in ``folder``."""


def ready(reward: Any, options: Mapping[str, Json], body: Path | None = None) -> FittedReward:
    """A registered reward with its options set, over a policy's weights where it needs them.

    Raises:
        ConfigError: options that do not fit together.
    """
    found: FittedReward = reward.configured(options) if options else reward
    if body is not None and isinstance(found, BodyReward) and found.needs_body:
        return found.on_body(body)
    return found


def needs_body(reward: FittedReward) -> bool:
    """Whether a configured reward reads the policy's weights."""
    return isinstance(reward, BodyReward) and reward.needs_body
