"""Policy ``selector``: a small classifier that chooses among canned answers.

Every prompt lists the same closed set of answers in a line ``Choices: A | B | C``. The rest of the
prompt becomes 100 features (``selector_features``), a network 100-50-m gives the answers'
probabilities (``selector_network``). ``selector_keras`` is the same policy trained by Keras 3. The
untrained policy has read no message: its features are zeros, so its law is that of the keyed
network's biases, near uniform. Token counts are words and punctuation marks, plus one stop.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rsft_bench.harness.policies.choices import read_choices
from rsft_bench.harness.policies.counting import count_tokens
from rsft_bench.harness.policies.listed import ClosedSet, ListedLaw
from rsft_bench.harness.policies.selector_features import (
    FEATURES,
    Features,
    fit_features,
    projection_flops,
)
from rsft_bench.harness.policies.selector_network import (
    Layers,
    Loss,
    forward_flops,
    initial,
    law,
    make_steps,
    step_flops,
)
from rsft_bench.harness.policy_kinds import DrawFlops, Trained
from rsft_bench.harness.types import (
    Budget,
    Completion,
    Sampling,
    WeightedSet,
)

STATE, TEXTS = "selector.safetensors", "selector.json"
#: Module whose ``train`` takes the steps, by engine.
ENGINES: Mapping[str, str] = {
    "torch": "rsft_bench.harness.policies.selector_network",
    "keras": "rsft_bench.harness.policies.selector_keras",
}


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fit has made: the answers by place, the features' map, the network's weights."""

    answers: tuple[str, ...]
    features: Features
    layers: Layers


@dataclass(frozen=True, eq=False)
class Selector(ClosedSet):
    """A loaded classifier; without ``fitted`` the untrained one. Immutable."""

    seed: int = 0
    loss: Loss = "logits"
    engine: Literal["torch", "keras"] = "torch"
    fitted: Fitted | None = None

    def known_answers(self) -> tuple[str, ...] | None:
        """See ``ClosedSet``."""
        return None if self.fitted is None else self.fitted.answers

    def laws(self, prompts: Sequence[str]) -> list[ListedLaw]:
        """See ``ClosedSet``. Raises DataError as ``law``."""
        listed = [self.answers(prompt) for prompt in prompts]
        if self.fitted is None:
            zeros = np.zeros(FEATURES)
            return [(a, law(initial(self.seed, len(a)), zeros)) for a in listed]
        features, _ = self.fitted.features.transform(prompts)
        layers = self.fitted.layers
        return [(a, law(layers, row)) for a, row in zip(listed, features, strict=True)]

    def draw_flops(
        self, prompts: Sequence[tuple[str, str]], rows: Sequence[Completion], sampling: Sampling
    ) -> DrawFlops:
        """A prompt: its projection and one forward pass. An answer: 2 m, as in ``categorical``."""
        texts = [prompt for _, prompt in prompts]
        terms = [0] * len(texts)
        if self.fitted is not None:
            terms = self.fitted.features.transform(texts)[1]
        sizes = [len(read_choices(text)) for text in texts]
        by_id = {example_id: m for (example_id, _), m in zip(prompts, sizes, strict=True)}
        return DrawFlops(
            tuple(
                projection_flops(t) + forward_flops(m) for t, m in zip(terms, sizes, strict=True)
            ),
            tuple(2.0 * by_id[row.example_id] for row in rows),
        )

    def fit(
        self, sets: Sequence[WeightedSet], budget: Budget, seed: int, keep: Sequence[int] = ()
    ) -> Trained:
        """``budget.steps`` steps of ``budget.batch`` rows of every set, cross-entropy, fresh Adam.

        The first fit learns the features from its prompts; later ones keep them. A set with
        coefficient 0 is ignored. One answer is one class: its loss is -log p(answer), whatever its
        length, times the row's weight.

        Raises:
            DataError: a row's answer is none of its prompt's choices, or the choices differ.
            UserError: the loss is not finite.
        """
        active = [item for item in sets if item.coefficient > 0]
        if budget.steps == 0:
            return Trained(self, (), 0, 0.0, {item.name: 0 for item in active})
        rows = [row for item in active for row in item.rows]
        prompts = [row.prompt for row in rows]
        before = self.fitted or self._start(prompts)
        known = replace(self, fitted=before)
        labels = [known.place(row.prompt, row.completion) for row in rows]
        steps = make_steps(active, before.features.transform(prompts)[0], labels, budget, seed)
        learnt = self._engine().train(before.layers, steps, budget, self.loss, keep)
        read = np.array([count_tokens(r.prompt) + count_tokens(r.completion) + 1 for r in rows])
        return Trained(
            policy=self._with(before, learnt.layers),
            losses=learnt.losses,
            tokens=int(read[steps.rows].sum()),
            flops=known.fit_flops(active, budget),
            rows_seen={item.name: budget.steps * budget.batch for item in active},
            kept={step: self._with(before, layers) for step, layers in learnt.kept.items()},
        )

    def _start(self, prompts: Sequence[str]) -> Fitted:
        answers = self.answers(prompts[0])
        return Fitted(answers, fit_features(prompts), initial(self.seed, len(answers)))

    def _with(self, before: Fitted, layers: Layers) -> Selector:
        return replace(self, fitted=replace(before, layers=layers))

    def _engine(self) -> Any:
        return importlib.import_module(ENGINES[self.engine])

    def fit_flops(self, sets: Sequence[WeightedSet], budget: Budget) -> float:
        """Forward and backward passes of every row read, and one projection a distinct prompt.

        What fitting the features themselves takes, once in the first fit, is left out.
        """
        active = [item for item in sets if item.coefficient > 0]
        rows = [row for item in active for row in item.rows]
        if budget.steps == 0 or not rows:
            return 0.0
        prompts = list(dict.fromkeys(row.prompt for row in rows))
        features = self.fitted.features if self.fitted else fit_features(prompts)
        passes = budget.steps * budget.batch * len(active)
        return passes * step_flops(len(self.answers(prompts[0]))) + sum(
            projection_flops(terms) for terms in features.transform(prompts)[1]
        )

    def save(self, folder: Path) -> None:
        """Write selector.json (answers, terms) and selector.safetensors (arrays)."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        texts: dict[str, list[str]] = {"answers": [], "terms": []}
        if self.fitted is not None:
            features, layers = self.fitted.features, self.fitted.layers
            texts = {"answers": list(self.fitted.answers), "terms": list(features.terms)}
            arrays = {"idf": features.idf, "components": features.components, **layers._asdict()}
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / STATE)
        (folder / TEXTS).write_text(json.dumps(texts, sort_keys=True), encoding="utf-8")
