"""What the proxy reward reads off a prompt: policy, record, question, and what they imply.

Works from the prompt's text alone. A prompt without these labels is one long question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rsft_bench.harness.rewards.lexicons import (
    LOWER_BOUND,
    MISSING,
    NEGATIVE,
    NUMBER_WORDS,
    STOP,
    UNITS,
    UPPER_BOUND,
)

TOKEN = re.compile(
    r"[$€£]|\d+(?:[.,:/-]\d+)*(?:st|nd|rd|th)?%?"
    r"|[A-Za-z]+\d[A-Za-z\d-]*|[A-Za-z]+(?:'[a-z]+)?|[?!]"
    # Chinese is written without spaces: a character, or a mark of its own width, is a token.
    r"|[\u3400-\u9fff¥，。；？！]"
)
LINE = re.compile(r"^(Policy|Record|Acts|Customer|Agent):[ \t]*(.*)$", re.MULTILINE)
CLAUSE = re.compile(r"[.;]\s+|[，。；]|, (?:but|except|unless)\b|\bunless\b|\bexcept\b")
UNIT_GAP = 3
_WIDE = {"？": "?", "！": "!"}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit (``day``, ``money``, ...); ``bound`` +1 upper, -1 lower, 0 none."""

    value: float
    unit: str
    bound: int
    negated: bool


@dataclass(frozen=True, slots=True)
class PromptView:
    """A parsed prompt.

    Attributes:
        fields: record values by key, as token tuples; ``yes``/``no`` values included.
        phrases: first token -> (tokens, key) of matchable values, longest first.
        parts: content token -> key for tokens of longer values.
        record_tokens, policy_tokens, question_tokens: normalised tokens of each part.
        missing: share of record values that say nothing, 1.0 for an empty record.
        verdict: sum of the policy's comparisons with the record, clipped to [-1, 1]; positive when
            the policy seems to allow.
        barred: content tokens of negated policy clauses.
        barred_hits, allowed_hits: how many of the clauses' content tokens the record carries.
        kind: what the question asks for: can, where, when, much, which, what, why or other.
    """

    fields: tuple[tuple[str, tuple[str, ...]], ...]
    phrases: dict[str, list[tuple[tuple[str, ...], str]]]
    parts: dict[str, str]
    record_tokens: frozenset[str]
    policy_tokens: frozenset[str]
    question_tokens: frozenset[str]
    question: tuple[str, ...]
    policy: tuple[str, ...]
    missing: float
    verdict: float
    barred: frozenset[str]
    barred_hits: float
    allowed_hits: float
    kind: str


def tokens_of(text: str) -> list[str]:
    """Normalised tokens: lower case, numbers without thousands commas and ordinal endings."""
    return [normalise(token) for token in TOKEN.findall(text)]


def normalise(token: str) -> str:
    """One token as it is compared: ``1,200`` -> ``1200``, ``3rd`` -> ``3``, ``seven`` -> ``7``."""
    lower = token.lower()
    if lower[0].isdigit():
        if lower[-2:] in ("st", "nd", "rd", "th"):
            lower = lower[:-2]
        lower = lower.replace(",", "")
        return lower[:-3] if lower.endswith(".00") else lower
    return NUMBER_WORDS.get(lower, _WIDE.get(lower, lower))


def stem(token: str) -> str:
    """Crude stem, so that ``returned``, ``returns`` and ``return`` meet."""
    for ending in ("ing", "ed", "es", "s"):
        if token.endswith(ending) and len(token) - len(ending) >= 4:
            return token[: -len(ending)]
    return token


def content(tokens: Iterable[str]) -> frozenset[str]:
    """Stems of words that carry meaning: at least three letters, no stop or negation words."""
    return frozenset(
        stem(t)
        for t in tokens
        if len(t) >= 3 and t[0].isalpha() and t not in STOP and t not in NEGATIVE
    )


def view(prompt: str) -> PromptView:
    """Parse one prompt."""
    lines: dict[str, str] = {}
    for label, text in LINE.findall(prompt):
        if label != "Agent":
            lines[label] = text
    question = tokens_of(lines.get("Customer", "" if lines else prompt))
    policy_text = lines.get("Policy", "")
    record_text = "; ".join(lines[label] for label in ("Record", "Acts") if label in lines)
    fields = tuple(_fields(record_text))
    record = tokens_of(record_text)
    phrases, parts = _matchable(fields)
    barred, allowed = _clauses(policy_text)
    carried = content(
        t for key, value in fields if value != ("no",) for t in (*tokens_of(key), *value)
    )
    return PromptView(
        fields=fields,
        phrases=phrases,
        parts=parts,
        record_tokens=frozenset(record),
        policy_tokens=frozenset(tokens_of(policy_text)),
        question_tokens=frozenset(question),
        question=tuple(question),
        policy=tuple(tokens_of(policy_text)),
        missing=_missing(fields),
        verdict=_verdict(policy_text, fields),
        barred=barred,
        barred_hits=float(len(barred & carried)),
        allowed_hits=float(len(allowed & carried)),
        kind=_kind(question),
    )


