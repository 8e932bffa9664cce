"""Rewards that are random by key: a score that knows nothing of an answer, and noise on another.

A number is keyed by (seed, prompt, text), or by (seed, prompt, text, draw). Keyed by the text, the
judge is wrong in the same way about one answer each time it sees it, as a fixed reward model is
(protocol.md section 7, L13: the same proxy repeats its overstatement). Keyed by the draw as well,
equal texts are judged apart, so a draw is chosen as by chance and the law of every set rule is that
of ``random`` at the same counts (L19); keyed by the text alone it is not, because a text that was
drawn twice has no second chance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.rewards.calibration import RewardReport, calibrate, report_of, sigmoid
from rsft_bench.harness.rewards.labelled import BoolArray, Halves, halves
from rsft_bench.harness.rewards.names import KEYS, LAWS
from rsft_bench.harness.seeding import keyed_unit, stream
from rsft_bench.harness.types import FloatArray, Json

CONFIG_FILE = "keyed.json"
INNER = "inner"


class Inner(Protocol):
    """A reward that noise is put on."""

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray: ...  # noqa: D102
    def flops(self, answers: int) -> float: ...  # noqa: D102
    def save(self, folder: Path) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class RandomReward:
    """A uniform number in [0, 1) that depends on the answer's name, not on what it says."""

    seed: int
    key: str

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Shape (n,): every answer as its first draw."""
        return self.score_draws(prompts, texts, [0] * len(texts))

    def score_draws(
        self, prompts: Sequence[str], texts: Sequence[str], draws: Sequence[int]
    ) -> FloatArray:
        """Shape (n,); ``draws`` number the answers to each prompt."""
        keys = _keys(self.key, prompts, texts, draws)
        return np.array([keyed_unit("random-reward", self.seed, *key) for key in keys])

    def flops(self, answers: int) -> float:
        """Nothing is computed."""
        return 0.0

    def save(self, folder: Path) -> None:
        """Write ``keyed.json``."""
        _write(folder, {"seed": self.seed, "key": self.key})

    @classmethod
    def load(cls, folder: Path) -> RandomReward:
        """Read what ``save`` wrote. Raises DataError on a missing or damaged file."""
        config = _read(folder)
        try:
            return cls(int(config["seed"]), KEYS[KEYS.index(config["key"])])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{folder}: not a random reward: {error}") from error


def fit_random(
    prompts: Sequence[str],
    texts: Sequence[str],
    labels: BoolArray,
    clusters: Sequence[str],
    seed: int,
    key: str,
) -> tuple[RandomReward, RewardReport]:
    """The random reward of a seed; the labels are only what its report is measured on.

    It is not calibrated: a calibrated score that knows nothing is a constant. Its Brier score is
    1/3 in the mean, where a constant one half has 1/4.
    """
    split = halves(prompts, texts, labels, clusters, seed)
    reward = RandomReward(seed, key)
    return reward, report_of(reward.score(split.rest.prompts, split.rest.texts), split, 0)


@dataclass(frozen=True)
class NoisyReward:
    """sigmoid(slope * (inner score + spread * z) + shift) with z drawn by key.

    z is standard normal (``gaussian``) or Student's t with 2 degrees of freedom (``student_t2``),
    whose variance is infinite: the largest of many is almost all noise. ``spread`` is the option
    ``scale`` times the SD of the inner score on held-out answers, so the correlation of inner and
    noisy linear score is 1 / sqrt(1 + scale^2) for ``gaussian``. Calibrated as every reward is:
    the noise flattens the slope and ``tau`` stays a probability.
    """

    inner: Inner
    seed: int
    key: str
    law: str
    spread: float
    slope: float = 1.0
    shift: float = 0.0

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> FloatArray:
        """Probabilities in (0, 1), shape (n,): every answer as its first draw."""
        return self.score_draws(prompts, texts, [0] * len(texts))

    def score_draws(
        self, prompts: Sequence[str], texts: Sequence[str], draws: Sequence[int]
    ) -> FloatArray:
        """Probabilities in (0, 1), shape (n,); ``draws`` number the answers to each prompt."""
        return sigmoid(self.linear(prompts, texts, draws), self.slope, self.shift)

    def linear(
        self, prompts: Sequence[str], texts: Sequence[str], draws: Sequence[int]
    ) -> FloatArray:
        """Inner score plus noise, shape (n,), NaN where the inner score is NaN."""
        noise = np.array([self._noise(*key) for key in _keys(self.key, prompts, texts, draws)])
        return np.asarray(inner_scores(self.inner, prompts, texts, draws) + self.spread * noise)

    def _noise(self, *key: object) -> float:
        rng = stream(self.seed, "noisy-reward", *key)
        return float(rng.standard_normal() if self.law == "gaussian" else rng.standard_t(2))

    def flops(self, answers: int) -> float:
        """Those of the inner reward: noise is no work that a user would pay."""
        return self.inner.flops(answers)

    def save(self, folder: Path) -> None:
        """Write ``keyed.json`` and the inner reward's files under ``inner``."""
        numbers = {"spread": self.spread, "slope": self.slope, "shift": self.shift}
        _write(folder, {"seed": self.seed, "key": self.key, "law": self.law, **numbers})
        self.inner.save(folder / INNER)


