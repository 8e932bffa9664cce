"""Checks by the name that a config or a column gives them. Pure.

A check is asked for as a name (``polite``) or with a value (``{max_words: 60}``). Each scores one
answer in [0, 1], NaN where it does not apply.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rsft_bench.harness.rewards.checks import conduct, facts, form, grounded, service

Takes = Literal["nothing", "text", "texts", "number"]


@dataclass(frozen=True, slots=True)
class Check:
    """``measure(answer, prompt, value)`` in [0, 1] or NaN; ``takes`` is the kind of ``value``."""

    name: str
    doc: str
    takes: Takes
    measure: Callable[[str, str, Any], float]
    allowed: tuple[str, ...] = ()


def _share(checks: Sequence[bool]) -> float:
    return sum(checks) / len(checks) if checks else math.nan


def _decided(answer: str, value: str) -> float:
    wanted, _, topics = value.partition(":")
    stems = tuple(t.strip().lower() for t in topics.split(",") if t.strip())
    return float(service.decision(answer, stems) == wanted.strip())


CHECKS: Mapping[str, Check] = {
    c.name: c
    for c in (
        Check(
            "facts",
            "share of the facts stated; values in any spelling, English or Chinese",
            "texts",
            lambda a, p, v: _share([facts.states(a, f) for f in v]),
        ),
        Check(
            "forbids",
            "1 where none of the claims is made outside a negation",
            "texts",
            lambda a, p, v: float(facts.forbids(a, v)),
        ),
        Check(
            "asks",
            "share of the slots that the answer asks the customer for",
            "texts",
            lambda a, p, v: _share([conduct.asks_for(a, s) for s in v]),
        ),
        Check(
            "steps",
            "share of the steps named in this order",
            "texts",
            lambda a, p, v: facts.ordered(a, v) if v else math.nan,
        ),
        Check(
            "decision",
            "English: `affirm: STEM, STEM` or `decline: STEM`, what is decided about a topic",
            "text",
            lambda a, p, v: _decided(a, v),
        ),
        Check(
            "secrets",
            "1 where none of these stands in the answer, in any spelling",
            "texts",
            lambda a, p, v: float(conduct.leaks_nothing(a, v)),
        ),
        Check(
            "hands_over",
            "1 where the answer hands over to a person (`no`: where it does not)",
            "text",
            lambda a, p, v: float(conduct.hands_over(a) == (v == "yes")),
            ("yes", "no"),
        ),
        Check(
            "polite",
            "1 where a courtesy and no rudeness is found",
            "nothing",
            lambda a, p, v: float(conduct.is_polite(a)),
        ),
        Check(
            "not_rude",
            "1 where no insult, blame or dismissal is found",
            "nothing",
            lambda a, p, v: float(not conduct.is_rude(a)),
        ),
        Check(
            "language",
            "1 where the answer is in this script",
            "text",
            lambda a, p, v: float(form.in_language(a, v)),
            ("zh", "en"),
        ),
        Check(
            "max_words",
            "1 up to so many words; a Chinese character is one",
            "number",
            lambda a, p, v: float(form.n_words(a) <= v),
        ),
        Check(
            "min_words",
            "1 from so many words",
            "number",
            lambda a, p, v: float(form.n_words(a) >= v),
        ),
        Check(
            "format",
            "1 where the answer has this form",
            "text",
            lambda a, p, v: float(form.has_format(a, v)),
            form.FORMATS,
        ),
        Check(
            "grounded",
            "share of the answer's numbers and names that occur in the prompt",
            "nothing",
            lambda a, p, v: grounded.groundedness(a, p),
        ),
    )
}
#: Checks whose value differs from row to row and may stand in a column of that name.
COLUMNS = ("facts", "forbids", "asks", "steps", "decision", "secrets", "hands_over")


def checked(name: str, value: Any) -> Any:
    """The value of a check as it is used.

    Raises:
        ValueError: no such check, or a value that it does not take; the message says what it does.
    """
    check = CHECKS.get(name)
    if check is None:
        raise ValueError(f"no check {name!r}; known: {', '.join(CHECKS)}")
    if check.takes == "nothing" and value in (None, True):
        return None
    if check.takes == "texts":
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, list | tuple) and texts and all(isinstance(t, str) for t in texts):
            return [t.strip() for t in texts if t.strip()]
    if check.takes == "number" and type(value) is int and value >= 0:
        return value
    if check.takes == "text":
        # YAML reads a bare yes as true.
        word = ("yes" if value else "no") if isinstance(value, bool) else value
        if isinstance(word, str) and (word in check.allowed or not check.allowed):
            if name != "decision" or word.partition(":")[0].strip() in ("affirm", "decline"):
                return word
    takes = (
        ", ".join(check.allowed)
        or {
            "nothing": "no value",
            "text": "affirm or decline and a topic, such as `decline: refund`",
            "texts": "a text or a list of texts",
            "number": "a whole number of at least 0",
        }[check.takes]
    )
    raise ValueError(f"check {name!r} takes {takes}, not {value!r}")


def parse(option: Any) -> dict[str, Any]:
    """Checks of a config, ``[polite, {max_words: 60}]``, as values by name.

    Raises:
        ValueError: as ``checked``, a check named twice, or no list.
    """
    found: dict[str, Any] = {}
    if not isinstance(option, list | tuple):
        raise ValueError(f"checks is {option!r}, must be a list such as [polite, max_words: 60]")
    for item in option:
        pairs = [(item, None)] if isinstance(item, str) else item
        pairs = list(pairs.items()) if isinstance(pairs, Mapping) else pairs
        if not isinstance(pairs, list):
            raise ValueError(f"check {item!r} must be a name or `name: value`")
        for name, value in pairs:
            if name in found:
                raise ValueError(f"check {name!r} is listed twice")
            found[name] = checked(str(name), value)
    return found


def run(values: Mapping[str, Any], prompt: str, answer: str) -> dict[str, float]:
    """Score of each check by name; 0 for all where the answer is blank."""
    if not answer.strip():
        return dict.fromkeys(values, 0.0)
    return {name: CHECKS[name].measure(answer, prompt, value) for name, value in values.items()}
