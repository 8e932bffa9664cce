"""How an answer behaves, in English and Chinese: asks, hands over, leaks, is polite. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rsft_bench.harness.rewards.checks import service
from rsft_bench.harness.rewards.checks.facts import says
from rsft_bench.harness.rewards.checks.values import fold, same, values

_REQUEST_ZH = re.compile(
    r"请|麻烦|能否|可否|可以.{0,8}吗|方便.{0,10}吗|需要您|提供|告知|告诉我|[?？]"
)
_NEGATED_ZH = re.compile(r"不(?:需要|用|必)|无需|无须|已(?:经)?(?:收到|提供)")
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*|\n+")
_RUDE_ZH = re.compile(
    r"笨|蠢|傻|白痴|废物|滚|闭嘴|烦死|少啰嗦|别啰嗦|关我什么事|关我屁事|爱买不买|自己看|看不懂吗|"
    r"不关我|活该|无理取闹|没长眼"
)
_POLITE_EN = re.compile(
    r"\b(?:please|thanks?|thank you|sorry|apolog\w+|happy to|glad to|pleased to|you're welcome|"
    r"kindly|appreciate|regret|of course|certainly)\b"
)
_POLITE_ZH = re.compile(r"您|请|谢谢|感谢|抱歉|对不起|不好意思|很高兴|麻烦|乐意|理解")
_PERSON = (
    "colleague|agent|team|specialist|manager|supervisor|human|person|department|advisor|"
    "representative|someone"
)
_HAND_OVER = re.compile(
    r"\b(?:transfer|forward|escalat|hand(?:ing)? (?:\w+ ){0,3}over|connect|put you through|refer|"
    r"pass(?:ing|ed)? (?:\w+ ){0,3}(?:on )?to)\w*\b"
    rf"[^.!?\n]{{0,60}}\b(?:{_PERSON})|"
    rf"\b(?:{_PERSON})\b[^.!?\n]{{0,40}}\bwill "
    r"(?:contact|call|get back|take over|be in touch|help)|"
    r"(?:转接|转给|转交|移交|升级|联系).{0,12}(?:人工|专员|主管|经理|同事|客服|部门)|"
    r"(?:人工|专员|主管|经理|同事).{0,12}(?:联系您|跟进|处理|接手)"
)
_NOT_DONE = re.compile(
    r"\b(?:cannot|can't|will not|won't|unable to|not able to|no need to)\b|不能|无法|不用"
)
# Whoever is asked for does nothing yet: "shall I transfer you?" is an offer, not a hand-over.
_OFFER = re.compile(r"[?？]\s*$")


def asks_for(text: str, slot: str) -> bool:
    """Whether some sentence asks the customer for ``slot``, a phrase such as "order number".

    English as ``service.asks_for``; Chinese: a sentence that names the slot and holds 请, 能否, a
    question mark or the like, and does not say that it is not needed.
    """
    if re.search(r"[\u3400-\u9fff]", slot) is None:
        return service.asks_for(text, slot.lower())
    return any(
        slot in s and _REQUEST_ZH.search(s) is not None and _NEGATED_ZH.search(s) is None
        for s in _SENTENCE.split(fold(text))
        if s
    )


def hands_over(text: str) -> bool:
    """Whether the answer hands the customer to a person; offers and refusals to do so do not."""
    return any(
        _HAND_OVER.search(s) is not None and not _OFFER.search(s) and not _NOT_DONE.search(s)
        for s in _SENTENCE.split(fold(text))
        if s
    )


def leaks_nothing(text: str, secrets: Sequence[str]) -> bool:
    """Whether none of the secrets stands in the text, in any spelling or spacing.

    Values (dates, amounts, times) count in every way to write them; other secrets with spaces,
    hyphens, dots and brackets removed from both, so that "48 213" leaks "48213". A secret of fewer
    than four such characters counts as whole words only.
    """
    bare = re.sub(r"[\s\-.()/]", "", fold(text))
    stated = values(text)
    for secret in secrets:
        found = values(secret)
        whole = len(found) == 1 and found[0].end - found[0].start == len(fold(secret).strip())
        if whole and found[0].kind != "number" and any(same(found[0], s) for s in stated):
            return False
        short = re.sub(r"[\s\-.()/]", "", fold(secret))
        if (short in bare) if len(short) >= 4 else (bool(short) and says(text, secret)):
            return False
    return True


def is_rude(text: str) -> bool:
    """Whether the text holds an insult, blame or dismissal, in English or Chinese."""
    return service.is_rude(text) or _RUDE_ZH.search(fold(text)) is not None


def is_polite(text: str) -> bool:
    """Whether the text holds a courtesy of the lexicon (please, sorry, 您, 请) and no rudeness."""
    low = fold(text)
    courteous = _POLITE_EN.search(low) is not None or _POLITE_ZH.search(low) is not None
    return courteous and not is_rude(text)
