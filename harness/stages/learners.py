"""What stage ``fit`` trains: a language model by the one trainer, or a policy by its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rsft_bench.harness.policy_kinds import OwnPolicy
from rsft_bench.harness.stages import Work
from rsft_bench.harness.stages.base import own_policy, weights_folder, write_own
from rsft_bench.harness.types import Budget, WeightedSet

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel
    from rsft_bench.harness.training.fit import FitResult


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a fit took, its policy written. ``losses`` holds one number a step.

    ``reference_tokens`` are those that a loss's reference model read; ``flops`` count them.
    """

    losses: Sequence[float]
    tokens: int
    flops: float
    rows_seen: Mapping[str, int]
    reference_tokens: int = 0


class Learner(Protocol):
    """A policy about to be trained."""

    def answer_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each answer, stop included."""

    def fit_flops(self, sets: Sequence[WeightedSet], budget: Budget) -> float:
        """FLOPs that a fit of this budget takes on average."""

    def fit(self, sets: Sequence[WeightedSet], budget: Budget, work: Work) -> Learnt:
        """Train, and write the policy and its checkpoints into ``work.out``."""


def learner(work: Work) -> Learner:
    """The policy of the input ``init``. Raises UserError where it cannot be trained."""
    init = work.inputs["init"][0]
    own = own_policy(init, work.catalog)
    return OfWeights.load(init) if own is None else OfItself(own, init)


def _kept(work: Work) -> Sequence[int]:
    kept: Sequence[int] = work.params.get("checkpoints", ())
    return kept


@dataclass(frozen=True, slots=True)
class OfWeights:
    """A language model: trained by the one trainer, its FLOPs counted from its shape."""

    lm: LanguageModel

    @classmethod
    def load(cls, init: Path) -> OfWeights:
        """The model of an artifact."""
        from rsft_bench.harness.policies.language_model import load
        from rsft_bench.harness.worker import set_torch_threads

        set_torch_threads()
        return cls(load(weights_folder(init)))

    def answer_tokens(self, texts: Sequence[str]) -> list[int]:
        """As the model's tokenizer has them."""
        return [len(self.lm.encode_answer(text)) for text in texts]

    def fit_flops(self, sets: Sequence[WeightedSet], budget: Budget) -> float:
        """Every step reads ``batch`` rows of each set, of the set's mean cost."""
        from rsft_bench.harness.metering.formulas import train_flops_of_totals
        from rsft_bench.harness.training.batches import encode_rows

        one_step = 0.0
        for item in sets:
            encoded = encode_rows(self.lm, item.rows)[0]
            lengths = np.array([row.inputs for row in encoded], dtype=np.int64)
            whole = train_flops_of_totals(
                self.lm.model.config.to_dict(), int(lengths.sum()), int((lengths**2).sum())
            )
            one_step += whole * budget.batch / len(lengths)
        return budget.steps * one_step

    def fit(self, sets: Sequence[WeightedSet], budget: Budget, work: Work) -> Learnt:
        """Files: weights/, checkpoints/STEP/weights/."""
        from rsft_bench.harness.training.fit import fit

        seed, kept = work.params["seed"], _kept(work)
        return self.written(fit(self.lm, sets, budget, seed, keep=kept, partial=work.partial), work)

    def written(self, done: FitResult, work: Work) -> Learnt:
        """Write what a fit made, and say what it took."""
        from rsft_bench.harness.policies.language_model import save

        save(done.lm, work.out / "weights")
        for step, earlier in done.kept.items():
            save(earlier, work.out / "checkpoints" / str(step) / "weights")
        return Learnt(
            list(done.losses),
            done.tokens,
            self._flops(done),
            done.rows_seen,
            done.reference_tokens,
        )

    def _flops(self, done: FitResult) -> float:
        """Training passes, and the reference's forward passes where a loss compares with it."""
        from rsft_bench.harness.metering.formulas import (
            forward_flops_of_totals,
            train_flops_of_totals,
        )

        shape = self.lm.model.config.to_dict()
        flops = train_flops_of_totals(shape, done.tokens, done.tokens_squared)
        if done.reference_tokens == 0:
            return flops
        read = (done.reference_tokens, done.reference_tokens_squared)
        return flops + forward_flops_of_totals(shape, *read)


@dataclass(frozen=True, slots=True)
class OfItself:
    """A policy that is its own trainer and counts its own work."""

    policy: OwnPolicy
    init: Path

    def answer_tokens(self, texts: Sequence[str]) -> list[int]:
        """As the policy counts them."""
        return self.policy.answer_tokens(texts)

    def fit_flops(self, sets: Sequence[WeightedSet], budget: Budget) -> float:
        """As the policy says."""
        return self.policy.fit_flops(sets, budget)

    def fit(self, sets: Sequence[WeightedSet], budget: Budget, work: Work) -> Learnt:
        """Files: policy.json, state/, and both under checkpoints/STEP/."""
        done = self.policy.fit(sets, budget, work.params["seed"], _kept(work))
        write_own(done.policy, self.init, work.out)
        for step, earlier in done.kept.items():
            write_own(earlier, self.init, work.out / "checkpoints" / str(step))
        return Learnt(list(done.losses), done.tokens, done.flops, done.rows_seen)
