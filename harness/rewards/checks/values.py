"""Values that a text states, in one normal form for English and Chinese. Pure.

A value is a number, an amount of money, a date, a time of day or a duration. ``values`` finds them,
``states`` says whether a text states a fact, whatever way either of them writes it: "$12.50" and
"12.5 dollars", "3月14日" and "14 March", "7:30 pm" and 19:30, "90 minutes" and "an hour and a half"
only where both are written with numbers. Words around a value do not change it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from rsft_bench.harness.rewards.checks.numerals import (
    CHINESE_PATTERN,
    DIGITS_PATTERN,
    ENGLISH_PATTERN,
    from_chinese,
    from_digits,
    from_english,
)

Kind = Literal["number", "money", "date", "time", "duration"]

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_NUM = rf"(?:{DIGITS_PATTERN}|{ENGLISH_PATTERN}|{CHINESE_PATTERN})"
# After digits a unit may follow at once ("30min", "5元"), which DIGITS_PATTERN forbids.
_AMOUNT = (
    r"(?:(?<![a-z\d.,_])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|"
    rf"{ENGLISH_PATTERN}|{CHINESE_PATTERN})"
)
_CURRENCIES = {
    "USD": r"us\$|\$|us dollars?|dollars?|usd|bucks|美元|美金",
    "EUR": r"€|euros?|eur|欧元",
    "GBP": r"£|pounds?(?: sterling)?|gbp|英镑",
    "CNY": r"¥|rmb|cny|yuan|元人民币|人民币|元|块钱|块",
}
_SIGN = "|".join((r"us\$", r"\$", "€", "£", "¥", "usd", "eur", "gbp", "rmb", "cny", "人民币"))
_UNIT_WORDS = "|".join(f"(?P<{code}>{words})" for code, words in _CURRENCIES.items())
#: (base, how many of it): calendar days are minutes, working days and months are their own.
_SPANS: tuple[tuple[str, str, Decimal], ...] = (
    ("workdays", r"(?:working|business)[ -]days?|个?工作日", Decimal(1)),
    ("minutes", r"minutes?|mins?|分钟", Decimal(1)),
    ("minutes", r"hours?|hrs?|个?小时|个?钟头", Decimal(60)),
    ("minutes", r"days?|天|日内", Decimal(1440)),
    ("minutes", r"weeks?|个?星期|周", Decimal(10080)),
    ("months", r"months?|个月", Decimal(1)),
    ("months", r"years?|年", Decimal(12)),
)  # fmt: skip
_SPAN_WORDS = "|".join(f"(?P<s{i}>{words})" for i, (_, words, _) in enumerate(_SPANS))
_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("date", re.compile(
        r"(?<![\da-z])(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)"
    )),
    ("date", re.compile(
        rf"(?<![\da-z])(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?: of)?[ -](?P<mn>{_MONTH})"
        r"(?:,? (?P<y>\d{4})\b)?"
    )),
    ("date", re.compile(
        rf"\b(?P<mn>{_MONTH}) (?:the )?(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?![.,:]?\d)"
        r"(?:,? (?P<y>\d{4})\b)?"
    )),
    ("date", re.compile(
        rf"(?:(?P<yc>\d{{4}}|[〇零一二三四五六七八九]{{4}})年)?"
        rf"(?P<mc>\d{{1,2}}|{CHINESE_PATTERN})月(?P<dc>\d{{1,2}}|{CHINESE_PATTERN})[日号]"
    )),
    ("time", re.compile(
        r"(?<![\da-z:.])(?P<h>\d{1,2})(?:[:.](?P<mi>\d{2}))?\s*(?P<half>[ap])\.?m\b\.?"
    )),
    ("time", re.compile(r"(?<![\da-z:.])(?P<h>\d{1,2}):(?P<mi>\d{2})(?::\d{2})?(?![\d:])")),
    ("time", re.compile(
        r"\b(?:(?P<noon>noon|midday)|(?P<night>midnight))\b|(?P<mid>正午)|(?P<zero>午夜)"
    )),
    ("time", re.compile(
        r"(?P<part>凌晨|早上|上午|中午|下午|傍晚|晚上)?"
        rf"(?P<hc>\d{{1,2}}|{CHINESE_PATTERN})(?:点钟?|时)(?!间|候)"
        rf"(?:(?P<halfc>半)|(?P<quarter>[一三]刻)|(?P<mc>\d{{1,2}}|{CHINESE_PATTERN})分?)?"
    )),
    ("money", re.compile(rf"(?P<sign>{_SIGN})\s?(?P<n>\d[\d,]*(?:\.\d+)?)(?![a-z\d])")),
    ("money", re.compile(rf"(?P<n>{_AMOUNT})\s?(?:{_UNIT_WORDS})(?![a-z])")),
    ("duration", re.compile(r"(?P<halfh>half an hour|半个?小时)")),
    ("duration", re.compile(rf"(?P<n>{_AMOUNT})[\s-]?(?:{_SPAN_WORDS})(?![a-z])")),
    ("number", re.compile(rf"(?P<n>{_NUM})")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a text: ``key`` is equal for equal values, ``start`` and ``end`` its place.

    Keys: a number as decimal text; money with its currency; a date as ``"YYYY-MM-DD"`` or
    ``"MM-DD"``; a time as minutes after midnight; a duration in minutes, months or working days.
    ``amount`` is the number as written where there is one. ``either`` is a second key of a time
    without am or pm: 7:30 is 450 or 1170.
    """

    kind: Kind
    key: str
    start: int
    end: int
    amount: str = ""
    either: str = ""


