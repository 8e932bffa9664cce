"""Which required facts an answer states: in a clause that asserts them, and in their own role.

A value that merely occurs is no statement. A negator in the fact's clause voids the fact ("will not
arrive on 24 June"), and so does the wrong role: the old date called the new one, the day of
approval called the day of payment, the days elapsed called the limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import nan

from rsft_bench.harness.rewards import checks
from rsft_bench.harness.rewards.claims import Claims, claims, dated

_CLAUSE = re.compile(
    r"[;!?\n]+|[.,:](?!\d)|\b(?:but|so|however|because|since|although|though|and|while|yet)\b"
)
_NEGATOR = re.compile(r"\b(?:\w+n't|not|cannot|never|no|nor|neither|none|unable|without)\b")
# Negators that deny nothing about the value beside them.
_NEUTRAL = re.compile(
    r"\bno(?:t)? (?:later|more|longer|fewer|less) than\b|\border no\b|\bnot only\b|"
    r"\b(?:not|n't) (?:\w+ )?(?:passed|over|up|expired|ended|exceeded|reached|run out)\b"
)
_OLD = re.compile(
    r"\b(?:was|were|been) (?:\w+ )?(?:due|expected|planned|promised|meant)\b|\boriginal\w*\b|"
    r"\b(?:first|old|earlier|previous) (?:date|day)\b|\b(?:instead of|rather than)\b"
)
_NEW = re.compile(r"\b(?:new|now|moved|rescheduled|later|will)\b")
_COMING = re.compile(
    r"\b(?:new|now|mov|reschedul|later|will|until|by|arriv|com|expect|reach|get|here|there|deliver|"
    r"tak|push|postpon|due)\w*\b"
)
_START = re.compile(
    r"\b(?:approv|accept|check|from|after|since|start|begin|follow|count|agreed|on record)\w*\b"
)
_PAID = re.compile(r"\b(?:arriv|com|pay|paid|get|receiv|land)\w*\b")
_LIMIT = re.compile(r"\b(?:limit|window|within|inside|up to|at most|maximum|period|deadline)\b")


def stated(need: Sequence[Sequence[str]], text: str, stems: Sequence[str], record: Claims) -> float:
    """Share of required facts that the text states; NaN where none is required.

    Args:
        need: pairs (kind, normal form); kinds date, newdate, start, number, limit, state, term,
            stem.
        text: the answer.
        stems: regex stems of the decision's topic: "cannot be cancelled after 9 hours" negates the
            cancelling, not the 9 hours.
        record: claims of the record line, for values stated in another one's role.
    """
    if not need:
        return nan
    low = " ".join(text.lower().replace("’", "'").split())
    clauses = [c for c in _CLAUSE.split(low) if c.strip()]
    asserted = [(c, _negated(c, ()), _negated(c, stems)) for c in clauses]
    found = 0
    for kind, value in need:
        holding = [a for a in asserted if _holds(kind, value, a[0])]
        if not holding and kind == "term" and checks.says(low, value):
            holding = [(low, False, False)]  # a term that itself holds a clause mark
        decided = kind in ("limit", "state")
        voided = any(about if decided else plain for _, plain, about in holding)
        found += bool(holding) and not voided and _in_role(kind, value, low, clauses, record)
    return found / len(need)


def _negated(clause: str, stems: Sequence[str]) -> bool:
    rest = _NEUTRAL.sub(" ", clause)
    if stems:
        verb = "|".join(stems)
        rest = re.sub(rf"{_NEGATOR.pattern}(?: [\w']+){{0,3}}? (?:{verb})\w*", " ", rest)
        rest = re.sub(rf"(?:{verb})\w* [\w' ]*?{_NEGATOR.pattern}", " ", rest)
    return _NEGATOR.search(rest) is not None


def _holds(kind: str, value: str, clause: str) -> bool:
    said = claims(clause)
    if kind in ("date", "newdate", "start"):
        return value in said.dates
    if kind in ("number", "limit"):
        return value in said.numbers or value in said.spelled
    if kind == "stem":
        return any(word.startswith(value) for word in said.words)
    return checks.says(clause, value)


def _in_role(kind: str, value: str, low: str, clauses: Sequence[str], record: Claims) -> bool:
    if kind == "newdate":
        return all(_new_or_old(value, clause) for clause in clauses)
    if kind == "start":
        return any(_starts(value, clause) for clause in re.split(r"[.;!?](?!\d)", low))
    if kind == "limit":
        return not any(
            _LIMIT.search(c)
            and value not in (said := claims(c)).numbers | said.spelled
            and said.numbers & record.numbers
            for c in clauses
        )
    return True


def _new_or_old(value: str, clause: str) -> bool:
    """The new date is called one to come, and no other date is called the new one."""
    for date, at in dated(clause):
        before = clause[:at]
        old = max((m.end() for m in _OLD.finditer(before)), default=-1)
        cue = _COMING if date == value else _NEW
        new = max((m.end() for m in cue.finditer(before)), default=-1)
        if (new <= old) if date == value else (new > old):
            return False
    return True


def _starts(value: str, sentence: str) -> bool:
    """The date is what a period starts from, by the nearest cue on its left or any on its right."""
    for date, at in dated(sentence):
        if date != value:
            continue
        before = sentence[:at]
        start = max((m.end() for m in _START.finditer(before)), default=-1)
        paid = max((m.end() for m in _PAID.finditer(before)), default=-1)
        if start > paid or (paid < 0 and _START.search(sentence, at)):
            return True
    return False
