"""Checks of a customer-service answer by code: decision, requests, tone, promises. Pure; no torch.

Every check reads lower-case text and answers one question about it. Lexicons are phrase patterns,
not the wordings of any suite's own answers, so that a paraphrase is judged like its model.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Decision = Literal["affirm", "decline", "mixed", "none"]

_NEGATOR = re.compile(
    r"\b(?:no longer|not|cannot|can't|cant|won't|don't|doesn't|didn't|isn't|aren't|wasn't|"
    r"couldn't|wouldn't|shouldn't|never|unable|no|nor|neither|refuse|decline|against|without|"
    r"too late|past the point)\b"
)
_MODAL = re.compile(
    r"\b(?:can|may|will|could|able to|happy to|glad to|let me|let us|going to|have|has|had|is|"
    r"are|was|been|be|i'll|we'll|i've|we've|free to|welcome to|eligible|now|did|consider it)\b"
)
_GENERIC = re.compile(r"\b(?:orders|items|customers|purchases|parcels|products|goods|shoppers)\b")
_ONLY = re.compile(r"\bonly\b")
_DONE = re.compile(r"^\W*$|\d\W*$")
_WANT = re.compile(r"\b(?:if|want|wish|asked|asking|request|requested|whether|would like)\b")
_CLAUSE = re.compile(r"[.;:!,\n]+|\?+|\b(?:but|so|however|because|since|although|though|and)\b")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_GOOD = (
    r"(?:cancellation|return|refund) (?:is |has been |was )?(?:confirmed|processed|complete\w*)|"
    r"approved|eligible|qualif(?:y|ies|ied)|allowed|possible|permitted|an option|go ahead"
)
_BAD = (
    r"too late|impossible|denied|refused|declined|ineligible|prohibited|forbidden|off limits|"
    r"against (?:our|the|company|store)|out of the question|nothing (?:we|i) can do|private|"
    r"confidential|(?:must|have to) (?:decline|refuse|say no)"
)
_OPEN_YES = re.compile(r"(?:^|[.!?]\s*)(?:yes|yep|yeah)\b")
_OPEN_NO = re.compile(
    r"(?:^|[.!?,]\s*)(?:no(?=[.,!]|$| we\b| you\b| sorry\b| it\b| that\b)|unfortunately(?:,)? not\b"
    r"|afraid not\b|sorry(?:,)? (?:but )?no\b)"
)
_WEAK_YES = re.compile(
    r"(?:^|[.!?]\s*)(?:sure|of course|certainly|absolutely|gladly|no problem|done)\b|"
    r"\b(?:within|inside) (?:[\w-]+ ){0,5}?(?:window|limit|period|deadline|time)\b|"
    r"\b(?:window|period) is (?:still )?open\b|\bin time\b"
)
_WEAK_NO = re.compile(
    r"\b(?:past|outside|beyond|exceed\w*|over|after|missed) (?:[\w-]+ ){0,5}?"
    r"(?:window|limit|period|deadline|cut-?off)\b|"
    r"\b(?:window|period|limit|deadline) (?:has |is |was )?(?:closed|expired|ended|passed|over)\b|"
    r"\b(?:cannot|can't|unable|not able|i'm afraid|i am afraid)\b"
)
_RUDE = re.compile(
    r"\b(?:stupid|idiot\w*|dumb|moron\w*|shut up|ridiculous|annoying|pathetic|clueless|lazy|duh|"
    r"whatever|obviously|nonsense|hopeless|your (?:own )?(?:fault|problem)|not my problem|"
    r"stop (?:asking|bothering|whining|wasting)|wast(?:e|ing) (?:of )?(?:my|our) time|"
    r"calm down|deal with it|get over it|read (?:it|the \w+) (?:properly|again|for once)|"
    r"pay attention|how hard (?:is|can) it|who cares|don't care|do not care|learn to|go away|"
    r"as i (?:already )?(?:said|told you)|quit (?:asking|whining)|sick of)\b"
)
_APOLOGY = re.compile(r"\b(?:sorry|apolog\w+|regret)\b")
_PROMISE = re.compile(
    r"\b(?:guarante\w+|promis\w+|definitely|for sure|without fail|for certain|no doubt|"
    r"rest assured|you have my word|within the hour|(?:refund|credit) you (?:everything|twice)|"
    r"(?P<gift>vouchers?|free gifts?|gift on us|bonus|compensat\w+|discounts?|on the house))\b|"
    r"100 ?%"
)
_NO_RECORD = re.compile(
    r"\b(?:can(?:not|'t| not)|could(?: not|n't)|unable to|not able to|did(?: not|n't)|"
    r"do(?: not|n't)) (?:\w+ ){0,2}?(?:find|see|locate|help|share|say|tell|give|look)\b|"
    r"\bno (?:such )?(?:order|record|purchase|refund|parcel)\b"
)
_STATUS_CLAIM = re.compile(
    r"\b(?:is|has|was|been|will|be|it's|order) (?:\w+ ){0,2}?(?:shipped|delivered|delayed|"
    r"on (?:its|the) way|in transit|arriv\w*|cancel\w*|refunded|approved|dispatched|paid|"
    r"sent out)\b"
)
_TARGETS = {
    "order number": (
        r"order (?:number|no|id|reference|code)|reference number|number of (?:your|the)"
    ),
    "email address": r"e-?mail",
    "phone number": r"phone(?! case)|mobile|telephone",
    "postcode": r"post ?code|postal code|zip",
    "receipt number": r"receipt",
    "photo": r"photo\w*|picture\w*|image\w*|pic|pics|snapshot",
    "invoice number": r"invoice",
    "full name": r"full name|name",
    "customer number": r"(?:customer|client) (?:number|no|id)",
    "birth date": r"birth ?date|birthday|date of birth",
}
_ALWAYS_REQUEST = re.compile(r"\?$|\bplease\b|\b(?:is|are) (?:needed|required|missing)\b")
_REQUEST = re.compile(
    r"\b(?:could|can you|would you|will you|send|share|provide|give|tell|let (?:me|us) know"
    r"|need|require|may i|what is|what's|which|reply|attach|upload|add|enter|check|take|have)\b"
)
_NEGATED_NEED = re.compile(
    r"\b(?:no need|(?:do not|don't|not) (?:need|require|have to|send|share|provide)|"
    r"(?:have|got|received) (?:the|your) (?:photo|picture))\b"
)
_LABEL = re.compile(r"\b(?:policy|record|customer|agent):", re.IGNORECASE)


@lru_cache(maxsize=256)
def topic_pattern(stems: tuple[str, ...]) -> re.Pattern[str]:
    """Finds topic stems (``+``), words of permission (``good``) and of refusal (``bad``)."""
    topic = "|".join(stems) if stems else r"(?!)"
    noun = r"(?!\s+(?:window|period|policy|limit|deadline|rules?|number))"
    return re.compile(
        rf"\b(?:(?P<good>{_GOOD})|(?P<topic>(?:{topic})\w*)\b{noun}|(?P<bad>{_BAD}))\b"
    )


def _permits(before: str, verb: str) -> bool:
    """Whether a topic verb after ``before`` is granted: a modal, or a bare "... cancelled"."""
    if _WANT.search(before) or _ONLY.search(before):
        return False
    if _MODAL.search(before):
        return True
    return verb.endswith("ed") and _DONE.search(before) is not None


def _clause_hits(clause: str, pattern: re.Pattern[str], hits: list[set[str]]) -> None:
    """Adds what a clause decides to ``hits[0]`` (this customer) or ``hits[1]`` (all customers)."""
    for match in pattern.finditer(clause):
        before = clause[: match.start()]
        negated = len(_NEGATOR.findall(before)) % 2 == 1
        if match["topic"]:
            if not negated and not _permits(before, match["topic"]):
                continue
            polarity = not negated
        else:
            polarity = (match["bad"] is None) != negated
        tier = 1 if _GENERIC.search(before) else 0
        hits[tier].add("affirm" if polarity else "decline")


def decision(text: str, stems: tuple[str, ...]) -> Decision:
    """What the answer decides about a topic, given as regex stems such as ``("cancel", "stop")``.

    A stem after a negator declines, after a modal or auxiliary affirms; "too late to" declines.
    Statements about this customer outrank general ones ("orders can be cancelled until ..."),
    which outrank hints ("outside the window"). Both polarities of one rank give ``"mixed"``.
    Questions decide nothing.
    """
    low = text.lower().replace("’", "'")
    statements = [s for s in _SENTENCE.split(low) if not s.endswith("?")]
    joined = " ".join(statements)
    hits: list[set[str]] = [set(), set(), set()]
    if _OPEN_YES.search(joined):
        hits[0].add("affirm")
    if _OPEN_NO.search(joined):
        hits[0].add("decline")
    pattern = topic_pattern(stems)
    for clause in _CLAUSE.split(joined):
        if clause:
            _clause_hits(clause, pattern, hits)
    for tier in hits[:2]:
        if tier:
            return _one(tier)
    if _WEAK_YES.search(joined):
        hits[2].add("affirm")
    if _WEAK_NO.search(joined):
        hits[2].add("decline")
    return _one(hits[2]) if hits[2] else "none"


def _one(hits: set[str]) -> Decision:
    if len(hits) == 2:
        return "mixed"
    return "affirm" if "affirm" in hits else "decline"


@lru_cache(maxsize=64)
def _target(target: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{_TARGETS.get(target, re.escape(target))})\b")


def names_target(text: str, target: str) -> bool:
    """Whether the text names ``target``, asked for or not; see ``asks_for``."""
    return _target(target).search(text.lower()) is not None


def asks_for(text: str, target: str) -> bool:
    """Whether some sentence requests ``target`` (a key of the target lexicon or a literal phrase).

    A request is a question, "please", or a request verb before the target ("send me a photo", not
    "your photo is here and we send a refund"); a sentence that negates the need is none.
    """
    pattern = _target(target)
    low = text.lower().replace("’", "'")
    if pattern.search(low) is None:
        return False
    for sentence in _SENTENCE.split(low):
        found = [match.start() for match in pattern.finditer(sentence)]
        if not found or _NEGATED_NEED.search(sentence):
            continue
        if _ALWAYS_REQUEST.search(sentence) or _REQUEST.search(sentence, 0, found[-1]):
            return True
    return False


def is_rude(text: str) -> bool:
    """Whether the text holds an insult, blame or dismissal."""
    return _RUDE.search(text.lower().replace("’", "'")) is not None


def apologises(text: str) -> bool:
    """Whether the text says sorry."""
    return _APOLOGY.search(text.lower()) is not None


def overpromises(text: str, known: str = "") -> bool:
    """Whether the text promises what nobody may: certainty, gifts, compensation.

    A negated promise ("cannot guarantee") is none. Gifts that ``known`` (lower-case policy and
    record) names may be offered; certainty never.
    """
    low = text.lower().replace("’", "'")
    for match in _PROMISE.finditer(low):
        start = max(low.rfind(".", 0, match.start()), low.rfind("!", 0, match.start())) + 1
        if _NEGATOR.search(low[start : match.start()]) is None and (
            match["gift"] is None or match["gift"] not in known
        ):
            return True
    return False


def denies_record(text: str) -> bool:
    """Whether the text claims that no order was found or that it cannot help or tell."""
    return _NO_RECORD.search(text.lower().replace("’", "'")) is not None


def claims_status(text: str) -> bool:
    """Whether the text asserts a state of the order (shipped, refunded, ...), questions aside."""
    low = text.lower()
    if _STATUS_CLAIM.search(low) is None:
        return False
    return any(_STATUS_CLAIM.search(s) for s in _SENTENCE.split(low) if not s.endswith("?"))


def repeats_prompt(text: str) -> bool:
    """Whether the text holds a line label of the prompt format or lists ``field: value; ...``.

    Neither is an answer: a copied record would state every required fact.
    """
    if ":" not in text:
        return False
    return _LABEL.search(text) is not None or (text.count(": ") >= 2 and ";" in text)


def says(text: str, term: str) -> bool:
    """Whether ``term`` occurs as whole words, case and extra spaces aside."""
    low = " ".join(text.lower().split())
    at = low.find(term.lower())
    while at >= 0:
        end = at + len(term)
        left = at == 0 or not low[at - 1].isalnum()
        if left and (end == len(low) or not low[end].isalnum()):
            return True
        at = low.find(term.lower(), at + 1)
    return False
