"""Encoded sets, the reference's log probabilities of their rows, and the groups of one step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from rsft_bench.harness.learning import LIKELIHOOD, Budget, TrainRow, WeightedSet
from rsft_bench.harness.training.batches import (
    GROUP_TOKENS,
    EncodedRow,
    Group,
    chunks,
    encode_rows,
    make_group,
)
from rsft_bench.harness.training.forwards import Forward
from rsft_bench.harness.training.objectives import OBJECTIVES, Objective
from rsft_bench.harness.training.order import row_order
from rsft_bench.harness.training.sharing import step_groups
from rsft_bench.harness.types import IntArray

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel


@dataclass(frozen=True)
class Source:
    """An encoded set.

    Attributes:
        item: the set.
        units: what is drawn as one: a row, or a chosen and a rejected answer; shape (rows,).
        weights: coefficient * (rows / B) * w_i, shape (rows,).
        order: unit of every draw, shape (steps, B).
        cut: answers that lost their end to the context.
        reference: by unit that is drawn at all, the reference's log probabilities in nats of its
            answers' tokens, end to end; empty where the loss reads none.
    """

    item: WeightedSet
    units: list[tuple[EncodedRow, ...]]
    weights: list[float]
    order: IntArray
    cut: int
    reference: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def objective(self) -> Objective:
        """What its rows are trained for."""
        return OBJECTIVES.get(self.item.loss)


def make_source(lm: LanguageModel, item: WeightedSet, budget: Budget, seed: int) -> Source:
    """Encode a set. Raises UserError as ``encode_rows``."""
    rows, cut = encode_rows(lm, item.rows)
    units: list[tuple[EncodedRow, ...]] = [(row,) for row in rows]
    if OBJECTIVES.get(item.loss).pairs:
        others, also = encode_rows(lm, [_other(row) for row in item.rows])
        units, cut = list(zip(rows, others, strict=True)), cut + also
    scale = item.coefficient * len(rows) / budget.batch
    order = row_order(seed, item.stream, len(rows), budget.batch, budget.steps)
    return Source(item, units, [scale * row.weight for row in item.rows], order, cut)


def _other(row: TrainRow) -> TrainRow:
    assert row.other is not None, "a pair without a rejected answer passed the check of its set"
    return dataclasses.replace(row, completion=row.other)


@dataclass
class Passes:
    """Input tokens of the reference's forward passes, and the sum of their squares a sequence."""

    tokens: int = 0
    tokens_squared: int = 0

    def count(self, groups: Iterable[Group]) -> None:
        """Add groups that the reference has read; padding is not counted."""
        for group in groups:
            self.tokens += int(group.lengths.sum())
            self.tokens_squared += int((group.lengths**2).sum())


def with_reference(
    source: Source, forward: Forward, pad_id: int, device: torch.device
) -> tuple[Source, Passes]:
    """The source with its reference filled in by ``forward``, and what that took.

    Every unit that some step draws is read once. A source whose loss reads no log probabilities
    comes back as it is.
    """
    passes = Passes()
    if source.objective.needs != "tokens":
        return source, passes
    drawn = sorted({int(i) for i in source.order.flat})
    rows = [row for i in drawn for row in source.units[i]]
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    with torch.no_grad():
        forward.begin()
        for chosen in chunks([row.inputs for row in rows], GROUP_TOKENS):
            members = [rows[i] for i in chosen]
            group = make_group(members, [1.0] * len(chosen), pad_id)
            passes.count([group])
            group = group.to(device)
            logp = -F.cross_entropy(forward.logits(group), group.targets, reduction="none").cpu()
            sizes = [len(row.ids) - row.prompt_tokens for row in members]
            for i, part in zip(chosen, torch.split(logp, sizes), strict=True):
                found[i] = part
    known: dict[int, Tensor] = {}
    at = 0
    for i in drawn:
        size = len(source.units[i])
        known[i] = torch.cat(found[at : at + size])
        at += size
    return dataclasses.replace(source, reference=known), passes


def groups_of(sources: Sequence[Source], step: int, share: bool, pad_id: int) -> list[Group]:
    """The rows of one step of all sets in groups, those of one loss together."""
    kinds: list[list[Source]] = []
    for source in sources:
        same = [k for k in kinds if _kind(k[0]) == _kind(source)]
        if same:
            same[0].append(source)
        else:
            kinds.append([source])
    return [group for kind in kinds for group in _one_kind(kind, step, share, pad_id)]


def _kind(source: Source) -> tuple[str, Mapping[str, float]]:
    return source.item.loss, source.item.settings


def _one_kind(sources: Sequence[Source], step: int, share: bool, pad_id: int) -> list[Group]:
    loss, settings = _kind(sources[0])
    drawn = [(source, int(i)) for source in sources for i in source.order[step]]
    if sources[0].objective.needs == "tokens":
        return [
            dataclasses.replace(group, loss=loss, settings=settings)
            for group in _unit_groups(drawn, pad_id)
        ]
    rows = [source.units[i][0] for source, i in drawn]
    groups = step_groups(rows, [source.weights[i] for source, i in drawn], pad_id, share)
    if loss == LIKELIHOOD:
        return groups
    return [dataclasses.replace(group, loss=loss, settings=settings) for group in groups]


def _unit_groups(drawn: Sequence[tuple[Source, int]], pad_id: int) -> list[Group]:
    """Groups whose rows carry their reference; a pair's answers stand one after the other."""
    units = [source.units[i] for source, i in drawn]
    # Both answers of a pair are padded to the longer one.
    lengths = [len(unit) * max(row.inputs for row in unit) for unit in units]
    groups = []
    for chosen in chunks(lengths, GROUP_TOKENS):
        members = [row for at in chosen for row in units[at]]
        weights = [
            source.weights[i] for source, i in (drawn[at] for at in chosen) for _ in units[0]
        ]
        columns = [_columns(*drawn[at]) for at in chosen]
        joined = {name: torch.cat([c[name] for c in columns]) for name in columns[0]}
        groups.append(dataclasses.replace(make_group(members, weights, pad_id), columns=joined))
    return groups


def _columns(source: Source, i: int) -> dict[str, Tensor]:
    """What a loss reads of one unit beside its tokens, one entry a target."""
    row, reference = source.item.rows[i], source.reference[i]
    return {
        "reference": reference,
        "accepted": torch.full(reference.shape, row.accepted),
        "rate": torch.full(reference.shape, row.rate),
    }
