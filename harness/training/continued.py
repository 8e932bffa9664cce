"""A fit whose sets change on the way: one model, one optimizer, one schedule over all steps."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.learning import Budget, WeightedSet
from rsft_bench.harness.training.fit import FitResult, checked, fresh_optimizer, take_steps
from rsft_bench.harness.training.placement import place
from rsft_bench.harness.training.resume import Progress, States
from rsft_bench.harness.training.sources import Source, make_source

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel


class ContinuedFit:
    """Takes ``budget.steps`` steps in parts, each on the lasting sets and on some of its own.

    One part of all the steps is ``fit`` on the same sets bit for bit. States are not saved: a
    killed fit begins again.
    """

    def __init__(
        self,
        lm: LanguageModel,
        lasting: Sequence[WeightedSet],
        budget: Budget,
        seed: int,
        keep: Sequence[int] = (),
    ) -> None:
        """``lasting`` may be empty; ``keep`` names steps after which a copy is kept.

        Raises:
            UserError: the budget asks for accelerate, or as ``fit``.
            ValueError: as ``fit``.
        """
        if budget.accelerate:
            raise UserError("online training runs in one process; set training.accelerate to false")
        self._clock = (time.perf_counter(), time.process_time())
        self._lm, self._budget, self._seed, self._keep = lm, budget, seed, keep
        model: Any = copy.deepcopy(lm.model)
        model.train(False)
        self._placed = place(model, budget)
        self._optimizer = fresh_optimizer(self._placed, budget)
        self._lasting = [make_source(lm, item, budget, seed) for item in lasting]
        self._done = Progress(np.zeros(budget.steps))
        self._seen: dict[str, int] = {}
        self._cut = sum(source.cut for source in self._lasting)
        self._referenced = False

    def policy(self) -> LanguageModel:
        """The model as it is now; on the CPU it is the one that goes on being trained."""
        model: Any = self._placed.model
        if self._budget.device != "cpu":
            model = copy.deepcopy(model).cpu()
        return dataclasses.replace(self._lm, model=model)

    def learn(self, sets: Sequence[WeightedSet], steps: int) -> None:
        """Take the next ``steps`` steps on the lasting sets and on ``sets``.

        Raises:
            ValueError, UserError: as ``fit``; ValueError for a loss that reads log probabilities of
                the start, which is gone where rows are new.
        """
        active = checked([*(source.item for source in self._lasting), *sets], self._budget)
        own = dataclasses.replace(self._budget, steps=steps)
        span = range(self._done.step, self._done.step + steps)
        fresh = [make_source(self._lm, item, own, self._seed) for item in sets]
        self._cut += sum(source.cut for source in fresh)
        now = [dataclasses.replace(s, order=s.order[span.start : span.stop]) for s in self._lasting]
        self._refer([*now, *fresh])
        take_steps(
            self._placed,
            self._optimizer,
            [*now, *fresh],
            self._budget,
            self._lm.pad_id,
            self._keep,
            States(None, 0, ""),
            self._done,
            span,
        )
        for item in active:
            self._seen[item.name] = self._seen.get(item.name, 0) + steps * self._budget.batch

    def _refer(self, sources: Sequence[Source]) -> None:
        needs = {source.objective.needs for source in sources}
        if "tokens" in needs:
            raise ValueError("a fit in parts takes no loss that compares with its start's answers")
        if "logits" in needs and not self._referenced:
            self._placed.keep_reference()
            self._referenced = True

    def result(self) -> FitResult:
        """What all steps have made; the fit cannot go on after it."""
        done = self._done
        kept: Mapping[int, Any] = done.kept
        model: Any = self._placed.model.cpu()
        return FitResult(
            lm=dataclasses.replace(self._lm, model=model),
            kept={s: dataclasses.replace(self._lm, model=m.cpu()) for s, m in kept.items()},
            losses=done.losses,
            tokens=done.tokens,
            tokens_squared=done.tokens_squared,
            rows_seen=self._seen,
            rows_cut=self._cut,
            wall_s=time.perf_counter() - self._clock[0],
            cpu_s=time.process_time() - self._clock[1],
            reference_tokens=done.reference.tokens,
            reference_tokens_squared=done.reference.tokens_squared,
        )
