"""Number words of English and Chinese as decimals. Pure."""

from __future__ import annotations

import re
from decimal import Decimal

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ENGLISH = {word: i for i, word in enumerate(_SMALL)} | {
    word: 20 + 10 * i for i, word in enumerate(_TENS)
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
CHINESE_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_BIG = {"万": 10_000, "亿": 100_000_000}

_WORD = "|".join(sorted((*ENGLISH, *_SCALES), key=len, reverse=True))
# Lengths are bounded: a text of number words only would else take quadratic time.
#: A spelled English number such as "twenty-one" or "two hundred and five".
ENGLISH_PATTERN = rf"\b(?:{_WORD})(?:(?:[\s-]+|\s+and\s+)(?:{_WORD})){{0,12}}\b"
#: A spelled Chinese number such as 两百零五.
CHINESE_PATTERN = "[零〇一二两三四五六七八九十百千万亿]{1,16}"
#: Digits: thousands commas, decimals. Not part of a longer word, so that "A12" is no 12.
DIGITS_PATTERN = r"(?<![a-zA-Z\d.,_])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![a-zA-Z_]|,?\d)"


def from_digits(text: str) -> Decimal:
    """``"1,240.50"`` -> 1240.50."""
    return Decimal(text.replace(",", ""))


def from_english(text: str) -> Decimal | None:
    """``"two hundred and five"`` -> 205; None where the words are no number ("five six")."""
    total, current = 0, 0
    previous = 1000
    for word in re.split(r"[\s-]+", text.lower()):
        if word == "and":
            continue
        if word in _SCALES:
            scale = _SCALES[word]
            if scale == 100:
                current = max(current, 1) * 100
            else:
                total, current = total + max(current, 1) * scale, 0
            previous = scale
            continue
        value = ENGLISH[word]
        # A smaller number may follow only a ten or a scale: "twenty one", not "one twenty".
        if value >= previous or (value >= 10 and previous < 100):
            return None
        if previous < 100 and (previous % 10 or previous < 20):
            return None
        current += value
        previous = value if value else 1
    return Decimal(total + current)


def from_chinese(text: str) -> Decimal | None:
    """``"两百零五"`` -> 205, ``"二〇二四"`` -> 2024; None where it is none (``"百"``)."""
    if all(c in CHINESE_DIGITS for c in text):
        # Digits one by one are a number of that many digits: a year, a code.
        return Decimal("".join(str(CHINESE_DIGITS[c]) for c in text))
    total, section, digit = 0, 0, -1
    for c in text:
        if c in CHINESE_DIGITS:
            if digit > 0:
                return None
            digit = CHINESE_DIGITS[c]
        elif c in _UNITS:
            if digit < 0 and c != "十":
                return None
            section += (1 if digit < 0 else digit) * _UNITS[c]
            digit = -1
        else:
            section += max(digit, 0)
            if section == 0:
                return None
            total, section, digit = (total + section) * _BIG[c], 0, -1
    return Decimal(total + section + max(digit, 0))
