"""Where a fit computes: one process on one device, or the processes that accelerate runs in.

Both give the loop the same four things: a model, its forward, a process's part of a step's groups,
and the step's loss and gradients summed over processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.training.batches import Group
from rsft_bench.harness.training.forwards import Forward, ModelForward, Referenced, forward_for
from rsft_bench.harness.types import Budget


class Placement:
    """One process and one device."""

    writes: bool = True
    """Whether this process is the one that writes states."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        """``model`` is moved to ``device``."""
        self.model = model.to(device)
        self.device = device
        self.forward: Forward = forward_for(self.model)

    def keep_reference(self) -> None:
        """Stand the model as it is now beside the one that goes on being trained."""
        self.forward = Referenced(self.forward, self.model)

    def part(self, groups: Sequence[Group]) -> list[Group]:
        """The groups that this process computes, on its device."""
        return [group.to(self.device) for group in groups]

    def summed(self, loss: float) -> float:
        """Loss over all processes; gradients are summed in place likewise."""
        return loss


class Accelerated(Placement):
    """Placement and data parallelism by accelerate, with the model's own forward.

    Every process draws the same step and takes every n-th of its groups; losses and gradients are
    then summed, not averaged, because a step's denominator is fixed. Weights stay equal in all
    processes, which is all that data parallelism asks of them, so the model is not wrapped. The
    other forward rounds differently: AdamW moved weights by 2e-5 of each other in 6 steps at 1e-2.
    """

    def __init__(self, model: nn.Module, device: str) -> None:
        """``device`` ``cpu`` keeps accelerate off a GPU that is there."""
        self._accelerator: Any = _accelerator()(cpu=device == "cpu", mixed_precision="no")
        prepared = self._accelerator.prepare_model(model, evaluation_mode=True)
        super().__init__(prepared, self._accelerator.device)
        self.forward = ModelForward(self.model)
        self.writes = bool(self._accelerator.is_main_process)

    def part(self, groups: Sequence[Group]) -> list[Group]:
        """Every n-th group, n the number of processes."""
        rank, count = self._accelerator.process_index, self._accelerator.num_processes
        return super().part(groups[rank::count])

    def summed(self, loss: float) -> float:
        """One reduction a parameter; a process without groups adds zeros."""
        if self._accelerator.num_processes == 1:
            return loss
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = self._accelerator.reduce(own, reduction="sum")
        total: Tensor = torch.tensor(loss, dtype=torch.float32, device=self.device)
        return float(self._accelerator.reduce(total, reduction="sum"))


def place(model: nn.Module, budget: Budget) -> Placement:
    """Put a model where the budget asks for it.

    Raises:
        UserError: the device is not there, or accelerate is asked for and not installed.
    """
    if budget.device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "training.device = 'cuda', but torch finds no such device here; set it to 'cpu'"
        )
    if budget.accelerate:
        return Accelerated(model, budget.device)
    return Placement(model, torch.device(budget.device))


def _accelerator() -> Any:
    """The class ``accelerate.Accelerator``, imported only when it is asked for."""
    try:
        from accelerate import Accelerator
    except ImportError:
        raise UserError(
            "training.accelerate needs the package accelerate: pip install 'rsft-bench[gpu]', "
            "or set it to false"
        ) from None
    return Accelerator
