"""What policies offer beyond drawing answers: exact laws, training of their own, counted work.

A policy with weights is a Hugging Face folder (``types.HasWeights``) and the engine draws from it,
trains it and counts its work. Any other policy does so itself: its registered kind is an
``OwnTrainer``, what the kind loads or restores is an ``OwnPolicy``. Kernel and NumPy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from rsft_bench.harness.types import (
    Budget,
    Completion,
    FloatArray,
    Json,
    Sampler,
    Sampling,
    WeightedSet,
)


class DrawFlops(NamedTuple):
    """FLOPs of one call of ``sample``: once a prompt, (prompts,), and of each answer, (rows,).

    k draws of a larger block cost its prompts once and their own answers.
    """

    prompts: tuple[float, ...]
    answers: tuple[float, ...]

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.prompts) + sum(self.answers)


@runtime_checkable
class Counted(Protocol):
    """A loaded policy that states what its draws cost. Without it their FLOPs are unknown (NaN)."""

    def draw_flops(
        self, prompts: Sequence[tuple[str, str]], rows: Sequence[Completion], sampling: Sampling
    ) -> DrawFlops:
        """FLOPs of ``rows``, which ``sample`` gave for ``prompts``; the policy says what counts."""


@runtime_checkable
class Replaying(Protocol):
    """A policy that answers by what the suite's data recorded; its kind states ``replays``."""

    def over(self, folder: Path) -> Sampler:
        """The sampler over a data artifact."""


@runtime_checkable
class Scorer(Protocol):
    """A loaded policy that knows how likely an answer is."""

    def logprob(self, prompt: str, text: str) -> float:
        """Log p(text | prompt) in nats at temperature 1, -inf for what it never says."""


@runtime_checkable
class Enumerable(Protocol):
    """A loaded policy whose law over a prompt's answers is known exactly."""

    def law(self, prompt: str) -> tuple[tuple[str, ...], FloatArray]:
        """Answers and their probabilities (m,) at temperature 1, summing to 1."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a policy's own fit made and what it took.

    Attributes:
        policy: the new policy; the one that was asked is unchanged.
        losses: the objective before each step, shape (steps,).
        tokens: tokens read, prompts included, each time they are.
        flops: counted by the policy itself, NaN where unknown.
        rows_seen: rows read from each set by name; divided by the set's rows it is the epochs.
        kept: policies after the steps that were asked for, by step.
    """

    policy: OwnPolicy
    losses: tuple[float, ...]
    tokens: int
    flops: float
    rows_seen: Mapping[str, int]
    kept: Mapping[int, OwnPolicy] = field(default_factory=dict)


@runtime_checkable
class OwnPolicy(Sampler, Protocol):
    """A loaded policy that is its own trainer. Immutable: a fit returns another one."""

    def fit(
        self, sets: Sequence[WeightedSet], budget: Budget, seed: int, keep: Sequence[int] = ()
    ) -> Trained:
        """Minimise sum over sets of coefficient * sum of w_i NLL_i (protocol.md section 3).

        Pure: equal arguments give equal policies. ``keep`` names steps after which a copy is kept.
        ``budget.steps`` 0 changes nothing. A policy that fits exactly may ignore the rest of it.
        """

    def fit_flops(self, sets: Sequence[WeightedSet], budget: Budget) -> float:
        """FLOPs that a fit of this budget will take; NaN where unknown."""

    def answer_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each answer, its stop included, in the unit of ``Completion.tokens_out``."""

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors, never pickles; equal policies give equal bytes."""


@runtime_checkable
class OwnTrainer(Protocol):
    """A registered policy whose ``load`` and ``restore`` give an ``OwnPolicy``.

    It may also have ``check(options, prompts)``, which raises UserError where it could not answer
    one of the prompts; it is called before anything is spent. ``losses`` names those of
    ``learning.LOSSES`` that its fit has, by default the likelihood alone. ``code`` lists the
    modules whose source decides what it does; they join the keys of its fits, draws and timings.
    ``preload`` lists modules that it imports late (torch), so that no timing holds their import;
    whoever uses torch calls ``worker.set_torch_threads`` first.
    """

    def restore(self, options: Mapping[str, Json], folder: Path) -> OwnPolicy:
        """The policy that ``OwnPolicy.save`` wrote into ``folder``."""
