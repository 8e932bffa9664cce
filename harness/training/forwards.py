"""The forward pass that training uses for a model: our own for a plain Llama, else the model's."""

from __future__ import annotations

import copy
import inspect
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rsft_bench.harness.training.batches import Group
from rsft_bench.harness.training.llama import LlamaForward, supported


class Forward(Protocol):
    """One optimizer step is ``begin``, then ``logits`` with backward a group, then ``finish``.

    ``shares``: whether it reads groups whose answers share their prompt.
    """

    shares: bool

    def begin(self) -> None:
        """Prepare for a step with the current parameters."""

    def logits(self, group: Group) -> Tensor:
        """Next-token logits at the group's real answer slots in row order, (n, vocabulary)."""

    def finish(self) -> None:
        """Leave the step's gradients in ``grad`` of the model's parameters."""


class ModelForward:
    """The model's own forward, for any Hugging Face causal LM that takes an attention mask.

    Not every architecture takes a mask of its own for each token, so prompts are not shared.
    """

    shares = False

    def __init__(self, model: nn.Module) -> None:
        """``model`` is used as it is, never copied."""
        self._model: Any = model
        self._keeps = "logits_to_keep" in inspect.signature(self._model.forward).parameters

    def begin(self) -> None:
        """Nothing to prepare."""

    def logits(self, group: Group) -> Tensor:
        """Vocabulary logits are made from the group's first answer position on."""
        time, device = group.input_ids.shape[1], group.input_ids.device
        first = int(group.positions.min()) if self._keeps else 0
        keep = {"logits_to_keep": torch.arange(first, time, device=device)} if self._keeps else {}
        mask = (torch.arange(time, device=device) < group.lengths[:, None]).long()
        logits: Tensor = self._model(
            input_ids=group.input_ids, attention_mask=mask, use_cache=False, **keep
        ).logits
        row = torch.arange(logits.shape[0], device=device)[:, None]
        return logits[row, group.positions - first][group.valid]

    def finish(self) -> None:
        """Gradients are already in place."""


class Referenced:
    """A forward beside that of a model which is not trained, for losses that read its logits."""

    def __init__(self, forward: Forward, model: nn.Module) -> None:
        """``model`` is copied and the copy read by a forward of the same kind as ``forward``."""
        kind: Any = type(forward)
        reference: Forward = kind(copy.deepcopy(model))
        self._forward, self._reference = forward, reference
        self.shares = forward.shares and reference.shares
        with torch.no_grad():
            reference.begin()

    def begin(self) -> None:
        """Prepare the trained model for a step."""
        self._forward.begin()

    def logits(self, group: Group) -> Tensor:
        """The trained model's logits."""
        return self._forward.logits(group)

    def reference(self, group: Group) -> Tensor:
        """The reference's logits at the same slots, (n, vocabulary), without gradients."""
        with torch.no_grad():
            return self._reference.logits(group)

    def finish(self) -> None:
        """Leave the gradients in the trained model's parameters."""
        self._forward.finish()


def forward_for(model: nn.Module) -> Forward:
    """The faster forward that computes the model's function."""
    return LlamaForward(model) if supported(model) else ModelForward(model)
