"""The one trainer: weighted losses over one or more sets, for every arm that trains.

A step minimises sum over sets of coefficient * (rows / B) * sum over the batch of w_i loss_i, with
loss_i the NLL summed over answer tokens and stop, or another of ``objectives``. The denominator is
fixed, so the expectation of a step's gradient is the gradient of the whole objective (protocol.md
section 3). A step's rows go through the model in small groups whose gradients add up before the one
update: that loop over groups is the gradient accumulation, so ``batch`` may be as large as wanted
in the memory of one group.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.learning import LOSSES, Budget, WeightedSet
from rsft_bench.harness.training.batches import Group
from rsft_bench.harness.training.forwards import Forward
from rsft_bench.harness.training.objectives import group_loss
from rsft_bench.harness.training.placement import Placement, place
from rsft_bench.harness.training.resume import Progress, States, identity
from rsft_bench.harness.training.schedules import SCHEDULES, learning_rate
from rsft_bench.harness.training.sources import (
    Passes,
    Source,
    groups_of,
    make_source,
    with_reference,
)
from rsft_bench.harness.types import FloatArray

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel


@dataclass(frozen=True)
class FitResult:
    """A trained model and what training it took.

    Attributes:
        lm: the new model; the one passed in is unchanged.
        kept: copies of the model after the steps asked for, by step.
        losses: objective estimate of each step before its update, nats per mean D answer token at
            ``prompt`` normalisation, shape (steps,).
        tokens: input tokens each time they are computed, padding not counted; a prompt that
            answers share counts once.
        tokens_squared: sum over the sequences computed of the square of their input tokens, for
            the cost of attention; a sequence is one row, or the rows that share their prompt.
        rows_seen: rows drawn from each set by name; divided by the set's rows it is the epochs.
        rows_cut: rows whose answer lost its end to the context.
        wall_s: seconds on the clock, after a resumption those since then.
        cpu_s: processor seconds of this process.
        reference_tokens: input tokens that the model a fit starts from has read beside the trained
            one, for a loss that compares them; a forward pass each. ``reference_tokens_squared`` as
            ``tokens_squared``.
    """

    lm: LanguageModel
    kept: Mapping[int, LanguageModel]
    losses: FloatArray
    tokens: int
    tokens_squared: int
    rows_seen: Mapping[str, int]
    rows_cut: int
    wall_s: float
    cpu_s: float
    reference_tokens: int = 0
    reference_tokens_squared: int = 0


def fit(
    lm: LanguageModel,
    sets: Sequence[WeightedSet],
    budget: Budget,
    seed: int,
    keep: Sequence[int] = (),
    partial: Path | None = None,
) -> FitResult:
    """Train a copy of ``lm`` for ``budget.steps`` steps of ``budget.batch`` rows of every set.

    Fresh AdamW, the budget's schedule, gradients clipped to norm ``budget.clip``, no dropout. A set
    with coefficient 0 is ignored, so lambda = 0 is training on D alone. With one torch thread a
    second call gives the same weights bit for bit. ``keep`` names steps after which a copy of the
    model is kept; the schedule does not change. With ``budget.save_every`` the state is written to
    the folder ``partial`` and a later equal call goes on from it to the same bits; the caller
    deletes the folder when it has stored the result. The reference of a loss is ``lm`` itself.

    Raises:
        ValueError: no set with a positive coefficient, an empty set, or an unusable budget, weight,
            coefficient or loss.
        UserError: rows without an answer token to learn from, a loss that is not finite, or a
            device or package that is not there.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    active = checked(sets, budget)
    sources = [make_source(lm, item, budget, seed) for item in active]
    model: Any = copy.deepcopy(lm.model)
    model.train(False)
    saves = partial is not None and budget.save_every > 0
    name = identity(model, active, budget, seed, keep) if saves else ""
    states = States(partial, budget.save_every, name)
    placed = place(model, budget)
    sources, before = _with_references(placed, sources, lm.pad_id)
    done = _train(placed, sources, budget, lm.pad_id, keep, states)
    return FitResult(
        lm=dataclasses.replace(lm, model=model.cpu()),
        kept={step: dataclasses.replace(lm, model=kept.cpu()) for step, kept in done.kept.items()},
        losses=done.losses,
        tokens=done.tokens,
        tokens_squared=done.tokens_squared,
        rows_seen={item.name: budget.steps * budget.batch for item in active},
        rows_cut=sum(source.cut for source in sources),
        wall_s=time.perf_counter() - wall,
        cpu_s=time.process_time() - cpu,
        reference_tokens=before.tokens + done.reference.tokens,
        reference_tokens_squared=before.tokens_squared + done.reference.tokens_squared,
    )


def _with_references(
    placed: Placement, sources: Sequence[Source], pad_id: int
) -> tuple[list[Source], Passes]:
    """Sources with what the model knows of them before training; the model kept where asked."""
    known, total = [], Passes()
    for source in sources:
        filled, passes = with_reference(source, placed.forward, pad_id, placed.device)
        known.append(filled)
        total.tokens += passes.tokens
        total.tokens_squared += passes.tokens_squared
    if any(source.objective.needs == "logits" for source in sources):
        placed.keep_reference()
    return known, total


