"""Numbers, dates, amounts and names that a text states, in one normal form. Pure; no torch.

``claims`` reads any text (prompt or answer). Comparing the claims of an answer with those of its
prompt finds invented facts without knowing what the answer is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
WEEKDAYS = frozenset(
    ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "tomorrow")
)
_MONTH_NUMBER = {name: i + 1 for i, name in enumerate(MONTHS)} | {
    name[:3]: i + 1 for i, name in enumerate(MONTHS)
}
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
    "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_NUMBER_WORDS = {word: i for i, word in enumerate(_UNITS)} | _TENS
_MONTH = "(?P<%s>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|" + (
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b"
)
_DATE = re.compile(
    r"(?:\b(?P<day1>\d{1,2})(?:st|nd|rd|th)?(?: of)?[ -]" + _MONTH % "month1" + r")|(?:\b"
    + _MONTH % "month2" + r"[ -](?P<day2>\d{1,2})(?:st|nd|rd|th)?\b(?![.,]?\d))"
    r"|\b(?P<year>\d{4})-(?P<month3>\d{2})-(?P<day3>\d{2})\b"
)  # fmt: skip
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
_TIME_UNIT = frozenset(("day", "days", "hour", "hours", "week", "weeks", "month", "months"))


@dataclass(frozen=True, slots=True)
class Claims:
    """What a text states.

    ``numbers`` normal decimals such as ``"42.5"`` (digits outside dates), ``spelled`` the values of
    number words, ``spelled_units`` those directly before a time unit, ``dates`` as ``"MM-DD"``,
    ``weekdays`` lower case with "tomorrow" among them, ``words`` all lower-case words.
    """

    numbers: frozenset[str]
    spelled: frozenset[str]
    spelled_units: frozenset[str]
    dates: frozenset[str]
    weekdays: frozenset[str]
    words: frozenset[str]


def normal_number(text: str) -> str:
    """``"1,240.50"`` and ``"1240.5"`` -> ``"1240.5"``; leading zeros of an id are kept."""
    plain = text.replace(",", "")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def normal_date(text: str) -> str | None:
    """First date of the text as ``"MM-DD"``; None where there is none."""
    match = _DATE.search(text.lower())
    return None if match is None else _date_key(match)


def _date_key(match: re.Match[str]) -> str:
    day = match["day1"] or match["day2"] or match["day3"]
    if match["month3"]:
        return f"{match['month3']}-{int(day):02d}"
    name = match["month1"] or match["month2"]
    return f"{_MONTH_NUMBER[name[:3]]:02d}-{int(day):02d}"


def dated(text: str) -> list[tuple[str, int]]:
    """Dates of the text as ``"MM-DD"`` with their offsets in its lower-case form, in order."""
    return [(_date_key(m), m.start()) for m in _DATE.finditer(text.lower())]


def claims(text: str) -> Claims:
    """Everything checkable that ``text`` states. Never raises; an empty text states nothing."""
    low = text.lower()
    dates: set[str] = set()
    rest = low
    if any(c.isdigit() for c in low):
        found = list(_DATE.finditer(low))
        dates = {_date_key(m) for m in found}
        rest = _DATE.sub(" ", low) if found else low
        numbers = frozenset(normal_number(n) for n in _NUMBER.findall(rest))
    else:
        numbers = frozenset()
    words = _WORD.findall(low)
    unique = frozenset(words)
    spelled, spelled_units = _spelled(words) if unique & _NUMBER_WORDS.keys() else (set(), set())
    return Claims(
        numbers,
        frozenset(spelled),
        frozenset(spelled_units),
        frozenset(dates),
        unique & WEEKDAYS,
        unique,
    )


def _spelled(words: list[str]) -> tuple[set[str], set[str]]:
    every: set[str] = set()
    timed: set[str] = set()
    i = 0
    while i < len(words):
        value = _NUMBER_WORDS.get(words[i])
        i += 1
        if value is None:
            continue
        if value in _TENS.values() and i < len(words) and words[i] in _UNITS[1:10]:
            value += _UNITS.index(words[i])
            i += 1
        every.add(str(value))
        if i < len(words) and words[i] in _TIME_UNIT:
            timed.add(str(value))
    return every, timed


def invented(answer: Claims, known: Claims, names: frozenset[str] = frozenset()) -> frozenset[str]:
    """Claims of ``answer`` that ``known`` (the prompt's) lacks, in normal form.

    Digits anywhere count; number words only before a time unit ("a new one" states nothing). A
    number may repeat the day of a known date. ``names`` are single lower-case words (carriers,
    cities) that count as claims wherever they occur.
    """
    days = {str(int(d[3:])) for d in known.dates}
    numbers = known.numbers | known.spelled
    out = {n for n in answer.numbers - numbers if n not in days}
    out |= answer.spelled_units - numbers
    out |= answer.dates - known.dates
    out |= answer.weekdays - known.weekdays
    out |= (answer.words & names) - known.words
    return frozenset(out)
