"""Rewards that anybody could write in a line: what a learned one must beat."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.policies.counting import count_tokens
from rsft_bench.harness.types import FloatArray, Json

CODE = ("rsft_bench.harness.trivial_rewards", "rsft_bench.harness.policies.counting")
FILE = "longest.json"
HALF = 40.0
"""Tokens from which the score is above one half; it moves no ranking, only ``tau``."""


@dataclass(frozen=True, slots=True)
class LengthScorer:
    """Words and punctuation marks of an answer, n / (n + 40), in [0, 1)."""

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Shape (n,); the prompts say nothing."""
        sizes = np.array([count_tokens(text) for text in texts], dtype=np.float64)
        return sizes / (sizes + HALF)

    def flops(self, answers: int) -> float:
        """Counting words is no arithmetic worth counting."""
        return 0.0

    def save(self, folder: Path) -> None:
        """A file that says what it is; there is nothing to keep."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps({"half": HALF}))


@dataclass(frozen=True, slots=True)
class Longest:
    """The control that likes long answers."""

    name: str = "longest"
    doc: str = "the longer answer, whatever it says: a control"
    code: tuple[str, ...] = (*CODE, "rsft_bench.harness.rewards")

    def fit(
        self,
        prompts: Sequence[str],
        texts: Sequence[str],
        labels: NDArray[np.bool_],
        clusters: Sequence[str],
        seed: int,
    ) -> tuple[LengthScorer, Mapping[str, Json]]:
        """Nothing is fitted; the report says how it does on the held-out fifth, uncalibrated."""
        from rsft_bench.harness.rewards.calibration import report_of
        from rsft_bench.harness.rewards.labelled import halves

        scorer = LengthScorer()
        split = halves(prompts, texts, labels, clusters, seed)
        split.notes.append("not fitted and not calibrated")
        scores = scorer.score(split.rest.prompts, split.rest.texts)
        return scorer, asdict(report_of(scores, split, 0))

    def load(self, folder: Path) -> LengthScorer:
        """The same scorer always."""
        return LengthScorer()
