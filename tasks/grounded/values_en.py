"""Normalised reading of values in English answers: numbers, money, times, dates and names.

Owns what counts as "the same value" in English. A text becomes a sequence
of tokens; a token carries every reading that it allows, so that "7:30" can stand for 07:30 and for
19:30 and "the 9th" for the ninth of any month. Two texts name one value when the readings agree
token by token.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import lru_cache

from rsft_bench.tasks.grounded.language import Form, Token

# Every relative date of upstream ("today", "next Monday") is resolved against this day.
REFERENCE_DATE = date(2019, 3, 1)

MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september",
           "october", "november", "december")  # fmt: skip
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
          "eleven", "twelve")  # fmt: skip
_MONTH_RE = "|".join(f"{m[:3]}(?:{m[3:]})?" for m in MONTHS)
_PATTERN = re.compile(
    rf"""
    (?P<iso>\b\d{{4}}-\d{{2}}-\d{{2}}\b)
  | (?P<clock>\b(?P<ch>\d{{1,2}})(?::(?P<cm>\d{{2}}))?\s*
      (?P<half>[ap]\.?m\b\.?|o'?clock\b|(?:in\sthe\s(?:morning|afternoon|evening))\b))
  | (?P<bare>\b(?P<bh>\d{{1,2}}):(?P<bm>\d{{2}})\b)
  | (?P<noon>\b(?:noon|midnight)\b)
  | (?P<md>\b(?P<m1>{_MONTH_RE})\.?\s+(?:the\s+)?(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?\b(?![:.,]\d))
  | (?P<dm>\b(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<m2>{_MONTH_RE})\b)
  | (?P<slash>\b(?P<m3>\d{{1,2}})/(?P<d3>\d{{1,2}})\b)
  | (?P<ordinal>\b(?P<d4>\d{{1,2}})(?:st|nd|rd|th)\b)
  | (?P<relative>\b(?:day\safter\stomorrow|tomorrow|today)\b)
  | (?P<weekday>\b(?P<which>(?:this|next|coming)\s+)?(?P<day>{"|".join(_DAYS)})\b
      (?P<week>,?\s(?:of\s)?(?:this|next)\sweek\b)?)
  | (?P<number>(?:(?<![\w.])\.)?\d[\d,]*(?:\.\d+)?)
  | (?P<word>[a-z]+(?:'[a-z]+)*)
    """,
    re.VERBOSE,
)
_CURRENCY = frozenset("dollar dollars bucks usd pound pounds gbp".split())
_UNCHECKED = frozenset({"true", "false", "none", "dontcare", ""})


@lru_cache(maxsize=1 << 15)
def tokens(text: str) -> tuple[Token, ...]:
    """Read a text into tokens, in order; case, accents, $ and thousands commas are dropped."""
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    folded = folded.replace("&", " and ")
    # The outermost group closes last, so lastgroup names the kind.
    found = [_READERS[m.lastgroup or ""](m) for m in _PATTERN.finditer(folded)]
    return tuple(t for t in found if t.readings[0] not in _CURRENCY)


def form(value: str) -> Form:
    """The reading of a value that counts as its own: the first reading of each token."""
    return tuple(t.readings[0] for t in tokens(value))


@lru_cache(maxsize=1 << 15)
def forms(value: str, canonical: str) -> tuple[Form, ...]:
    """All token sequences that state one slot value, given its surface and canonical spelling.

    Empty for values that cannot be checked verbatim: True, False, None, dontcare, no word in it.
    """
    if canonical.strip().lower() in _UNCHECKED:
        return ()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", canonical):
        return (f"d:{canonical[5:]}",), (f"d:xx-{canonical[8:]}",)
    if re.fullmatch(r"\d{2}:\d{2}", canonical):
        return ((f"t:{canonical}",),)
    found = dict.fromkeys((form(value), form(canonical)))
    return tuple(f for f in found if f)


def known(texts: Iterable[str]) -> frozenset[str]:
    """All readings of the numbers, times, dates (``kind:value``) and words of some texts."""
    return frozenset(r for text in texts for t in tokens(text) for r in t.readings)


def _clock(match: re.Match[str]) -> Token:
    hour, minute, half = int(match["ch"]), match["cm"] or "00", match["half"]
    if half.startswith("o"):
        return Token(_both_halves(hour, minute), True)
    late = half.startswith("p") or half.endswith(("afternoon", "evening"))
    return Token((f"t:{hour % 12 + 12 * late:02d}:{minute}",), True)


def _both_halves(hour: int, minute: str) -> tuple[str, ...]:
    hours = (hour,) if hour > 12 else (hour, hour % 12, hour % 12 + 12)
    return tuple(dict.fromkeys(f"t:{h:02d}:{minute}" for h in hours))


def _bare(match: re.Match[str]) -> Token:
    # "06:30" is a 24-hour spelling; "6:30" may be either half of the day.
    if match["bh"].startswith("0"):
        return Token((f"t:{match['bh']}:{match['bm']}",), True)
    return Token(_both_halves(int(match["bh"]), match["bm"]), True)


def _date(month: str, day: str) -> Token:
    index = next(i for i, m in enumerate(MONTHS, 1) if m.startswith(month[:3]))
    return Token((f"d:{index:02d}-{int(day):02d}",), True)


def _day(value: date) -> str:
    return f"d:{value:%m-%d}"


def _relative(match: re.Match[str]) -> Token:
    ahead = {"today": 0, "tomorrow": 1}.get(match["relative"], 2)
    return Token((_day(REFERENCE_DATE + timedelta(days=ahead)),), True)


def _weekday(match: re.Match[str]) -> Token:
    """Upstream's "next Monday" is the one of the next calendar week, Monday to Sunday."""
    index, words = _DAYS.index(match["day"]), f"{match['which']} {match['week']}"
    ahead = index - REFERENCE_DATE.weekday()
    if "next" in words:
        return Token((_day(REFERENCE_DATE + timedelta(days=ahead + 7)),), True)
    first = REFERENCE_DATE + timedelta(days=ahead % 7)
    if ahead == 0 and words == "None None":
        return Token((_day(first), _day(first + timedelta(days=7))), True)
    return Token((_day(first),), True)


def _number(match: re.Match[str]) -> Token:
    digits = match["number"].replace(",", "")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return Token((f"n:{digits}",), True)


def _word(match: re.Match[str]) -> Token:
    return _word_token(match["word"])


@lru_cache(maxsize=1 << 15)
def _word_token(raw: str) -> Token:
    if raw in _WORDS:
        count = _WORDS.index(raw)
        return Token((f"n:{count}", raw), count > 1)
    return Token((raw.removesuffix("'s").replace("'", ""),), False)


_READERS: dict[str, Callable[[re.Match[str]], Token]] = {
    "iso": lambda m: Token((f"d:{m['iso'][5:]}",), True),
    "clock": _clock,
    "bare": _bare,
    "noon": lambda m: Token(("t:12:00" if m["noon"] == "noon" else "t:00:00",), True),
    "md": lambda m: _date(m["m1"], m["d1"]),
    "dm": lambda m: _date(m["m2"], m["d2"]),
    "slash": lambda m: Token((f"d:{int(m['m3']):02d}-{int(m['d3']):02d}",), True),
    "ordinal": lambda m: Token((f"d:xx-{int(m['d4']):02d}",), True),
    "relative": _relative,
    "weekday": _weekday,
    "number": _number,
    "word": _word,
}
