"""States inside a fit: what a killed one goes on from, with the weights it would have reached.

A state is one safetensors file, replaced by one rename: parameters, the optimizer's tensors, the
copies kept so far, losses and counts. Row order and schedule are functions of the step, so nothing
else is needed. Seconds are not kept: they are those of the process that finished.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from rsft_bench.harness.training.batches import Group
from rsft_bench.harness.training.objectives import OBJECTIVES
from rsft_bench.harness.training.sources import Passes
from rsft_bench.harness.types import Budget, FloatArray, WeightedSet

STATE = "state.safetensors"


@dataclass
class Progress:
    """How far a fit is.

    Attributes:
        losses: shape (steps,), those of steps not yet taken are 0.
        step: optimizer steps taken.
        tokens: input tokens computed so far, padding not counted.
        tokens_squared: sum of the squares of the sequences' input tokens.
        kept: copies of the model by step.
        reference: what the reference has read in these steps.
    """

    losses: FloatArray
    step: int = 0
    tokens: int = 0
    tokens_squared: int = 0
    kept: dict[int, Any] = field(default_factory=dict)
    reference: Passes = field(default_factory=Passes)

    def count(self, groups: Sequence[Group]) -> None:
        """Add the tokens of a step; a prompt that answers share counts once."""
        for group in groups:
            self.tokens += int(group.lengths.sum())
            self.tokens_squared += int((group.lengths**2).sum())
        self.reference.count(g for g in groups if OBJECTIVES.get(g.loss).needs == "logits")


@dataclass(frozen=True)
class States:
    """Where and how often one fit's state is written.

    Attributes:
        folder: the fit's own folder; made when first needed. None writes nothing.
        every: steps between two states; 0 writes nothing.
        identity: what a state must state to be taken up.
    """

    folder: Path | None
    every: int
    identity: str

    def due(self, progress: Progress) -> bool:
        """Whether a state is to be written now; after the last step there is nothing to save."""
        if self.folder is None or self.every == 0:
            return False
        return progress.step % self.every == 0 and progress.step < len(progress.losses)

    def write(self, model: nn.Module, optimizer: torch.optim.Optimizer, at: Progress) -> None:
        """Write the state; a crash meanwhile leaves the earlier one."""
        assert self.folder is not None
        tensors: dict[str, Tensor] = {f"model.{name}": p for name, p in model.named_parameters()}
        for i, p in enumerate(_parameters(model)):
            tensors |= {f"optimizer.{i}.{name}": t for name, t in optimizer.state[p].items()}
        for step, kept in at.kept.items():
            tensors |= {f"kept.{step}.{name}": p for name, p in kept.named_parameters()}
        tensors["losses"] = torch.from_numpy(at.losses)
        read = at.reference
        tensors["counts"] = torch.tensor(
            [at.step, at.tokens, at.tokens_squared, read.tokens, read.tokens_squared]
        )
        plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / f"{os.getpid()}.new"
        save_file(plain, new, {"identity": self.identity})
        new.replace(self.folder / STATE)

    def read(self, model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> Progress:
        """Put the state into model and optimizer; the beginning where there is none of this fit."""
        found = self._tensors()
        if found is None:
            return Progress(np.zeros(steps))
        _fill(model, found, "model.")
        for i, p in enumerate(_parameters(model)):
            own = f"optimizer.{i}."
            # AdamW keeps its step count in float32 on the parameter's device, as saved.
            optimizer.state[p] = {
                name.removeprefix(own): t.to(p.device)
                for name, t in found.items()
                if name.startswith(own)
            }
        step, tokens, squared, *read = (int(n) for n in found["counts"])
        kept: dict[int, Any] = {}
        for number in sorted({int(n.split(".")[1]) for n in found if n.startswith("kept.")}):
            kept[number] = copy.deepcopy(model)
            _fill(kept[number], found, f"kept.{number}.")
        losses = found["losses"].numpy().copy()
        return Progress(losses, step, tokens, squared, kept, Passes(*read))

    def clear(self) -> None:
        """Delete the state; absent is fine."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _tensors(self) -> Mapping[str, Tensor] | None:
        """The file's tensors; None where it is absent, damaged or another fit's."""
        if self.folder is None or self.every == 0 or not (self.folder / STATE).is_file():
            return None
        try:
            with safe_open(self.folder / STATE, "pt") as file:
                if (file.metadata() or {}).get("identity") != self.identity:
                    return None
                return {name: file.get_tensor(name) for name in file.keys()}
        except (OSError, SafetensorError):
            return None


def identity(
    model: nn.Module, sets: Sequence[WeightedSet], budget: Budget, seed: int, keep: Sequence[int]
) -> str:
    """Hash of everything a fit's weights follow from; how often it is saved is left out."""
    h = hashlib.sha256()
    settings = dataclasses.replace(budget, save_every=0)
    h.update(repr((settings, seed, sorted(keep), tuple(sets))).encode())
    for name, parameter in model.named_parameters():
        h.update(name.encode())
        raw = parameter.detach().cpu().contiguous().flatten().view(torch.uint8)
        h.update(raw.numpy().tobytes())
    return h.hexdigest()


def _parameters(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def _fill(model: nn.Module, found: Mapping[str, Tensor], prefix: str) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(found[prefix + name])
