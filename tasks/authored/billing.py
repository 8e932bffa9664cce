"""Bills: sums and dates that the record does not show, and the roles that a right answer gives.

A result (total, difference, refund, due date) is computed from the record and the policy, so it is
no invention although the prompt lacks it; any other number outside the prompt still is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np

from rsft_bench.harness.rewards.claims import dated, normal_date
from rsft_bench.harness.types import Example, Json, Judgement, Split
from rsft_bench.tasks.authored.bank import Bank, Family, Outcome
from rsft_bench.tasks.authored.judge import judge_answer
from rsft_bench.tasks.authored.kit import Kit
from rsft_bench.tasks.authored.values import corrupt, day_text, draw_values, pick, required

RESULTS: Mapping[str, str] = {
    "total": "net",
    "difference": "gap",
    "prorate": "back",
    "due": "duedate",
}
"""Slot of the result by outcome; other outcomes compute nothing."""

_YEAR = 2023
_STEPS = (5, 10, 15, 20)
# A number that is no share and no count of days.
_SUM = re.compile(
    r"\$ ?(\d+(?:\.\d+)?)|(?<![\w.$])(\d+(?:\.\d+)?)(?! ?%| percent| (?:\w+ )?days?\b|\w|\.\d)"
)
_CLAUSE = re.compile(r"[;!?\n]+|[.,:](?!\d)|\b(?:but|so|while|whereas)\b")
_GIVEN = (
    r"between|from|of|off|minus|less|instead|before|than|list|costs?|price|priced|times|at|each|for|"
    r"per|plus|old|first"
)
_CLAIMED = (
    r"total|pay|paying|owe|comes? (?:down )?to|refund|refunded|difference|receive|get|leaves|credit"
)
_NEUTRAL = r"is|are|makes|gives|equals|now|by"
_CUE = re.compile(rf"\b(?:(?P<given>{_GIVEN})|(?P<claimed>{_CLAIMED})|(?P<neutral>{_NEUTRAL}))\b")
_STRICT = re.compile(rf"\b(?:(?P<given>{_GIVEN})|(?P<claimed>{_CLAIMED}))\b")
_ISSUED = re.compile(r"\b(?:issued?|sent|dated|invoice date|billed|from|since|after|start\w*)\b")
_DUE = re.compile(r"\b(?:due|by|until|before|pay\w*|paid|last|deadline|latest|final)\b")
_AFTER = re.compile(
    r"^ (?:back|more|higher|lower|less(?! \$?\d)|extra|in total|in all|altogether|to pay)\b|"
    r"^ is (?:the|your|what) (?:\w+ )?(?:total|difference|refund|you)\b"
)


def draw(
    bank: Bank, family: Family, outcome: Outcome, split: Split, rng: np.random.Generator
) -> dict[str, str]:
    """Slots of one bill. Sums are whole dollars, so that the arithmetic is exact and short."""
    values = draw_values(bank, family, outcome, split, rng)
    limit = int(values.get("n", "1"))
    start = date(_YEAR, int(rng.integers(1, 13)), int(rng.integers(1, 14)))
    percent = family.rule == "percent"
    price = 20 * int(rng.integers(3, 7))
    old, gap = 10 * int(rng.integers(3, 9)), _STEPS[int(rng.integers(len(_STEPS)))]
    unused = int(rng.integers(2, 10))
    return values | {
        "service": pick(bank.entities[split]["service"], rng),
        "issued": day_text(start, family),
        "duedate": day_text(start.replace(day=start.day + min(limit, 14)), family),
        "price": f"${price}",
        "cut": f"{limit}%" if percent else f"${limit}",
        "net": f"${price - (price * limit // 100 if percent else limit)}",
        "old": f"${old}",
        "new": f"${old + gap}",
        "gap": f"${gap}",
        "unused": str(unused),
        "back": f"${limit * unused}",
        "fee": f"${5 * int(rng.integers(1, 5))}",
    }


def needs(outcome: Outcome, values: Mapping[str, str]) -> list[list[str]]:
    """Facts as ``[kind, normal form]``: the computed date or sum, else the common ones."""
    slot = RESULTS.get(outcome.name)
    if slot is None:
        return required(outcome, values)
    if slot == "duedate":
        return [["date", str(normal_date(values[slot]))]]
    return [["number", values[slot].lstrip("$")]]


def spoil(
    slot: str,
    values: Mapping[str, str],
    bank: Bank,
    family: Family,
    split: Split,
    rng: np.random.Generator,
) -> dict[str, str]:
    """A slip in the arithmetic: a sum or day that is off by a little."""
    if slot == "duedate":
        month, day = (int(part) for part in str(normal_date(values[slot])).split("-"))
        late = date(_YEAR, month, min(28, day + 1 + int(rng.integers(4))))
        early = late.replace(day=day - 1)
        return {**values, slot: day_text(late if late.day != day else early, family)}
    if slot in RESULTS.values():
        return {**values, slot: f"${int(values[slot][1:]) + int(rng.integers(1, 7))}"}
    return corrupt(slot, values, bank, family, split, rng)


def facts(outcome: Outcome, values: Mapping[str, str]) -> dict[str, Json]:
    """``derived``: what the prompt lacks and an answer may state; ``owed``: a sum to pay."""
    derived = [value for _, value in needs(outcome, values)] if outcome.name in RESULTS else []
    return {"derived": derived, "owed": outcome.name in ("total", "difference")}


def judge(example: Example, text: str, places: frozenset[str]) -> Judgement:
    """The common judge, and 0 where results have the wrong roles ("you pay $40, $32 off")."""
    verdict = judge_answer(example, text, places)
    if not text.strip() or all(sum_or_day_fits(kind, v, text) for kind, v in example.facts["need"]):
        return verdict
    parts = {**verdict.parts, "harm_wrong_decision": 1.0, "decision": 0.0}
    return replace(verdict, gold=0.0, gold_pass=False, parts=parts)


def sum_or_day_fits(kind: str, value: str, text: str) -> bool:
    """Whether a computed result is called what it is; True for facts of other kinds."""
    if kind == "number":
        return in_role(value, text)
    return kind != "date" or due_in_role(value, text)


def in_role(result: str, text: str) -> bool:
    """Whether the text states the sum, calls it no part of the sum, and no other sum the result.

    By the last cue before a sum in its clause, or the words right after it.
    """
    right = False
    for clause in _CLAUSE.split(" ".join(text.lower().split())):
        for found in _SUM.finditer(clause):
            before, after = clause[: found.start()], clause[found.end() :]
            same = float(found[1] or found[2]) == float(result)
            claimed = _AFTER.search(after) is not None
            cues = [m.lastgroup for m in (_CUE if same else _STRICT).finditer(before)]
            last = cues[-1] if cues else ""
            if not same and (claimed or last == "claimed"):
                return False
            right = right or (same and (claimed or last != "given"))
    return right


def due_in_role(result: str, text: str) -> bool:
    """Whether the due date is stated as one, and no other date is; by the last cue before it."""
    low, right = text.lower(), False
    for day, at in dated(text):
        start = max(low.rfind(mark, 0, at) for mark in (".", ";", "!", "?")) + 1
        issued = max((m.end() for m in _ISSUED.finditer(low[start:at])), default=-1)
        due = max((m.end() for m in _DUE.finditer(low[start:at])), default=-1)
        if day != result and due > issued:
            return False
        right = right or (day == result and due >= issued)
    return right


BILLING_KIT = Kit(
    draw=draw,
    required=needs,
    corrupt=spoil,
    facts=facts,
    judge=judge,
    modules=("rsft_bench.tasks.authored.billing",),
)
