"""Policy ``logistic``: multinomial logistic regression over TF-IDF, the classifier to beat.

The same prompts and the same closed sets of answers as ``selector``, but no network and no steps:
scikit-learn finds the optimum of the weighted likelihood plus an L2 penalty. Unlike a fit by steps
it starts from nothing each time, so what an arm's sets hold is all that it knows. The untrained
policy is uniform. Token counts are words and punctuation marks, plus one stop.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.policies.choices import read_choices
from rsft_bench.harness.policies.counting import count_tokens
from rsft_bench.harness.policies.exact import softmax
from rsft_bench.harness.policies.listed import ClosedSet, ListedLaw
from rsft_bench.harness.policies.selector_features import message, vectoriser
from rsft_bench.harness.policy_kinds import DrawFlops, Trained
from rsft_bench.harness.types import (
    Budget,
    Completion,
    FloatArray,
    Sampling,
    WeightedSet,
)

STATE, TEXTS = "logistic.safetensors", "logistic.json"


@dataclass(frozen=True, eq=False)
class Regression:
    """``answers`` (m,), ``terms`` (t,), ``idf`` (t,), ``slopes`` (m, t), ``bias`` (m,).

    An answer that no training row gave has bias -inf: probability 0.
    """

    answers: tuple[str, ...]
    terms: tuple[str, ...]
    idf: FloatArray
    slopes: NDArray[np.float32]
    bias: FloatArray

    def scores(self, prompts: Sequence[str]) -> FloatArray:
        """Unnormalised log probabilities (n, m)."""
        return np.asarray(self._weights(prompts) @ self.slopes.T.astype(np.float64)) + self.bias

    def known_terms(self, prompts: Sequence[str]) -> list[int]:
        """Number of known terms of each prompt."""
        return [int(n) for n in np.diff(self._weights(prompts).indptr)]

    def _weights(self, prompts: Sequence[str]) -> Any:
        return self._vectoriser.transform([message(p) for p in prompts])

    @cached_property
    def _vectoriser(self) -> Any:
        built = vectoriser(self.terms)
        built.idf_ = self.idf
        return built


@dataclass(frozen=True, eq=False)
class Logistic(ClosedSet):
    """A loaded classifier; without ``fitted`` the untrained, uniform one. Immutable."""

    strength: float = 10.0
    fitted: Regression | None = None

    def known_answers(self) -> tuple[str, ...] | None:
        """See ``ClosedSet``."""
        return None if self.fitted is None else self.fitted.answers

    def laws(self, prompts: Sequence[str]) -> list[ListedLaw]:
        """See ``ClosedSet``. Raises DataError as ``law``."""
        listed = [self.answers(prompt) for prompt in prompts]
        if self.fitted is None:
            return [(a, np.full(len(a), 1 / len(a))) for a in listed]
        scores = self.fitted.scores(prompts)
        return [(a, softmax(row)) for a, row in zip(listed, scores, strict=True)]

    def draw_flops(
        self, prompts: Sequence[tuple[str, str]], rows: Sequence[Completion], sampling: Sampling
    ) -> DrawFlops:
        """A prompt: 2 m for each of its known terms. An answer: 2 m, as in ``categorical``."""
        sizes = {name: len(read_choices(prompt)) for name, prompt in prompts}
        terms = [0] * len(prompts)
        if self.fitted is not None:
            terms = self.fitted.known_terms([prompt for _, prompt in prompts])
        return DrawFlops(
            tuple(2.0 * sizes[name] * t for (name, _), t in zip(prompts, terms, strict=True)),
            tuple(2.0 * sizes[row.example_id] for row in rows),
        )

    def fit(
        self, sets: Sequence[WeightedSet], budget: Budget, seed: int, keep: Sequence[int] = ()
    ) -> Trained:
        """The optimum of sum of coefficient * w_i NLL_i plus the penalty; features are refitted.

        Weights are scaled to mean 1 over the rows, so that the penalty does not depend on their
        unit. Learning rate, batch, schedule and seed change nothing, and any number of steps above
        0 gives the same optimum. One answer is one class, whatever its length.

        Raises:
            DataError: a row's answer is none of its prompt's choices, or the choices differ.
        """
        active = [item for item in sets if item.coefficient > 0 and item.rows]
        if budget.steps == 0 or not active:
            return Trained(self, (), 0, 0.0, {item.name: 0 for item in active})
        rows = [row for item in active for row in item.rows]
        prompts = [row.prompt for row in rows]
        mass = np.array([item.coefficient * r.weight for item in active for r in item.rows])
        known = replace(self, fitted=None)
        labels = [known.place(row.prompt, row.completion) for row in rows]
        listed = {known.answers(prompt) for prompt in prompts}
        if len(listed) > 1:
            raise DataError("the training prompts list more than one closed set of answers")
        fitted = _regression(listed.pop(), prompts, labels, mass, self.strength)
        policy = replace(self, fitted=fitted)
        read = [count_tokens(r.prompt) + count_tokens(r.completion) + 1 for r in rows]
        before = [law[label] for (_, law), label in zip(self.laws(prompts), labels, strict=True)]
        with np.errstate(divide="ignore"):
            loss = -float(mass @ np.log(before))
        return Trained(
            policy=policy,
            losses=(loss,) if np.isfinite(loss) else (),
            tokens=sum(read),
            flops=float("nan"),
            rows_seen={item.name: len(item.rows) for item in active},
            kept=dict.fromkeys(keep, policy),
        )

    def fit_flops(self, sets: Sequence[WeightedSet], budget: Budget) -> float:
        """Unknown: the optimiser stops by itself. 0 where there is no step."""
        return float("nan") if budget.steps else 0.0

    def save(self, folder: Path) -> None:
        """Write logistic.json (answers, terms) and logistic.safetensors (arrays)."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        texts: dict[str, list[str]] = {"answers": [], "terms": []}
        if self.fitted is not None:
            texts = {"answers": list(self.fitted.answers), "terms": list(self.fitted.terms)}
            arrays = {n: getattr(self.fitted, n) for n in ("idf", "slopes", "bias")}
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / STATE)
        (folder / TEXTS).write_text(json.dumps(texts, sort_keys=True), encoding="utf-8")


