"""What a trainer is given: rows, weighted sets with their loss, and a budget. Kernel module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LIKELIHOOD = "likelihood"
#: Losses of a set and the positive numbers that each must be given; see ``training.objectives``.
LOSSES: Mapping[str, tuple[str, ...]] = {
    LIKELIHOOD: (),
    "anchored": ("anchor",),
    "unlikelihood": ("floor",),
    "nft": ("epsilon",),
    "preference": ("beta",),
}


@dataclass(frozen=True, slots=True)
class TrainRow:
    """One (prompt, completion) pair to learn. ``weight`` is w_i of the objective, see training.

    ``other`` is the answer that ``completion`` is preferred to, read by loss ``preference``;
    ``accepted`` and ``rate``, the prompt's share of accepted answers in (0, 1], by loss ``nft``.
    """

    example_id: str
    prompt: str
    completion: str
    weight: float
    other: str | None = None
    accepted: bool = True
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class WeightedSet:
    """Rows whose estimate of their term is (len(rows)/B) * sum over a batch of w_i loss_i.

    ``coefficient`` multiplies the term: 1/(1+lambda) for D, lambda/(1+lambda) for A.
    ``stream`` names the order stream: ``train-D`` or ``train-A``. ``loss`` is a name of ``LOSSES``
    and ``settings`` its numbers; a loss that needs a reference takes the model a fit starts from.
    """

    name: str
    rows: tuple[TrainRow, ...]
    coefficient: float
    stream: str
    loss: str = LIKELIHOOD
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Budget:
    """Training budget: ``steps`` optimizer steps of ``batch`` rows from every set, and how."""

    steps: int
    batch: int
    lr: float
    warmup: float = 0.1
    clip: float = 1.0
    weight_decay: float = 0.0
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    share_prefix: Literal["auto", "off"] = "off"
    save_every: int = 0
    accelerate: bool = False
    device: Literal["cpu", "cuda"] = "cpu"
