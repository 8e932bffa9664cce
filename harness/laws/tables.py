"""Training on a table of answers: the categorical policy's fit, and the trainer's losses on logits.

Torch is loaded only where a loss is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rsft_bench.harness.learning import Budget, TrainRow, WeightedSet
from rsft_bench.harness.policies import categorical
from rsft_bench.harness.types import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

ONE_STEP = Budget(steps=1, batch=1, lr=1.0)


def prompt_of(context: str, size: int) -> str:
    """A prompt of the categorical policy with answers 0, 1, ..."""
    return f"Context: {context}\nChoices: {' | '.join(map(str, range(size)))}"


def start(laws: Mapping[str, FloatArray]) -> categorical.Categorical:
    """A policy with these laws, by context."""
    return categorical.from_probabilities(
        {c: {str(y): float(x) for y, x in enumerate(law)} for c, law in laws.items()}
    )


def law_of(policy: categorical.Categorical, context: str, size: int) -> FloatArray:
    """Its law in one context, (size,)."""
    return policy.law(prompt_of(context, size))[1]


def rows(
    contexts: Sequence[str], answers: Sequence[int], weights: FloatArray, size: int
) -> tuple[TrainRow, ...]:
    """Training rows of the categorical policy."""
    return tuple(
        TrainRow(c, prompt_of(c, size), str(y), float(w))
        for c, y, w in zip(contexts, answers, weights, strict=True)
    )


def fitted(p: FloatArray, mass: FloatArray) -> FloatArray:
    """The categorical policy of law ``p`` (m,) after an exact fit to ``mass`` (m,) alone."""
    size = len(p)
    said = rows(["x"] * size, range(size), mass, size)
    trained = refitted(start({"x": p}), [WeightedSet("A", said, 1.0, "train-A")])
    return law_of(trained, "x", size)


def refitted(
    policy: categorical.Categorical, sets: Sequence[WeightedSet]
) -> categorical.Categorical:
    """The policy after one exact fit."""
    trained = policy.fit(sets, ONE_STEP, 0).policy
    assert isinstance(trained, categorical.Categorical)
    return trained


def table_loss(
    loss: str,
    answers: Sequence[int],
    weights: FloatArray,
    reference: FloatArray,
    settings: Mapping[str, float],
    accepted: Sequence[bool] = (),
    rates: Sequence[float] = (),
) -> Callable[[Tensor], Tensor]:
    """A registered loss of one-token answers as a function of the table's log probabilities (m,).

    Args:
        loss: name of the loss.
        answers: the answer of each row, shape (n,); pairs stand chosen, rejected, chosen, ...
        weights: w_i, shape (n,).
        reference: law the fit starts from, shape (m,).
        settings: numbers of the loss.
        accepted: verdict of each row, for ``nft``.
        rates: the prompt's share of accepted answers of each row, for ``nft``.
    """
    import torch

    from rsft_bench.harness.training import batches, objectives

    chosen = torch.tensor(list(answers))
    number = len(chosen)
    before = torch.from_numpy(np.log(np.asarray(reference, dtype=np.float64)))
    columns = {"reference": before[chosen], "reference_logits": before.expand(number, -1)}
    if accepted:
        columns["accepted"] = torch.tensor(list(accepted))
        columns["rate"] = torch.tensor(list(rates), dtype=torch.float64)
    group = batches.Group(
        input_ids=torch.zeros((number, 1), dtype=torch.long),
        positions=torch.zeros((number, 1), dtype=torch.long),
        valid=torch.ones((number, 1), dtype=torch.bool),
        targets=chosen,
        weights=torch.from_numpy(np.array(weights, dtype=np.float64)),
        lengths=torch.ones(number, dtype=torch.long),
        loss=loss,
        settings=settings,
        columns=columns,
    )
    objective = objectives.OBJECTIVES.get(loss)

    def value(logp: Tensor) -> Tensor:
        return objective.loss(logp.expand(number, -1), group)

    return value
