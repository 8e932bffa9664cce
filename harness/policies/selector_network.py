"""The classifier's network, 100-50-m with ReLU: its start, its law, and training by torch.

``train`` is one way to take ``Steps``; ``selector_keras`` has the other. Torch is imported late:
only training needs it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.policies.exact import softmax
from rsft_bench.harness.policies.selector_features import FEATURES
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.training.order import row_order
from rsft_bench.harness.training.schedules import learning_rate
from rsft_bench.harness.types import Budget, FloatArray, IntArray, WeightedSet

if TYPE_CHECKING:
    from torch import Tensor

HIDDEN = 50
Array: TypeAlias = NDArray[np.float32]
Loss: TypeAlias = Literal["logits", "softmax"]


class Layers(NamedTuple):
    """Weights: ``hidden`` (50, 100), ``hidden_bias`` (50,), ``out`` (m, 50), ``out_bias`` (m,)."""

    hidden: Array
    hidden_bias: Array
    out: Array
    out_bias: Array


@dataclass(frozen=True, eq=False)
class Steps:
    """All that training reads.

    Attributes:
        inputs: features of every row of every set, (n, 100).
        labels: place of every row's answer, (n,).
        rows: rows of each step, all sets side by side, (steps, batch * sets).
        weights: coefficient * (set's rows / batch) * w_i of each, same shape. A step's loss is
            their weighted sum of cross-entropies: protocol.md section 3, a fixed denominator.
    """

    inputs: Array
    labels: IntArray
    rows: IntArray
    weights: Array


class Learnt(NamedTuple):
    """Layers after training, the loss before each step, layers after the steps asked for."""

    layers: Layers
    losses: tuple[float, ...]
    kept: dict[int, Layers]


def initial(seed: int, choices: int) -> Layers:
    """Keyed start, uniform in +-1/sqrt(inputs of the layer): torch's own default for a layer."""

    def layer(name: str, rows: int, columns: int) -> tuple[Array, Array]:
        rng, bound = stream(seed, "selector-base", name), 1 / math.sqrt(columns)
        weights = rng.uniform(-bound, bound, (rows, columns))
        return weights.astype(np.float32), rng.uniform(-bound, bound, rows).astype(np.float32)

    return Layers(*layer("hidden", HIDDEN, FEATURES), *layer("out", choices, HIDDEN))


def law(layers: Layers, features: FloatArray) -> FloatArray:
    """Probabilities (m,) of one prompt's features (100,), in float64.

    One prompt at a time: the sums of a larger product may be taken in another order.
    """
    hidden = np.maximum(layers.hidden.astype(np.float64) @ features + layers.hidden_bias, 0.0)
    return softmax(layers.out.astype(np.float64) @ hidden + layers.out_bias)


def forward_flops(choices: int) -> float:
    """Two operations a weight: 2 (100 * 50 + 50 m); 11,000 for ten choices."""
    return 2.0 * (FEATURES * HIDDEN + HIDDEN * choices)


def step_flops(choices: int) -> float:
    """Forward, gradients of both layers' weights, and of the hidden layer's output: one row.

    No gradient of the inputs is taken, so it is 23,000 for ten choices: 2.09 forward passes, not 3
    (protocol.md section 7, L18).
    """
    return 2 * forward_flops(choices) + 2.0 * HIDDEN * choices


def make_steps(
    sets: Sequence[WeightedSet],
    inputs: FloatArray,
    labels: Sequence[int],
    budget: Budget,
    seed: int,
) -> Steps:
    """The steps of a budget; ``inputs`` and ``labels`` hold the sets' rows one after another."""
    rows, weights, start = [], [], 0
    for item in sets:
        size = len(item.rows)
        order = row_order(seed, item.stream, size, budget.batch, budget.steps)
        own = np.array([row.weight for row in item.rows], dtype=np.float64)
        rows.append(order + start)
        weights.append(item.coefficient * size / budget.batch * own[order])
        start += size
    return Steps(
        inputs=inputs.astype(np.float32),
        labels=np.asarray(labels, dtype=np.int64),
        rows=np.concatenate(rows, axis=1),
        weights=np.concatenate(weights, axis=1).astype(np.float32),
    )


def check_finite(loss: float, step: int, budget: Budget) -> None:
    """Raise UserError where a loss is not finite."""
    if not math.isfinite(loss):
        raise UserError(
            f"training diverged at step {step + 1} of {budget.steps} (loss {loss}); "
            f"lower training.lr, now {budget.lr:g}"
        )


def train(start: Layers, steps: Steps, budget: Budget, loss: Loss, keep: Sequence[int]) -> Learnt:
    """Fresh Adam at the budget's schedule, gradients clipped to norm ``budget.clip``.

    ``loss`` says what cross-entropy, which takes a log-softmax itself, is given: ``logits``, or by
    mistake their ``softmax``. The same bits on one thread.

    Raises:
        UserError: the loss is not finite.
    """
    import torch

    from rsft_bench.harness.worker import set_torch_threads

    set_torch_threads()
    weights = [torch.from_numpy(array.copy()).requires_grad_() for array in start]
    optimizer = torch.optim.AdamW(weights, lr=budget.lr, weight_decay=budget.weight_decay)
    inputs, labels = torch.from_numpy(steps.inputs), torch.from_numpy(steps.labels)
    losses, kept = [], {}
    for step in range(budget.steps):
        optimizer.param_groups[0]["lr"] = learning_rate(step, budget)
        rows = torch.from_numpy(steps.rows[step])
        of_rows = cross_entropy(outputs(weights, inputs[rows]), labels[rows], loss)
        total = (torch.from_numpy(steps.weights[step]) * of_rows).sum()
        losses.append(float(total.detach()))
        check_finite(losses[-1], step, budget)
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(weights, budget.clip)
        optimizer.step()
        if step + 1 in keep:
            kept[step + 1] = _arrays(weights)
    return Learnt(_arrays(weights), tuple(losses), kept)


def outputs(weights: Sequence[Tensor], inputs: Tensor) -> Tensor:
    """Logits (n, m) of features (n, 100) under the four tensors of ``Layers``."""
    from torch.nn.functional import linear, relu

    return linear(relu(linear(inputs, weights[0], weights[1])), weights[2], weights[3])


def cross_entropy(logits: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    """Cross-entropy of each row, (n,); with ``softmax`` of probabilities taken for logits."""
    from torch.nn.functional import cross_entropy as of_logits

    given = logits.softmax(-1) if loss == "softmax" else logits
    return of_logits(given, labels, reduction="none")


def _arrays(weights: Sequence[Any]) -> Layers:
    return Layers(*(tensor.detach().numpy().copy() for tensor in weights))
