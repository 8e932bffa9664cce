"""Gold of the Schema-Guided Dialogue suite: values stated, none made up, in words of its own.

Owns what an answer may not be: a copy of the prompt's form, a bare list of values, a statement that
a value does not hold, or one that names something nobody mentioned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from rsft_bench.harness.rewards.checks import repeats_prompt
from rsft_bench.harness.types import Json, Judgement
from rsft_bench.tasks.sgd_values import MONTHS, Form, Token, claims, form, locate, tokens

_ACT = re.compile(r"\b\w+\(\w*=|\b\w+=\S|\b(?:inform|offer|confirm|request|inform_count)\(")
_POLICY = re.compile(r"\bacts:|\bvalue in the acts\b|\bmake one up\b")
_NEGATORS = frozenset(
    "not isnt arent wasnt werent never cannot cant wont doesnt dont didnt neither nor".split()
)
_REACH = 2
# A capitalised word after a word in lower case: a name, not the start of a sentence.
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}(?:'[A-Za-z]+)?")
_USUAL = frozenset(
    "the your you it its that this there these can could would please why what next and for into "
    "now yes yep okay check unfortunately sorry also are how here have total location".split()
) | frozenset((*MONTHS, *(m[:3] for m in MONTHS)))
_PIECE = re.compile(r"[;!?\n]+|[.,](?!\d)")
_OWN_WORDS = 2


def judge_answer(facts: Mapping[str, Json], prompt: str, text: str) -> Judgement:
    """Gold score of ``text``. Pure; never raises on text.

    ``gold`` = stated / (required + made up), halved for a bare list of values, 0 for text in the
    prompt's own form; ``gold_pass`` where it is 1. For the parts see ``SGDSuite.judge``.
    """
    read = tokens(text)
    wanted = [tuple(tuple(f) for f in v["forms"]) for v in facts["values"]]
    rivals = [tuple(tuple(f) for f in v["rivals"]) for v in facts["values"]]
    stated, used = locate(read, wanted, rivals, _denied(read))
    found = claims(read)
    seen = set(facts["known"])
    false = sum(i not in used and seen.isdisjoint(t.readings) for i, t in found)
    names = _names(text, read, used, facts)
    invented = false + names
    share = sum(stated) / len(stated)
    gold = sum(stated) / (len(stated) + invented)
    if _copied(text):
        gold = 0.0
    elif _bare(text, prompt, [v["value"] for v in facts["values"]], sum(stated)):
        gold /= 2
    asked = float("?" in text) if facts["asks"] else float("nan")
    parts = {
        "facts": share,
        "missing": 1.0 - share,
        "invented": invented / (len(found) + names) if invented else 0.0,
        "harm_forbidden": float(invented > 0),
        "requests_asked": asked,
    }
    return Judgement(gold, gold == 1.0, parts)


def answer_key(prompt: str, text: str) -> str:
    """Equal for answers that state the same values: numbers, times, dates and the prompt's words.

    Read as the judge reads them, from prompt and answer alone: a value counts whether or not the
    acts call for it. "7:30" is the time that record or acts show, where they show one. An answer
    that asks something differs from one that does not. "" for a text without a word.
    """
    shown, read = _shown(prompt) | _claimed(prompt), tokens(text)
    if not read:
        return ""
    found = set()
    for token in read:
        known = [r for r in token.readings if r in shown]
        if known or token.claim:
            found.add((known or token.readings)[0])
    return json.dumps([sorted(found), "?" in text])


def _denied(read: Sequence[Token]) -> frozenset[int]:
    """Positions just after a negator: "not Starset" does not state Starset."""
    at = [i for i, token in enumerate(read) if token.readings[0] in _NEGATORS]
    return frozenset(i + k for i in at for k in range(1, _REACH + 1))


def _copied(text: str) -> bool:
    """Whether the text holds a label, an act or the policy of the prompt."""
    low = text.lower()
    return repeats_prompt(text) or bool(_ACT.search(low) or _POLICY.search(low))


def _bare(text: str, prompt: str, values: Sequence[str], stated: int) -> bool:
    """Whether the text is values with hardly a word around them.

    No word of its own; one word beside several values; or several pieces between marks that are
    nothing but values of record and acts. "At 6 pm." is a sentence, "Sorry. 6 pm. Odeon." is none.
    """
    shown = _shown(prompt)
    for value in values:
        if "," in value or "." in value:  # an address is one piece
            text = text.replace(value, re.sub(r"[.,]", " ", value))
    pieces = [tokens(piece) for piece in _PIECE.split(text)]
    own = [sum(not t.claim and shown.isdisjoint(t.readings) for t in p) for p in pieces if p]
    return sum(own) < min(stated, _OWN_WORDS) or own.count(0) > 1


@lru_cache(maxsize=4096)
def _shown(prompt: str) -> frozenset[str]:
    """Readings of the values of record and acts."""
    lines = [x for x in prompt.split("\n") if x.startswith(("Record:", "Acts:"))]
    values = re.findall(r"(?<=[:=] |.[:=])[^;=:()]+", " ".join(lines).replace("=", "= "))
    return frozenset(r for v in values for t in tokens(v) for r in t.readings)


@lru_cache(maxsize=4096)
def _claimed(prompt: str) -> frozenset[str]:
    """Readings of the numbers, times and dates of record and acts, times whole."""
    lines = [x for x in prompt.split("\n") if x.startswith(("Record:", "Acts:"))]
    read = [t for x in lines for t in tokens(x.replace("=", " "))]
    return frozenset(r for _, token in claims(read) for r in token.readings)


def _names(
    text: str, read: Sequence[Token], used: frozenset[int], facts: Mapping[str, Json]
) -> int:
    """Names of the answer that nobody mentioned.

    Either another value that the corpus knows for a slot of the acts, or a capitalised word that
    occurred neither in the dialogue nor in a call, its result or the acts.
    """
    # "Fit" is a car, "cars that fit" names none: a name counts as it is spelt at its start.
    others = {form(name) for name in facts["others"] if name.split()[0] in text}
    spans = [span for f in others for span in _spans(read, f) if used.isdisjoint(span)]
    taken = {read[i].readings[0] for span in spans for i in span}
    slots = re.findall(r"[a-z]+", facts["acts"])
    seen = frozenset((*facts["words"], *slots)) | taken | _USUAL
    unknown = 0
    for match in _NAME.finditer(text):
        parts = [t.readings[0] for t in tokens(match[0]) if not t.claim]
        unknown += any(p not in seen and p.removesuffix("s") not in seen for p in parts)
    return len(spans) + unknown


def _spans(read: Sequence[Token], wanted: Form) -> list[range]:
    return [
        range(i, i + len(wanted))
        for i in range(len(read) - len(wanted) + 1)
        if all(f in read[i + k].readings for k, f in enumerate(wanted))
    ]
