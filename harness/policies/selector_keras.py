"""The classifier's network as a Keras 3 model; the same steps as ``selector_network.train``.

Importing this module imports Keras (extra ``keras``) on the backend that the variable KERAS_BACKEND
names, torch where it names none. Keras adds Adam's epsilon before the bias correction (Kingma and
Ba 2015, section 2, "epsilon hat"), torch after it: weights agree to about 1e-3, not to the bit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from rsft_bench.harness.policies.selector_features import FEATURES
from rsft_bench.harness.policies.selector_network import (
    HIDDEN,
    Layers,
    Learnt,
    Loss,
    Steps,
    check_finite,
)
from rsft_bench.harness.training.schedules import learning_rate
from rsft_bench.harness.types import Budget

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras  # noqa: E402  (the backend is chosen at import)


def build(start: Layers) -> Any:
    """The article's model with these weights; its last layer gives logits."""
    model = keras.Sequential(
        [
            keras.layers.Input((FEATURES,)),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.Dense(len(start.out_bias)),
        ]
    )
    model.set_weights([start.hidden.T, start.hidden_bias, start.out.T, start.out_bias])
    return model


def train(start: Layers, steps: Steps, budget: Budget, loss: Loss, keep: Sequence[int]) -> Learnt:
    """As ``selector_network.train``, by Keras' own Adam, loss and ``train_on_batch``.

    Raises:
        UserError: the loss is not finite.
        ValueError: ``loss`` is not ``logits``.
    """
    if loss != "logits":
        raise ValueError(f"the Keras model has the loss 'logits' only, not {loss!r}")
    if keras.backend.backend() == "torch":
        from rsft_bench.harness.worker import set_torch_threads

        set_torch_threads()
    with keras.device("cpu"):
        return _train(build(start), steps, budget, keep)


def _train(model: Any, steps: Steps, budget: Budget, keep: Sequence[int]) -> Learnt:
    model.compile(
        optimizer=keras.optimizers.AdamW(
            learning_rate=budget.lr,
            weight_decay=budget.weight_decay,
            epsilon=1e-8,
            global_clipnorm=budget.clip,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"),
    )
    losses, kept = [], {}
    for step in range(budget.steps):
        model.optimizer.learning_rate = learning_rate(step, budget)
        rows = steps.rows[step]
        total = model.train_on_batch(
            steps.inputs[rows], steps.labels[rows], sample_weight=steps.weights[step]
        )
        # Keras reports the mean over the batches since the metrics were last reset.
        model.reset_metrics()
        losses.append(float(np.asarray(total).reshape(-1)[0]))
        check_finite(losses[-1], step, budget)
        if step + 1 in keep:
            kept[step + 1] = _layers(model)
    return Learnt(_layers(model), tuple(losses), kept)


def _layers(model: Any) -> Layers:
    hidden, hidden_bias, out, out_bias = map(_array, model.weights)
    parts = (hidden.T, hidden_bias, out.T, out_bias)
    return Layers(*(np.array(part, dtype=np.float32, order="C") for part in parts))


def _array(variable: Any) -> Any:
    """A variable's values. Keras' own way warns on torch: NumPy 2 asks tensors for more."""
    value = variable.value
    return value.detach().numpy() if keras.backend.backend() == "torch" else np.asarray(value)