def _fields(record: str) -> Iterable[tuple[str, tuple[str, ...]]]:
    for piece in record.split(";"):
        key, colon, value = piece.partition(":")
        if not colon:
            key, value = "record", piece
        if value.strip():
            yield key.strip().lower(), tuple(tokens_of(value))


def _matchable(
    fields: tuple[tuple[str, tuple[str, ...]], ...],
) -> tuple[dict[str, list[tuple[tuple[str, ...], str]]], dict[str, str]]:
    phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    parts: dict[str, str] = {}
    for key, value in fields:
        if not value or value in (("yes",), ("no",)) or is_missing(value):
            continue
        phrases.setdefault(value[0], []).append((value, key))
        if len(value) > 1:
            for token in value:
                if len(token) >= 4 and token not in STOP:
                    parts.setdefault(token, key)
    for found in phrases.values():
        found.sort(key=lambda item: -len(item[0]))
    return phrases, parts


def is_missing(value: tuple[str, ...]) -> bool:
    """Whether a record value says that nothing is known."""
    return (
        not value
        or value[0] in MISSING
        or value[:2] in (("not", "found"), ("no", "record"), ("查", "无"))
    )


def _missing(fields: tuple[tuple[str, tuple[str, ...]], ...]) -> float:
    if not fields:
        return 1.0
    return sum(is_missing(value) for _, value in fields) / len(fields)


def _clauses(policy: str) -> tuple[frozenset[str], frozenset[str]]:
    """Content stems that stand in negated clauses only, and in plain clauses only."""
    barred: set[str] = set()
    allowed: set[str] = set()
    for clause in CLAUSE.split(policy):
        tokens = tokens_of(clause)
        (barred if NEGATIVE.intersection(tokens) else allowed).update(content(tokens))
    return frozenset(barred - allowed), frozenset(allowed - barred)


def quantities(text: str) -> list[Quantity]:
    """Numbers with a unit right after, or money with its sign before."""
    found: list[Quantity] = []
    for clause in CLAUSE.split(text):
        tokens = tokens_of(clause)
        negated = bool(NEGATIVE.intersection(tokens))
        for i, token in enumerate(tokens):
            number = as_number(token)
            if number is None:
                continue
            before = tokens[max(i - 3, 0) : i]
            money = bool(before) and before[-1] in ("$", "€", "£", "¥")
            named = next((UNITS[t] for t in tokens[i + 1 : i + UNIT_GAP] if t in UNITS), None)
            unit, scale = ("money", 1.0) if money else named or ("", 1.0)
            upper, lower = UPPER_BOUND.intersection(before), LOWER_BOUND.intersection(before)
            bound = int(bool(upper)) - int(bool(lower))
            found.append(Quantity(number * scale, unit, bound, negated))
    return found


def as_number(token: str) -> float | None:
    """Value of a plain decimal token, None for dates, times, codes and words."""
    try:
        return float(token) if token[0].isdigit() else None
    except ValueError:
        return None


def _verdict(policy: str, fields: tuple[tuple[str, tuple[str, ...]], ...]) -> float:
    """Compare each bounded number of the policy with record numbers of the same unit."""
    limits = [q for q in quantities(policy) if q.unit]
    total = 0
    for key, value in fields:
        unit_of_key = next((UNITS[t] for t in tokens_of(key) if t in UNITS), None)
        for held in quantities(" ".join(value)):
            unit, scale = unit_of_key if not held.unit and unit_of_key else (held.unit, 1.0)
            for limit in limits:
                if limit.unit == unit:
                    kept = held.value * scale <= limit.value
                    wanted = limit.bound >= 0
                    total += 1 if (kept == wanted) != limit.negated else -1
    return float(max(-1, min(1, total)))


def _kind(question: list[str]) -> str:
    words = set(question)
    pairs = set(zip(question, question[1:], strict=False))
    if ("how", "much") in pairs or ("how", "many") in pairs or words & {"cost", "price", "fee"}:
        return "much"
    if words & {"when", "eta", "date"} or ("how", "long") in pairs:
        return "when"
    if words & {"where", "wheres", "where's", "whereabouts", "status", "track"}:
        return "where"
    if words & {"who", "which"}:
        return "which"
    if words & {"can", "could", "may", "am", "eligible", "allowed", "possible", "want", "refund"}:
        return "can"
    if "why" in words:
        return "why"
    return "what" if "what" in words or "what's" in words else "other"
