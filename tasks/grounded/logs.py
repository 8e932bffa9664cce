"""Training logs of the grounded suites: upstream's human answers and damaged copies.

The mixture of qualities is a config value; the label stays hidden from policy and proxy reward.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import Json, Log
from rsft_bench.tasks.grounded.language import Language
from rsft_bench.tasks.grounded.turns import AskedTurn, Value

QUALITIES = ("human", "missing_value", "wrong_value", "terse")
DEFAULT_MIXTURE: Mapping[str, float] = {
    "human": 0.5,
    "missing_value": 0.2,
    "wrong_value": 0.2,
    "terse": 0.1,
}


def mixture(option: Json, suite: str) -> tuple[float, ...]:
    """Shares of ``QUALITIES`` that sum to 1.

    Raises:
        ConfigError: an unknown quality, a share that is no finite number >= 0, or all shares zero.
    """
    if not isinstance(option, Mapping) or not set(option) <= set(QUALITIES):
        raise ConfigError(
            f"suite {suite}: mixture {option!r} must map some of {', '.join(QUALITIES)} to shares"
        )
    shares = [option.get(q, 0.0) for q in QUALITIES]
    usable = all(type(s) in (int, float) and 0 <= s < float("inf") for s in shares)
    if not usable or not sum(shares):
        raise ConfigError(f"suite {suite}: shares of mixture {option!r} must be >= 0 and not all 0")
    return tuple(s / sum(shares) for s in shares)


@dataclass(frozen=True, slots=True)
class LogMaker:
    """Draws training answers of a suite's turns.

    ``suite`` keys the streams; ``shares`` in the order of ``QUALITIES``; ``words`` as ``spellings``
    gives them: what a wrong value is drawn from.
    """

    suite: str
    language: Language
    shares: Sequence[float]
    words: Mapping[str, Sequence[str]]

    def draw(self, turn: AskedTurn, count: int, seed: int) -> list[Log]:
        """``count`` answers of a turn with qualities drawn from ``shares``.

        A turn whose wording holds no value as spelt cannot be damaged and keeps the human answer.
        """
        rng = stream(seed, f"{self.suite}-logs", turn.example_id)
        qualities = rng.choice(len(QUALITIES), size=count, p=np.asarray(self.shares))
        return [self._log(turn, QUALITIES[int(q)], rng) for q in qualities]

    def _log(self, turn: AskedTurn, quality: str, rng: np.random.Generator) -> Log:
        text: str | None = None
        if quality == "missing_value":
            text = self._drop(turn, rng)
        elif quality == "wrong_value":
            text = self._swap(turn, rng)
        elif quality == "terse":
            text = self._list(turn)
        if text is None:
            return Log(turn.example_id, turn.answer, "human")
        return Log(turn.example_id, text, quality)

    def _list(self, turn: AskedTurn) -> str:
        between, end = self.language.listed
        return between.join(v.text for v in turn.values) + end

    def _drop(self, turn: AskedTurn, rng: np.random.Generator) -> str | None:
        value = self._pick(turn, turn.values, rng)
        if value is None:
            return None
        first = value.forms[0][0]
        prefix = first.split(":")[0] if ":" in first else ""
        return self._replace(turn.answer, value.text, self.language.vague[prefix])

    def _swap(self, turn: AskedTurn, rng: np.random.Generator) -> str | None:
        wrong = {v.slot: self._others(turn, v) for v in turn.values}
        value = self._pick(turn, [v for v in turn.values if wrong[v.slot]], rng)
        if value is None:
            return None
        choices = wrong[value.slot]
        return self._replace(turn.answer, value.text, choices[int(rng.integers(len(choices)))])

    def _others(self, turn: AskedTurn, value: Value) -> list[str]:
        """Values of the slot that state none of this turn's values."""
        stated = {f for v in turn.values for f in v.forms}
        return [w for w in self.words.get(value.slot, ()) if self.language.form(w) not in stated]

    def _pick(
        self, turn: AskedTurn, values: Sequence[Value], rng: np.random.Generator
    ) -> Value | None:
        spelt = [v for v in values if v.forms and self.language.spelt(v.text).search(turn.answer)]
        return spelt[int(rng.integers(len(spelt)))] if spelt else None

    def _replace(self, text: str, old: str, new: str) -> str:
        return self.language.spelt(old).sub(lambda _: new, text)


def spellings(turns: Iterable[AskedTurn], language: Language) -> dict[str, tuple[str, ...]]:
    """Values by slot, one spelling a reading, sorted."""
    found: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    for value in (v for t in turns for v in t.values if v.forms):
        found[value.slot].setdefault(language.form(value.text), value.text)
    return {slot: tuple(sorted(texts.values())) for slot, texts in found.items()}
