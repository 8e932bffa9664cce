"""The one trainer: weighted likelihood over one or two sets, for every arm that trains.

A step minimises sum over sets of coefficient * (rows / B) * sum over the batch of w_i NLL_i, with
NLL_i summed over answer tokens and stop. The denominator is fixed, so the expectation of a step's
gradient is the gradient of the whole objective (protocol.md section 3). A step's rows go through
the model in small groups whose gradients add up before the one update: that loop over groups is the
gradient accumulation, so ``batch`` may be as large as wanted in the memory of one group.
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
import torch.nn.functional as F

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.training.batches import EncodedRow, Group, encode_rows
from rsft_bench.harness.training.forwards import Forward
from rsft_bench.harness.training.order import row_order
from rsft_bench.harness.training.placement import Placement, place
from rsft_bench.harness.training.resume import Progress, States, identity
from rsft_bench.harness.training.schedules import SCHEDULES, learning_rate
from rsft_bench.harness.training.sharing import step_groups
from rsft_bench.harness.types import Budget, FloatArray, IntArray, WeightedSet

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


@dataclass(frozen=True)
class _Source:
    """An encoded set: ``weights`` hold coefficient * (rows / B) * w_i, ``order`` (steps, B)."""

    rows: list[EncodedRow]
    weights: list[float]
    order: IntArray


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
    deletes the folder when it has stored the result.

    Raises:
        ValueError: no set with a positive coefficient, an empty set, or an unusable budget, weight
            or coefficient.
        UserError: rows without an answer token to learn from, a loss that is not finite, or a
            device or package that is not there.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    active = _checked(sets, budget)
    encoded = {item.name: encode_rows(lm, item.rows) for item in active}
    sources = [_source(item, encoded[item.name][0], budget, seed) for item in active]
    model: Any = copy.deepcopy(lm.model)
    model.train(False)
    saves = partial is not None and budget.save_every > 0
    name = identity(model, active, budget, seed, keep) if saves else ""
    states = States(partial, budget.save_every, name)
    done = _train(place(model, budget), sources, budget, lm.pad_id, keep, states)
    return FitResult(
        lm=dataclasses.replace(lm, model=model.cpu()),
        kept={step: dataclasses.replace(lm, model=kept.cpu()) for step, kept in done.kept.items()},
        losses=done.losses,
        tokens=done.tokens,
        tokens_squared=done.tokens_squared,
        rows_seen={item.name: budget.steps * budget.batch for item in active},
        rows_cut=sum(cut for _, cut in encoded.values()),
        wall_s=time.perf_counter() - wall,
        cpu_s=time.process_time() - cpu,
    )


def step_loss(forward: Forward, groups: Sequence[Group]) -> float:
    """Loss of one step; its gradients are added to the model's parameters."""
    forward.begin()
    total = 0.0
    for group in groups:
        nll = F.cross_entropy(forward.logits(group), group.targets, reduction="none")
        loss = torch.dot(nll, group.weights)
        loss.backward()
        total += loss.item()
    forward.finish()
    return total


def _checked(sets: Sequence[WeightedSet], budget: Budget) -> list[WeightedSet]:
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
    active = [item for item in sets if item.coefficient > 0]
    if not active:
        raise ValueError("no training set has a positive coefficient")
    if len({item.name for item in active}) < len(active):
        raise ValueError(f"training sets share a name: {[item.name for item in active]}")
    return active


def _source(item: WeightedSet, rows: list[EncodedRow], budget: Budget, seed: int) -> _Source:
    scale = item.coefficient * len(rows) / budget.batch
    order = row_order(seed, item.stream, len(rows), budget.batch, budget.steps)
    return _Source(rows, [scale * row.weight for row in item.rows], order)


def _groups(sources: Sequence[_Source], step: int, share: bool, pad_id: int) -> list[Group]:
    """The rows of one step of all sets, in groups."""
    drawn = [(source, i) for source in sources for i in source.order[step]]
    rows = [source.rows[i] for source, i in drawn]
    return step_groups(rows, [source.weights[i] for source, i in drawn], pad_id, share)


def _train(
    placed: Placement,
    sources: Sequence[_Source],
    budget: Budget,
    pad_id: int,
    keep: Sequence[int],
    states: States,
) -> Progress:
    parameters = [p for p in placed.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=budget.lr, weight_decay=budget.weight_decay, fused=True
    )
    share = budget.share_prefix == "auto" and placed.forward.shares
    done = states.read(placed.model, optimizer, budget.steps)
    for step in range(done.step, budget.steps):
        for settings in optimizer.param_groups:
            settings["lr"] = learning_rate(step, budget)
        groups = _groups(sources, step, share, pad_id)
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
    return done
