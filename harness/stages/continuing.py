"""What stage ``online`` trains: a policy that answers between the parts of its training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rsft_bench.harness.policy_kinds import Counted, OwnPolicy
from rsft_bench.harness.stages import Work
from rsft_bench.harness.stages.base import write_own
from rsft_bench.harness.stages.learners import Learner, Learnt, OfItself, OfWeights
from rsft_bench.harness.types import Budget, Completion, Sampling, WeightedSet

if TYPE_CHECKING:
    from rsft_bench.harness.sampling.llama import LlamaWeights
    from rsft_bench.harness.training.continued import ContinuedFit

Prompts = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a policy is asked: ``draws`` of each prompt, blocks of so many prompts and draws."""

    draws: int
    sampling: Sampling
    block_prompts: int
    block_draws: int

    def blocks(self, prompts: Prompts) -> list[tuple[Prompts, range]]:
        """The blocks of a pool, as ``Graph.draw`` has them: ranges of draws, in them prompts."""
        return [
            (prompts[i : i + self.block_prompts], range(at, min(at + self.block_draws, self.draws)))
            for at in range(0, self.draws, self.block_draws)
            for i in range(0, len(prompts), self.block_prompts)
        ]


class Learning(Protocol):
    """A policy in training."""

    def answer(
        self, prompts: Prompts, drawing: Drawing, seed: int, purpose: str
    ) -> tuple[list[Completion], float]:
        """Answers of the policy as it is now, block by block, and their FLOPs."""

    def learn(self, sets: Sequence[WeightedSet], steps: int) -> None:
        """Take the next steps on the lasting sets and on these."""

    def finish(self) -> Learnt:
        """Write the policy and its checkpoints, and say what training took."""


def learning(learner: Learner, lasting: Sequence[WeightedSet], work: Work) -> Learning:
    """A policy about to be trained in parts, on ``lasting`` sets in all of them."""
    budget, keep = Budget(**work.params["budget"]), work.params.get("checkpoints", ())
    if isinstance(learner, OfItself):
        return _ByItself(learner, learner.policy, tuple(lasting), budget, work, tuple(keep))
    from rsft_bench.harness.training.continued import ContinuedFit

    assert isinstance(learner, OfWeights)
    fit = ContinuedFit(learner.lm, lasting, budget, work.params["seed"], keep)
    return _ByWeights(learner, fit, work)


@dataclass(slots=True)
class _ByWeights:
    learner: OfWeights
    fit: ContinuedFit
    work: Work

    def answer(
        self, prompts: Prompts, drawing: Drawing, seed: int, purpose: str
    ) -> tuple[list[Completion], float]:
        from rsft_bench.harness.metering.formulas import sample_flops
        from rsft_bench.harness.sampling import prepare, sample

        lm = self.fit.policy()
        packed: LlamaWeights | None = prepare(lm)
        rows: list[Completion] = []
        flops = 0.0
        for asked, draws in drawing.blocks(prompts):
            block = sample(lm, asked, draws, drawing.sampling, seed, purpose, packed)
            flops += sample_flops(
                lm.model.config.to_dict(),
                [row.tokens_in for row in block],
                [row.tokens_out for row in block],
                shared_by=len(draws),
            )
            rows += block
        return rows, flops

    def learn(self, sets: Sequence[WeightedSet], steps: int) -> None:
        self.fit.learn(sets, steps)

    def finish(self) -> Learnt:
        return self.learner.written(self.fit.result(), self.work)


@dataclass(slots=True)
class _ByItself:
    """Each part is a fit of its own from the policy so far: what it learns by is its own affair."""

    learner: OfItself
    policy: OwnPolicy
    lasting: tuple[WeightedSet, ...]
    budget: Budget
    work: Work
    keep: tuple[int, ...]
    step: int = 0
    losses: list[float] = field(default_factory=list)
    tokens: int = 0
    flops: float = 0.0
    seen: dict[str, int] = field(default_factory=dict)
    kept: dict[int, OwnPolicy] = field(default_factory=dict)

    def answer(
        self, prompts: Prompts, drawing: Drawing, seed: int, purpose: str
    ) -> tuple[list[Completion], float]:
        rows: list[Completion] = []
        flops = 0.0
        for asked, draws in drawing.blocks(prompts):
            block = self.policy.sample(asked, draws, drawing.sampling, seed, purpose)
            known = self.policy
            if isinstance(known, Counted):
                flops += known.draw_flops(asked, block, drawing.sampling).total
            else:
                flops = math.nan
            rows += block
        return rows, flops

    def learn(self, sets: Sequence[WeightedSet], steps: int) -> None:
        own = dataclasses.replace(self.budget, steps=steps)
        kept = [s - self.step for s in self.keep if self.step < s <= self.step + steps]
        done = self.policy.fit([*self.lasting, *sets], own, self.work.params["seed"], kept)
        self.kept |= {self.step + step: policy for step, policy in done.kept.items()}
        self.policy, self.step = done.policy, self.step + steps
        self.losses += done.losses
        self.tokens += done.tokens
        self.flops += done.flops
        for name, rows in done.rows_seen.items():
            self.seen[name] = self.seen.get(name, 0) + rows

    def finish(self) -> Learnt:
        init, out = self.learner.init, self.work.out
        write_own(self.policy, init, out)
        for step, earlier in self.kept.items():
            write_own(earlier, init, out / "checkpoints" / str(step))
        return Learnt(self.losses, self.tokens, self.flops, self.seen)
