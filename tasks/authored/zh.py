"""Chinese after-sales service: records, needed facts, slips, and how customers write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np

from rsft_bench.harness.rewards.checks.values import values as read
from rsft_bench.harness.types import Json, Split
from rsft_bench.tasks.authored.bank import Bank, Family, Outcome
from rsft_bench.tasks.authored.grammar import fill
from rsft_bench.tasks.authored.kit import Kit
from rsft_bench.tasks.authored.values import pick
from rsft_bench.tasks.authored.zh_judge import answer_key, judge

OPENINGS = ("", "", "", "你好，", "亲，", "客服在吗，", "您好，", "在不在，")
CLOSINGS = ("", "", "", "谢谢。", "麻烦了。", "在线等。", "急。")
PLAIN_RATE = 0.35
TYPO_RATE = 0.2
KINDS: Mapping[str, str] = {
    "eta": "date",
    "duedate": "date",
    "amount": "money",
    "back": "money",
    "n": "period",
}
"""Kind of a needed fact by slot."""

_FIRST_DAY = date(2023, 1, 8)
_HOMOPHONES = {"在": "再", "么": "嘛", "做": "作", "账": "帐", "已": "以", "那": "哪", "的": "得"}
_ASKS = re.compile(
    r"吗|么|呢|不$|什么|怎么|啥|几|多少|多久|哪|何|谁|能不能|对不对|多会儿|吧$|行不行"
)
_DIGITS = "零一二三四五六七八九"


def numeral(n: int) -> str:
    """1 to 99 in Chinese numerals; two of something is 两. ``12`` -> ``十二``."""
    if n < 10:
        return "两" if n == 2 else _DIGITS[n]
    tens, ones = divmod(n, 10)
    return f"{'' if tens == 1 else _DIGITS[tens]}十{_DIGITS[ones] if ones else ''}"


def question(body: str, values: Mapping[str, str], rng: np.random.Generator) -> str:
    """A body with one example's noise: opening, closing, no punctuation, at most one homophone."""
    opening = pick(OPENINGS, rng)
    closing = pick(CLOSINGS, rng)
    plain = rng.random() < PLAIN_RATE
    text = _typo(body, rng) if rng.random() < TYPO_RATE else body
    text = f"{opening}{fill(text, values)}{'？' if _ASKS.search(body) else '。'}{closing}"
    return re.sub(r"[，。？]+", " ", text).strip() if plain else text


def conversation(
    body: str, values: Mapping[str, str], rng: np.random.Generator, greets: bool = True
) -> str:
    """The customer's one message as a labelled line; Chinese strata are all greeted alike."""
    return f"Customer: {question(body, values, rng)}"


def _typo(body: str, rng: np.random.Generator) -> str:
    able = [i for i, c in enumerate(body) if c in _HOMOPHONES]
    if not able:
        return body
    at = able[int(rng.integers(len(able)))]
    return body[:at] + _HOMOPHONES[body[at]] + body[at + 1 :]


def _number(family: Family) -> int:
    return int(family.family_id[1:])


def _day(day: date, family: Family) -> str:
    """``3月14日`` or ``3月14号``, fixed per family."""
    return f"{day.month}月{day.day}{'日' if _number(family) % 2 else '号'}"