def step_loss(forward: Forward, groups: Sequence[Group]) -> float:
    """Loss of one step; its gradients are added to the model's parameters."""
    forward.begin()
    total = 0.0
    for group in groups:
        loss = group_loss(forward, group)
        loss.backward()
        total += loss.item()
    forward.finish()
    return total


def checked(sets: Sequence[WeightedSet], budget: Budget) -> list[WeightedSet]:
    """Sets with a positive coefficient. Raises ValueError as ``fit``."""
    if budget.steps < 0 or budget.batch < 1 or not budget.lr > 0 or not budget.clip > 0:
        raise ValueError(f"unusable training budget {budget}")
    if not 0 <= budget.warmup <= 1:
        raise ValueError(f"warmup must lie in [0, 1], not {budget.warmup}")
    if budget.schedule not in SCHEDULES or budget.save_every < 0:
        raise ValueError(f"unusable training budget {budget}: schedules are {SCHEDULES}")
    for item in sets:
        weights = np.asarray([row.weight for row in item.rows])
        if not item.rows:
            raise ValueError(f"training set {item.name!r} is empty")
        if not (math.isfinite(item.coefficient) and item.coefficient >= 0):
            raise ValueError(f"coefficient of {item.name!r} is {item.coefficient}")
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError(f"training set {item.name!r} has a negative or non-finite weight")
        _check_loss(item)
    active = [item for item in sets if item.coefficient > 0]
    if not active:
        raise ValueError("no training set has a positive coefficient")
    if len({item.name for item in active}) < len(active):
        raise ValueError(f"training sets share a name: {[item.name for item in active]}")
    return active


def _check_loss(item: WeightedSet) -> None:
    """Raise ValueError where a set lacks what its loss reads."""
    expected = LOSSES.get(item.loss)
    if expected is None or set(item.settings) != set(expected):
        raise ValueError(
            f"training set {item.name!r}: loss {item.loss!r} with {dict(item.settings)}; "
            f"losses and their settings are {dict(LOSSES)}"
        )
    if not all(value > 0 and math.isfinite(value) for value in item.settings.values()):
        raise ValueError(f"training set {item.name!r}: unusable {dict(item.settings)}")
    if item.loss == "preference" and any(row.other is None for row in item.rows):
        raise ValueError(f"training set {item.name!r} has a row without a rejected answer")
    rates = [row.rate for row in item.rows if not row.accepted]
    if item.loss == "nft" and not all(0 <= rate < 1 for rate in rates):
        raise ValueError(f"training set {item.name!r} has a rejected row of rate outside [0, 1)")


def _train(
    placed: Placement,
    sources: Sequence[Source],
    budget: Budget,
    pad_id: int,
    keep: Sequence[int],
    states: States,
) -> Progress:
    optimizer = fresh_optimizer(placed, budget)
    done = states.read(placed.model, optimizer, budget.steps)
    take_steps(placed, optimizer, sources, budget, pad_id, keep, states, done, range(budget.steps))
    return done


def fresh_optimizer(placed: Placement, budget: Budget) -> torch.optim.Optimizer:
    """AdamW over what can be trained."""
    parameters = [p for p in placed.model.parameters() if p.requires_grad]
    return torch.optim.AdamW(parameters, lr=budget.lr, weight_decay=budget.weight_decay, fused=True)


def take_steps(
    placed: Placement,
    optimizer: torch.optim.Optimizer,
    sources: Sequence[Source],
    budget: Budget,
    pad_id: int,
    keep: Sequence[int],
    states: States,
    done: Progress,
    span: range,
) -> None:
    """Those of the steps of ``span`` that ``done`` has not taken; ``done`` is brought up to date.

    ``sources`` hold the draws of these steps, the first of ``span`` first.
    """
    parameters = [p for p in placed.model.parameters() if p.requires_grad]
    share = budget.share_prefix == "auto" and placed.forward.shares
    for step in range(done.step, span.stop):
        for settings in optimizer.param_groups:
            settings["lr"] = learning_rate(step, budget)
        groups = groups_of(sources, step - span.start, share, pad_id)
        loss = placed.summed(step_loss(placed.forward, placed.part(groups)))
        if not math.isfinite(loss):
            states.clear()
            raise UserError(
                f"training diverged at step {step + 1} of {budget.steps} (loss {loss}); "
                f"lower training.lr, now {budget.lr:g}"
            )
        torch.nn.utils.clip_grad_norm_(parameters, budget.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done.losses[step], done.step = loss, step + 1
        done.count(groups)
        if step + 1 in keep:
            done.kept[step + 1] = copy.deepcopy(placed.model)
        if placed.writes and states.due(done):
            states.write(placed.model, optimizer, done)
