"""From rows to token tensors: answer-only targets, and a step's rows in groups of equal length.

A group is small on purpose: at a few hundred tokens the activations of a small model stay in the
processor's cache, which is worth more than fewer, larger matrix products, and rows sorted by length
leave little padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.learning import LIKELIHOOD
from rsft_bench.harness.types import TrainRow

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel

GROUP_TOKENS = 640


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """Token ids of prompt, answer and stop; ``prompt_tokens`` of them are not learnt."""

    ids: tuple[int, ...]
    prompt_tokens: int

    @property
    def inputs(self) -> int:
        """Tokens the model reads: all but the last."""
        return len(self.ids) - 1


@dataclass(frozen=True, slots=True)
class Tree:
    """How sequences of several answers behind one prompt are read.

    Attributes:
        places: position of every token in its own row, shape (rows, time).
        seen: whether a token (second axis) sees another (third), shape (rows, time, time), bool.
    """

    places: Tensor
    seen: Tensor


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that share one forward pass, padded on the right.

    A row is one sequence: a prompt with one answer, or with several where there is a ``tree``.

    Attributes:
        input_ids: shape (rows, time).
        positions: time index of each answer slot, shape (rows, slots), clipped to the last column.
        valid: which slots are real, shape (rows, slots); the n real ones in row order are the
            positions whose next token is learnt.
        targets: next tokens, shape (n,).
        weights: weight of each target's NLL, shape (n,), float32.
        lengths: input tokens of each row, shape (rows,).
        tree: None where every token sees all earlier ones of its row.
        loss: name of the loss of all its rows, with the numbers it reads in ``settings``.
        columns: what else the loss reads, one entry a target, each of shape (n,).
    """

    input_ids: Tensor
    positions: Tensor
    valid: Tensor
    targets: Tensor
    weights: Tensor
    lengths: Tensor
    tree: Tree | None = None
    loss: str = LIKELIHOOD
    settings: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> Group:
        """The same group on a device; itself where it is there already."""
        if self.input_ids.device == device:
            return self
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)
        }
        tree = self.tree and Tree(self.tree.places.to(device), self.tree.seen.to(device))
        columns = {name: column.to(device) for name, column in self.columns.items()}
        return replace(self, **moved, tree=tree, columns=columns)


def encode_rows(lm: LanguageModel, rows: Sequence[TrainRow]) -> tuple[list[EncodedRow], int]:
    """Encode all rows of a set; returns them with the number whose answer had to be cut.

    Raises:
        UserError: a row has no answer token left to learn from.
    """
    prompts: dict[str, list[int]] = {}
    encoded: list[EncodedRow] = []
    cut = 0
    masked: list[str] = []
    for row in rows:
        if row.prompt not in prompts:
            prompts[row.prompt] = list(lm.encode_prompt(row.prompt))
        prompt = prompts[row.prompt]
        answer = list(lm.encode_answer(row.completion))
        room = max(lm.context - len(prompt), 0)
        cut += len(answer) > room
        if not prompt or not answer[:room]:
            masked.append(row.example_id)
        encoded.append(EncodedRow(tuple(prompt + answer[:room]), len(prompt)))
    if masked:
        raise UserError(
            f"{len(masked)} of {len(rows)} training rows have no answer token to learn from, "
            f"first {masked[0]!r}: prompt and answer do not fit the context of {lm.context} tokens"
            " or are empty; shorten the prompts or raise the context"
        )
    return encoded, cut


def grouped(
    rows: Sequence[EncodedRow], weights: Sequence[float], pad_id: int, tokens: int = GROUP_TOKENS
) -> Iterator[Group]:
    """Split a step's rows, longest first, into groups of at most ``tokens`` padded tokens.

    A row longer than ``tokens`` is a group of its own. The split is a function of the rows alone.
    """
    for chosen in chunks([row.inputs for row in rows], tokens):
        yield make_group([rows[i] for i in chosen], [weights[i] for i in chosen], pad_id)


def chunks(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Indices of sequences, longest first, cut where padding to the first passes ``tokens``."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    start = 0
    while start < len(order):
        size = max(tokens // lengths[order[start]], 1)
        yield order[start : start + size]
        start += size


def make_group(rows: Sequence[EncodedRow], weights: Sequence[float], pad_id: int) -> Group:
    """Tensors of one group; see ``Group`` for shapes."""
    lengths = torch.tensor([row.inputs for row in rows])
    time = int(lengths.max())
    slots = max(len(row.ids) - row.prompt_tokens for row in rows)
    input_ids = torch.tensor(
        [row.ids[:-1] + (pad_id,) * (time - row.inputs) for row in rows], dtype=torch.long
    )
    first = torch.tensor([row.prompt_tokens - 1 for row in rows])
    answer = lengths - first
    slot = torch.arange(slots)
    targets = [token for row in rows for token in row.ids[row.prompt_tokens :]]
    return Group(
        input_ids=input_ids,
        positions=(first[:, None] + slot).clamp(max=time - 1),
        valid=slot < answer[:, None],
        targets=torch.tensor(targets, dtype=torch.long),
        weights=torch.repeat_interleave(torch.tensor(weights, dtype=torch.float32), answer),
        lengths=lengths,
    )