def _sum(tenths: int, family: Family) -> str:
    """``¥86.5`` or ``86.5元``, fixed per family."""
    text = f"{tenths // 10}.{tenths % 10}" if tenths % 10 else str(tenths // 10)
    return f"{text}元" if _number(family) % 3 else f"¥{text}"


def _unit(family: Family) -> str:
    return {"work": "个工作日", "month": "个月"}.get(family.rule, "天")


def _elapsed(limit: int, within: bool, rng: np.random.Generator) -> int:
    """Clearly inside or clearly past the limit."""
    if within:
        return int(rng.integers(1, max(2, int(limit * 0.75))))
    return int(rng.integers(int(limit * 1.25) + 1, limit * 3))


def draw(
    bank: Bank, family: Family, outcome: Outcome, split: Split, rng: np.random.Generator
) -> dict[str, str]:
    """Slots of one case. Sums are whole yuan where they are multiplied, so results are short."""
    names = bank.entities[split]
    first = _FIRST_DAY + timedelta(days=int(rng.integers(320)))
    later = first + timedelta(days=int(rng.integers(2, 7)))
    limit = family.limits[int(rng.integers(len(family.limits)))] if family.limits else 1
    elapsed = _elapsed(limit, outcome.decision == "affirm", rng)
    refund = int(rng.integers(150, 3000))
    each, sent = int(rng.integers(8, 60)), int(rng.integers(2, 5))
    topic = family.topic or outcome.topic
    return {
        "item": pick((*names["device"], *names["wear"]), rng),
        "device": pick(names["device"], rng),
        "wear": pick(names["wear"], rng),
        "carrier": pick(names["carrier"], rng),
        "order": str(int(rng.integers(10_000, 100_000))),
        "ship": _day(first, family),
        "eta": _day(later, family),
        "approved": _day(first, family),
        "got": _day(first, family),
        "duedate": _day(first + timedelta(days=limit), family),
        "n": str(limit),
        "nz": numeral(limit),
        "unit": _unit(family),
        "since": f"{elapsed}{_unit(family)}",
        "amount": _sum(refund, family),
        "paid": _sum(refund + 10 * int(rng.integers(5, 20)), family),
        "each": _sum(10 * each, family),
        "bought": f"{sent + int(rng.integers(1, 5))}件",
        "sent": f"{sent}件",
        "back": _sum(10 * each * sent, family),
        "ask": pick(family.asks, rng) if family.asks else "",
        "act": pick(bank.topics[topic].act, rng) if topic else "",
        "x": str(int(rng.integers(10_000, 100_000))),
        "xdate": _day(later, family),
        "xmoney": _sum(refund, family),
    }


def _key(text: str) -> str:
    (value,) = read(text)
    return value.key


def needs(outcome: Outcome, values: Mapping[str, str]) -> list[list[str]]:
    """Facts as ``[kind, key]``: kinds date, money and period, keys as in ``checks.values``."""
    return [
        [KINDS[slot], _key(values[slot] + (values["unit"] if slot == "n" else ""))]
        for slot in outcome.need
    ]


def spoil(
    slot: str,
    values: Mapping[str, str],
    bank: Bank,
    family: Family,
    split: Split,
    rng: np.random.Generator,
) -> dict[str, str]:
    """``values`` with a slip: another day, a sum or a limit that is off by a little."""
    by = 1 + int(rng.integers(4))
    if slot in ("eta", "duedate"):
        month, day = (int(part) for part in _key(values[slot]).split("-"))
        return {**values, slot: _day(date(2023, month, day) + timedelta(days=by), family)}
    if slot == "n":
        wrong = int(values["n"]) + by
        return {**values, "n": str(wrong), "nz": numeral(wrong)}
    tenths = round(10 * float(_key(values[slot]).removeprefix("CNY "))) + 10 * by
    return {**values, slot: _sum(tenths, family)}


def facts(outcome: Outcome, values: Mapping[str, str]) -> dict[str, Json]:
    """``derived``: keys of values that the prompt lacks and a right answer may work out."""
    derived: list[str] = []
    if outcome.name in ("refund_part", "invoice"):
        derived = [key for _, key in needs(outcome, values)]
    elif outcome.topic:
        unit = values["unit"]
        gap = abs(int(values["n"]) - int(values["since"].removesuffix(unit)))
        derived = [_key(f"{gap}{unit}")] if gap else []
    return {"derived": derived}


ZH_KIT = Kit(
    draw=draw,
    required=needs,
    corrupt=spoil,
    facts=facts,
    judge=judge,
    conversation=conversation,
    nothing="查无记录",
    key=answer_key,
    language="zh",
    modules=(
        "rsft_bench.tasks.authored.zh",
        "rsft_bench.tasks.authored.zh_judge",
        "rsft_bench.tasks.authored.zh_reading",
    ),
)