def fold(text: str) -> str:
    """Lower case, compatibility forms, straight quotes: the form in which texts are read."""
    # A folded "，" would make "，7天" look like the end of a number with thousands.
    text = text.replace("，", "、")
    return unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("￥", "¥")


@lru_cache(maxsize=1 << 14)
def values(text: str) -> tuple[Value, ...]:
    """Every value of a text in order of place; what is part of one is part of no other."""
    low = fold(text)
    taken = bytearray(len(low))
    found: list[Value] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(low):
            if any(taken[match.start() : match.end()]):
                continue
            value = _READ[kind](match)
            if value is not None:
                found.append(value)
                taken[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    return tuple(sorted(found, key=lambda v: v.start))


def _decimal(text: str) -> Decimal | None:
    if text[0].isascii():
        return from_digits(text) if text[0].isdigit() else from_english(text)
    return from_chinese(text)


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _number(match: re.Match[str]) -> Value | None:
    text = match["n"]
    # One Chinese numeral is part of many words (一下, 万一); a code keeps its leading zeros.
    if not text.isascii() and len(text) == 1:
        return None
    if len(text) > 1 and text[0] == "0" and text.isdigit():
        return Value("number", text, *match.span(), text)
    number = _decimal(text)
    if number is None:
        return None
    return Value("number", _plain(number), *match.span(), _plain(number))


def _money(match: re.Match[str]) -> Value | None:
    number = _decimal(match["n"].rstrip(","))
    if number is None:
        return None
    groups = match.groupdict()
    if groups.get("sign"):
        sign = groups["sign"]
        code = next(c for c, words in _CURRENCIES.items() if re.fullmatch(words, sign))
    else:
        code = next(c for c in _CURRENCIES if groups.get(c))
    return Value("money", f"{code} {_plain(number)}", *match.span(), _plain(number))


def _duration(match: re.Match[str]) -> Value | None:
    if match.groupdict().get("halfh"):
        return Value("duration", "30 minutes", *match.span())
    number = _decimal(match["n"])
    if number is None:
        return None
    base, _, factor = next(s for i, s in enumerate(_SPANS) if match[f"s{i}"])
    return Value("duration", f"{_plain(number * factor)} {base}", *match.span(), _plain(number))


def _date(match: re.Match[str]) -> Value | None:
    groups = match.groupdict()
    if groups.get("mc"):
        month, day = _decimal(groups["mc"] or ""), _decimal(groups["dc"] or "")
        year = _decimal(groups["yc"]) if groups["yc"] else None
    else:
        name = groups.get("mn")
        month = Decimal(_MONTHS.index(name[:3]) + 1) if name else Decimal(groups["m"] or 0)
        day = Decimal(groups["d"] or 0)
        year = Decimal(groups["y"]) if groups["y"] else None
    if month is None or day is None or not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    key = f"{int(month):02d}-{int(day):02d}"
    return Value("date", key if year is None else f"{int(year):04d}-{key}", *match.span())


_AFTERNOON = ("下午", "傍晚", "晚上")


def _time(match: re.Match[str]) -> Value | None:
    groups = match.groupdict()
    if groups.get("noon") or groups.get("mid"):
        return Value("time", "720", *match.span())
    if groups.get("night") or groups.get("zero"):
        return Value("time", "0", *match.span())
    chinese = bool(groups.get("hc"))
    hour = _decimal(groups["hc"] if chinese else groups["h"])
    minute = _minutes(groups) if chinese else Decimal(groups.get("mi") or 0)
    if hour is None or minute is None or hour > 24 or minute > 59:
        return None
    at = int(hour) % 24 * 60 + int(minute)
    half, part = groups.get("half"), groups.get("part")
    if half:
        if not 1 <= hour <= 12:
            return None
        at = int(hour) % 12 * 60 + int(minute) + (720 if half == "p" else 0)
    elif part in _AFTERNOON and hour < 12:
        at += 720
    elif part == "中午" and hour < 3:
        at += 720
    open_half = not half and not part and 1 <= hour <= 12 and not match.group().startswith("0")
    return Value("time", str(at), *match.span(), either=str((at + 720) % 1440) if open_half else "")


def _minutes(groups: dict[str, str | None]) -> Decimal | None:
    if groups["halfc"]:
        return Decimal(30)
    if groups["quarter"]:
        return Decimal(15 if groups["quarter"][0] == "一" else 45)
    return _decimal(groups["mc"]) if groups["mc"] else Decimal(0)


_READ: dict[Kind, Callable[[re.Match[str]], Value | None]] = {
    "date": _date,
    "time": _time,
    "money": _money,
    "duration": _duration,
    "number": _number,
}


def same(fact: Value, stated: Value) -> bool:
    """Whether ``stated`` states ``fact``.

    A year that only one of two dates names does not separate them; a clock time without am or pm
    matches either half of the day; a bare number is stated by an amount of money or a duration of
    that number, an amount of money by the bare number, never by another currency.
    """
    if fact.kind == stated.kind:
        if fact.kind == "date":
            years = len(fact.key) == 10 and len(stated.key) == 10
            return fact.key[0 if years else -5 :] == stated.key[0 if years else -5 :]
        keys = {fact.key, fact.either} - {""}
        return bool(keys & ({stated.key, stated.either} - {""}))
    if fact.kind == "number":
        return stated.kind in ("money", "duration") and fact.amount == stated.amount
    return fact.kind == "money" and stated.kind == "number" and fact.amount == stated.key