def _regression(
    answers: tuple[str, ...],
    prompts: Sequence[str],
    labels: Sequence[int],
    mass: FloatArray,
    strength: float,
) -> Regression:
    """One row a (prompt, answer) pair, with the pairs' weights summed."""
    from sklearn.linear_model import LogisticRegression

    total: dict[tuple[str, int], float] = {}
    for prompt, label, weight in zip(prompts, labels, mass, strict=True):
        total[message(prompt), label] = total.get((message(prompt), label), 0.0) + float(weight)
    texts = list(dict.fromkeys(text for text, _ in total))
    learnt = vectoriser()
    try:
        learnt.fit(texts)
    except ValueError as error:
        raise DataError(f"no features can be learnt from the prompts: {error}") from error
    terms = tuple(str(term) for term in learnt.get_feature_names_out())
    slopes = np.zeros((len(answers), len(terms)), dtype=np.float32)
    bias = np.full(len(answers), -np.inf)
    seen = sorted({label for _, label in total})
    if len(seen) == 1:
        bias[seen[0]] = 0.0
    else:
        weights = np.array(list(total.values()))
        model = LogisticRegression(C=strength, max_iter=200, tol=1e-4)
        model.fit(
            learnt.transform([text for text, _ in total]),
            np.array([label for _, label in total]),
            sample_weight=weights / weights.mean(),
        )
        coef, intercept = np.asarray(model.coef_), np.asarray(model.intercept_)
        if len(seen) == 2:  # scikit-learn gives one row, the log odds of the second class
            coef, intercept = np.vstack([-coef / 2, coef / 2]), np.array([-1, 1]) * intercept / 2
        slopes[seen], bias[seen] = coef.astype(np.float32), intercept
    return Regression(answers, terms, np.asarray(learnt.idf_, dtype=np.float64), slopes, bias)
