"""Gold of the Chinese after-sales suite: the formula of ``tasks.authored.judge``, read in Chinese.

A right answer states the needed date, sum or period in its own role (the day of delivery, not that
of dispatch), decides as the policy and the record say, asks only for what is missing, is courteous
in Chinese, makes nothing up and promises nothing beyond the policy. A value counts as made up where
neither the prompt nor the arithmetic of the case holds it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from math import nan

from rsft_bench.harness.rewards import checks
from rsft_bench.harness.rewards.checks.form import in_language, n_words
from rsft_bench.harness.rewards.checks.values import Value, fold, same
from rsft_bench.harness.types import Example, Json, Judgement
from rsft_bench.tasks.authored import zh_reading as zh
from rsft_bench.tasks.authored.bank import load_bank
from rsft_bench.tasks.authored.grade import PARTS, Found, graded

MAX_WORDS = 90
BRIEF_WORDS = 60
"""Chinese characters count as words; about one and a half to two make an English word."""

_COPY = 0.8
# "3月5日后" names no day, unlike "3月5日前后".
_BEYOND = {"date": re.compile(r"[之以]?后(?!天)"), "period": re.compile(r"以上|开外")}
_PUNCTUATION = re.compile(r"[^\w]|_")
_PAID = "实付|支付|付了|付过|付款(?!账户)|已付|订单|下单|总价|原价|单价|每件|一件|每个|运费|购买|扣"
_BACK = "退|返|打[回到]|到账|入账|补"
_ROLES: Mapping[str, Mapping[str, zh.Role]] = {
    "track": {
        "date": zh.Role(
            "送达|送到|抵达|派送|派件|到|签收|收到|拿到|取",
            "发货|[出发]的货|发出|寄出|出库|揽收|揽件|下单|付款",
        )
    },
    "refund_time": {
        "money": zh.Role(_BACK, _PAID),
        "date": zh.Role("到账|退回|退到|入账|收到|返还", "审核|通过|申请|提交|同意|批准"),
    },
    "refund_part": {"money": zh.Role(_BACK, _PAID)},
    "invoice": {
        "date": zh.Role("开|发票|发送|发给|发到|寄|推送|截止|最晚|最迟", "收货|签收|确认|下单")
    },
}
_TRUE: Mapping[str, frozenset[str]] = {
    "swap": frozenset(("签收", "送达", "送到")),
    "invoice": frozenset(("签收", "送达", "送到")),
    "refund_part": frozenset(("退回", "寄出", "退货")),
    "refund_time": frozenset(("退货",)),
    "track": frozenset(("寄出",)),
}
"""Acts that the record of an outcome shows as done, whatever words its prompt uses."""

_REAL_CARRIERS = re.compile(r"顺丰|中通|圆通|韵达|京东|申通|极兔|邮政|ems")


@lru_cache(maxsize=8192)
def _known(prompt: str) -> tuple[tuple[Value, ...], frozenset[str]]:
    """Values of a prompt and the 5-grams of its policy without punctuation."""
    policy = prompt.partition("\n")[0].partition(":")[2]
    return zh.stated_values(prompt), _grams(policy)


def _grams(text: str) -> frozenset[str]:
    bare = _PUNCTUATION.sub("", fold(text))
    return frozenset(bare[i : i + 5] for i in range(max(len(bare) - 4, 0)))


def _is(value: Value, kind: str, key: str) -> bool:
    if kind == "date":
        return value.kind == "date" and value.key[-5:] == key
    if kind == "money" and value.kind == "number":
        return f"CNY {value.key}" == key
    return value.kind == {"period": "duration"}.get(kind, kind) and value.key == key


def _states(facts: Mapping[str, Json], text: str) -> tuple[float, bool]:
    """(share of needed facts stated, whether some value has a wrong role)."""
    roles = _ROLES.get(facts["outcome"], {})
    need = {kind: key for kind, key in facts["need"]}
    derived = set(facts["derived"])
    stated: set[str] = set()
    wrong = False
    for clause, found in zh.in_clauses(text):
        for value in found:
            hit = next((k for k, key in need.items() if _is(value, k, key)), "")
            kind = hit if hit == "money" else value.kind
            role = zh.role_of(clause, value, found, roles[kind]) if kind in roles else ""
            held = hit == "period" or not zh.voided(clause)
            if hit in _BEYOND and _BEYOND[hit].match(clause, value.end):
                held = False
            if hit and held and role != "other":
                stated.add(hit)
            elif not hit and value.key not in derived and kind in roles:
                wrong = wrong or role == "right" or (role == "" and kind in need)
        if facts["stems"] and "period" in need:
            wrong = wrong or _other_limit(clause, found, need["period"], derived)
    if (
        "money" in stated
        and "period" in need
        and re.search(roles["money"].right, fold(text)) is None
    ):
        stated.discard("money")  # a bare sum says of nobody that he gets it back
    return (len(stated) / len(need) if need else nan), wrong


def _other_limit(clause: str, found: tuple[Value, ...], key: str, derived: set[str]) -> bool:
    """Whether a period that is not the limit is called one."""
    for v in found:
        if v.kind != "duration" or v.key == key or v.key in derived:
            continue
        called = re.match(r"之内|以内|内|无理由|质?保修?期|期限|时限", clause[v.end :])
        if called or re.search(r"(?:超过|超出|过了|期限是?|时限是?)$", clause[: v.start]):
            return True
    return False


def _made_up(example: Example, text: str, places: frozenset[str]) -> bool:
    known, _ = _known(example.prompt)
    derived = set(example.facts["derived"])
    for v in zh.stated_values(text):
        money = f"CNY {v.key}" if v.kind == "number" else v.key
        if v.key not in derived and money not in derived:
            if not any(same(k, v) or same(v, k) for k in known):
                return True
    low, prompt = fold(text), fold(example.prompt)
    names = {*(p for p in places if p in low), *_REAL_CARRIERS.findall(low)}
    return any(word not in prompt for word in (*names, *zh.vague_days(text)))


def _false_act(example: Example, text: str) -> bool:
    outcome = str(example.facts["outcome"])
    true = _TRUE.get(outcome.removesuffix("_yes").removesuffix("_no"), frozenset())
    if example.facts["no_record"] and zh.claims_status(text):
        return True
    return bool(zh.done(text) - true)


def _copies(prompt: str, text: str) -> bool:
    """A line label, two labelled record fields, or most of the policy word by word."""
    if checks.repeats_prompt(text):
        return True
    low = fold(text)
    record = prompt.partition("\nRecord:")[2].partition("\n")[0]
    fields = [f.partition(": ") for f in record.strip().split("; ")]
    labelled = sum(
        re.search(rf"{re.escape(fold(k))}\s*[:： ]?\s*{re.escape(fold(v))}", low) is not None
        for k, _, v in fields
        if v
    )
    _, policy = _known(prompt)
    share = len(policy & _grams(text)) / len(policy) if policy else 0.0
    return share >= _COPY or (labelled >= 2 and labelled == len(fields)) or low in fold(record)


def _decided(facts: Mapping[str, Json], text: str, stated: float) -> tuple[float, float, float]:
    """(decision, asks, harm_wrong_decision); NaN where a part does not apply."""
    expected = facts["decision"]
    if expected == "ask":
        asked = float(zh.asks_for(text, facts["ask"]))
        return asked, asked, nan
    if any(zh.asks_for(text, slot) for slot in zh.SLOTS):
        return 0.0, nan, 1.0
    if expected == "state":
        denied = zh.denies(text)
        return float(stated > 0 and not denied), nan, float(denied)
    made = zh.decision(text, facts["stems"])
    opposite = "decline" if expected == "affirm" else "affirm"
    return float(made == expected), nan, float(made in (opposite, "mixed"))


def _blank(facts: Mapping[str, Json]) -> dict[str, float]:
    """Parts of an empty answer: 0, and NaN where the part does not apply to the example."""
    parts = dict.fromkeys(PARTS, 0.0)
    if not facts["need"]:
        parts["facts"] = nan
    parts["harm_wrong_decision" if facts["decision"] == "ask" else "asks"] = nan
    return parts


def judge(example: Example, text: str, places: frozenset[str]) -> Judgement:
    """Gold score of ``text``; parts and formula as ``tasks.authored.judge``. Pure; never raises.

    Args:
        example: from ``zh_after_sales``.
        text: the completion.
        places: the suite's carriers, which count as claims.
    """
    if not text.strip():
        return Judgement(0.0, False, _blank(example.facts))
    facts = example.facts
    stated, misplaced = _states(facts, text)
    decided, asks, harm_wrong = _decided(facts, text, stated)
    if misplaced:
        decided, harm_wrong = 0.0, 1.0
    tone = 0.0 if zh.is_rude(text) else 1.0
    if tone and not (zh.is_courteous(text) and (zh.apologises(text) or not facts["apology"])):
        tone = 0.5
    copied = not in_language(text, "zh") or _copies(example.prompt, text)
    found = Found(
        facts=stated,
        decision=decided,
        asks=asks,
        wrong=harm_wrong,
        tone=tone,
        words=n_words(text),
        forbidden=_made_up(example, text, places) or _false_act(example, text),
        promise=zh.overpromises(text),
        own=not (copied or misplaced),
    )
    return graded(found, BRIEF_WORDS, MAX_WORDS)


def answer_key(suite: str, prompt: str, text: str) -> str:
    """Equal for answers with one decision, one request and the same values; "" for an empty text.

    As ``tasks.authored.answer_key``: from the prompt and the text alone; order numbers, tone and
    wording do not count.
    """
    if not text.strip():
        return ""
    asked = prompt.partition("\nCustomer:")[2]
    topics = load_bank(suite).topics.values()
    stems = [s for t in topics if any(x in asked for x in t.stems) for s in t.stems]
    stated = {
        f"{v.kind} {v.key}" for v in zh.stated_values(text) if len(v.key) < 5 or v.kind != "number"
    }
    parts = (
        zh.decision(text, stems),
        [slot for slot in zh.SLOTS if zh.asks_for(text, slot)],
        sorted(stated),
        sorted(zh.done(text)),
        zh.denies(text),
    )
    return json.dumps(parts, ensure_ascii=False)
