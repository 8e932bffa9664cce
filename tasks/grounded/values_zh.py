"""Normalised reading of values in Chinese answers: numbers, money, times, dates, names.

Owns what counts as "the same value" in Chinese. There are no words: every Han character is a token
of its own, so that a name is a run of characters; digits, times, dates and telephone numbers are
one token each. Full-width forms, brackets, spaces and units of money and ratings do not matter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

from rsft_bench.harness.rewards.checks.numerals import CHINESE_DIGITS
from rsft_bench.tasks.grounded.language import Form, Token

_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10000}
_NUMERAL = "[零〇一二两三四五六七八九十百千万]"
_UNIT = r"(?:块钱|元|块|圆|分(?!钟)|小时|个|家|条|人|位|间|晚|天|号|站|点)"
# A range that names its unit twice says the same as one that names it once.
_RANGE = re.compile(r"(\d+(?:\.\d+)?)\s*(小时|分钟|元|分|天)(?=\s*[-~至到]\s*\d+(?:\.\d+)?\s*\2)")
_PATTERN = re.compile(
    rf"""
    (?P<iso>\d{{4}}[-/.年](?P<im>\d{{1,2}})[-/.月](?P<id>\d{{1,2}})日?)
  | (?P<day>(?P<dm>\d{{1,2}})月(?P<dd>\d{{1,2}})[日号]?)
  | (?P<clock>(?P<half>上午|早上|下午|晚上|中午)?(?P<ch>\d{{1,2}})
      (?::(?P<cm>\d{{2}})|点(?!评|心)(?:(?P<pm>\d{{1,2}})分?|(?P<thirty>半))?))
  | (?P<phone>\d{{3,4}}\s?-\s?\d{{7,8}}|\d{{3,4}}\s?-\s?\d{{3,4}}\s?-\s?\d{{3,4}}|\d{{7,}})
  | (?P<number>\d+(?:\.\d+)?)(?:\s?(?:块钱|元|块|圆|分(?!钟)))?
  | (?P<numeral>{_NUMERAL}{{2,}}(?=\s?{_UNIT})|{_NUMERAL}(?=\s?(?:块钱|小时|点钟)))
  | (?P<word>[a-z]+)
  | (?P<han>[\u3400-\u9fff])
    """,
    re.VERBOSE,
)
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−～〜", "-") | {"￥": "", "¥": "", "，": ","})


@lru_cache(maxsize=1 << 15)
def tokens(text: str) -> tuple[Token, ...]:
    """Read a text into tokens, in order; case, width, marks and spaces are dropped."""
    folded = unicodedata.normalize("NFKC", text).translate(_DASHES).lower()
    folded = _RANGE.sub(r"\1", re.sub("[\u200b-\u200f\ufeff]", "", folded))
    return tuple(_READERS[m.lastgroup or ""](m) for m in _PATTERN.finditer(folded))


def form(value: str) -> Form:
    """The first reading of each token."""
    return tuple(t.readings[0] for t in tokens(value))


def forms(value: str) -> tuple[Form, ...]:
    """All token sequences that state a value; empty for one without a character to check."""
    found = form(value)
    return (found,) if found else ()


def known(texts: Iterable[str]) -> frozenset[str]:
    """Readings of numbers, times and dates, words, and pairs of neighbouring characters.

    Single characters say nothing about a name; a name was seen where all its pairs were.
    """
    found: set[str] = set()
    for text in texts:
        read = tokens(text)
        found.update(r for t in read if t.claim or len(t.readings[0]) > 1 for r in t.readings)
        found.update(pairs(tuple(t.readings[0] for t in read)))
    return frozenset(found)


def pairs(wanted: Form) -> list[str]:
    """Neighbouring tokens that are no claims, joined."""
    both = zip(wanted, wanted[1:], strict=False)
    return [a + b for a, b in both if ":" not in a and ":" not in b]


def numeral(text: str) -> int:
    """Value of a Chinese numeral up to 万: 三百八十 is 380, 十五 is 15, 二〇 is 20."""
    if not any(c in _SCALES for c in text):
        return int("".join(str(CHINESE_DIGITS[c]) for c in text))
    total = section = digit = 0
    for c in text:
        if c in CHINESE_DIGITS:
            digit = CHINESE_DIGITS[c]
        elif c == "万":
            total, section, digit = (section + digit) * 10000, 0, 0
        else:
            section += (digit or 1) * _SCALES[c]
            digit = 0
    return total + section + digit


def _clock(match: re.Match[str]) -> Token:
    hour, half = int(match["ch"]), match["half"] or ""
    minute = 30 if match["thirty"] else int(match["cm"] or match["pm"] or 0)
    late = half in ("下午", "晚上") and hour < 12
    return Token((f"t:{hour + 12 * late:02d}:{minute:02d}",), True)


def _number(match: re.Match[str]) -> Token:
    digits = match["number"]
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return Token((f"n:{digits}",), True)


def _han(match: re.Match[str]) -> Token:
    char = match["han"]
    if char in CHINESE_DIGITS:
        return Token((char, f"n:{CHINESE_DIGITS[char]}"), False)
    return Token((char,), False)


_READERS: dict[str, Callable[[re.Match[str]], Token]] = {
    "iso": lambda m: Token((f"d:{int(m['im']):02d}-{int(m['id']):02d}",), True),
    "day": lambda m: Token((f"d:{int(m['dm']):02d}-{int(m['dd']):02d}",), True),
    "clock": _clock,
    "phone": lambda m: Token((f"n:{re.sub('[^0-9]', '', m['phone'])}",), True),
    "number": _number,
    "numeral": lambda m: Token((f"n:{numeral(m['numeral'])}",), True),
    "word": lambda m: Token((m["word"],), False),
    "han": _han,
}
