"""Training logs of the Schema-Guided Dialogue suite: upstream's human answers and damaged copies.

The mixture of qualities is a config value; the label stays hidden from policy and proxy reward.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import Json, Log
from rsft_bench.tasks.sgd_turns import AskedTurn, Value
from rsft_bench.tasks.sgd_values import form, forms

QUALITIES = ("human", "missing_value", "wrong_value", "terse")
DEFAULT_MIXTURE: Mapping[str, float] = {
    "human": 0.5,
    "missing_value": 0.2,
    "wrong_value": 0.2,
    "terse": 0.1,
}
# What an evasive agent says instead of a value, by the kind of its first reading.
_VAGUE = {"n": "some", "t": "at a good time", "d": "that day", "": "that one"}


def mixture(option: Json) -> tuple[float, ...]:
    """Shares of ``QUALITIES`` that sum to 1.

    Raises:
        ConfigError: an unknown quality, a share that is no finite number >= 0, or all shares zero.
    """
    if not isinstance(option, Mapping) or not set(option) <= set(QUALITIES):
        raise ConfigError(
            f"suite sgd: mixture {option!r} must map some of {', '.join(QUALITIES)} to shares"
        )
    shares = [option.get(q, 0.0) for q in QUALITIES]
    usable = all(type(s) in (int, float) and 0 <= s < float("inf") for s in shares)
    if not usable or not sum(shares):
        raise ConfigError(f"suite sgd: shares of mixture {option!r} must be >= 0 and not all 0")
    return tuple(s / sum(shares) for s in shares)


def spellings(turns: Iterable[AskedTurn]) -> dict[str, tuple[str, ...]]:
    """Values by slot, one spelling a reading, sorted: what a wrong value is drawn from."""
    found: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    for value in (v for t in turns for v in t.values):
        found[value.slot].setdefault(form(value.text), value.text)
    return {slot: tuple(sorted(texts.values())) for slot, texts in found.items()}


def draw_logs(
    turn: AskedTurn,
    shares: Sequence[float],
    count: int,
    words: Mapping[str, Sequence[str]],
    seed: int,
) -> list[Log]:
    """``count`` answers of a turn with qualities drawn from ``shares`` (order of ``QUALITIES``).

    A turn whose wording holds no value as spelt cannot be damaged and keeps the human answer.
    """
    rng = stream(seed, "sgd-logs", turn.example_id)
    qualities = rng.choice(len(QUALITIES), size=count, p=np.asarray(shares))
    return [_log(turn, QUALITIES[int(q)], words, rng) for q in qualities]


def _log(
    turn: AskedTurn, quality: str, words: Mapping[str, Sequence[str]], rng: np.random.Generator
) -> Log:
    text: str | None = None
    if quality == "missing_value":
        text = _drop(turn, rng)
    elif quality == "wrong_value":
        text = _swap(turn, words, rng)
    elif quality == "terse":
        text = ", ".join(v.text for v in turn.values) + "."
    if text is None:
        return Log(turn.example_id, turn.answer, "human")
    return Log(turn.example_id, text, quality)


def _drop(turn: AskedTurn, rng: np.random.Generator) -> str | None:
    value = _pick(turn, turn.values, rng)
    if value is None:
        return None
    prefix = value.forms[0][0].split(":")[0] if ":" in value.forms[0][0] else ""
    return _replace(turn.answer, value.text, _VAGUE[prefix])


def _swap(
    turn: AskedTurn, words: Mapping[str, Sequence[str]], rng: np.random.Generator
) -> str | None:
    wrong = {v.slot: _others(turn, v, words) for v in turn.values}
    value = _pick(turn, [v for v in turn.values if wrong[v.slot]], rng)
    if value is None:
        return None
    choices = wrong[value.slot]
    return _replace(turn.answer, value.text, choices[int(rng.integers(len(choices)))])


def _others(turn: AskedTurn, value: Value, words: Mapping[str, Sequence[str]]) -> list[str]:
    """Values of the slot that state none of this turn's values."""
    stated = {f for v in turn.values for f in v.forms}
    return [w for w in words.get(value.slot, ()) if not stated & set(forms(w, w))]


def _pick(turn: AskedTurn, values: Sequence[Value], rng: np.random.Generator) -> Value | None:
    spelt = [v for v in values if _pattern(v.text).search(turn.answer)]
    return spelt[int(rng.integers(len(spelt)))] if spelt else None


def _replace(text: str, old: str, new: str) -> str:
    return _pattern(old).sub(lambda _: new, text)


def _pattern(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w$]){re.escape(value)}(?![\w]|[.,:]\d)", re.IGNORECASE)