def load_noisy(folder: Path, inner: Inner) -> NoisyReward:
    """Read what ``NoisyReward.save`` wrote beside ``inner``, itself loaded from ``folder/inner``.

    Raises:
        DataError: a missing or damaged file.
    """
    config = _read(folder)
    try:
        numbers = {name: float(config[name]) for name in ("spread", "slope", "shift")}
        key, law = KEYS[KEYS.index(config["key"])], LAWS[LAWS.index(config["law"])]
        return NoisyReward(inner, int(config["seed"]), key, law, **numbers)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder}: not a noisy reward: {error}") from error


def with_noise(
    inner: Inner, split: Halves, seed: int, scale: float, law: str, key: str
) -> tuple[NoisyReward, RewardReport]:
    """Noise on a fitted reward, calibrated and measured on the answers its calibration held out.

    Args:
        inner: fitted on ``split.train``.
        split: of the labelled answers.
        seed: keys the noise.
        scale: of the noise, in SD of the inner score on the held-out answers.
        law: ``gaussian`` or ``student_t2``.
        key: ``text`` or ``draw``.
    """
    rest = split.rest
    scores = inner.score(rest.prompts, rest.texts)
    spread = float(scale * scores.std()) if len(scores) else 0.0
    if not spread and scale:
        split.notes.append("the inner score is a constant: there is no noise in its units")
    bare = NoisyReward(inner, seed, key, law, spread)
    linear = bare.linear(rest.prompts, rest.texts, [0] * len(rest.texts))
    slope, shift = calibrate(linear, rest.truth, split.notes)
    noisy = NoisyReward(inner, seed, key, law, spread, slope, shift)
    return noisy, report_of(sigmoid(linear, slope, shift), split, 0)


def inner_scores(
    inner: Inner, prompts: Sequence[str], texts: Sequence[str], draws: Sequence[int]
) -> FloatArray:
    """Scores of a reward, (n,), draw by draw where it tells draws apart."""
    by_draw = getattr(inner, "score_draws", None)
    found: FloatArray = (
        inner.score(prompts, texts) if by_draw is None else by_draw(prompts, texts, draws)
    )
    return found


def _keys(
    key: str, prompts: Sequence[str], texts: Sequence[str], draws: Sequence[int]
) -> list[tuple[object, ...]]:
    if key == "text":
        return list(zip(prompts, texts, strict=True))
    return list(zip(prompts, texts, draws, strict=True))


def _write(folder: Path, config: Mapping[str, Json]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(json.dumps(config) + "\n", encoding="utf-8")


def _read(folder: Path) -> dict[str, Json]:
    """What ``keyed.json`` holds. Raises DataError where it cannot be read."""
    try:
        config: dict[str, Json] = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: not a keyed reward: {error}") from error
    return config
