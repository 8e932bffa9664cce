"""Gold of the grounded suites: values stated, none made up, in words of its own.

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
from rsft_bench.tasks.grounded.language import Language, Token
from rsft_bench.tasks.grounded.matching import claims, locate, spans

_ACT = re.compile(
    r"\b\w+\(\w*=|\b\w+=\S|"
    r"\b(?:inform|offer|confirm|request|recommend|select|book|nobook|nooffer|inform_count)\("
)
_OWN_WORDS = 2


def judge_answer(
    language: Language, facts: Mapping[str, Json], prompt: str, text: str
) -> Judgement:
    """Gold score of ``text``. Pure; never raises on text.

    ``gold`` = stated / (required + made up), halved for a bare list of values, 0 for text in the
    prompt's own form; ``gold_pass`` where it is 1. For the parts see ``GroundedSuite.judge``.
    """
    read = language.tokens(text)
    values = facts["values"]
    wanted = [[tuple(f) for f in v["forms"]] if "holds" not in v else [] for v in values]
    rivals = [[tuple(f) for f in v["rivals"]] for v in values]
    stated, used = locate(read, wanted, rivals, language.denied(text, read))
    for i, value in enumerate(values):
        if "holds" in value:
            stated[i] = language.truth is not None and (
                language.truth(text, value["topics"]) is value["holds"]
            )
    found = claims(read)
    seen = set(facts["known"])
    false = sum(i not in used and seen.isdisjoint(t.readings) for i, t in found)
    names = _names(language, text, read, used, facts)
    invented = false + names
    share = sum(stated) / len(stated)
    gold = sum(stated) / (len(stated) + invented)
    if _copied(language, text):
        gold = 0.0
    elif _bare(language, text, prompt, [v["value"] for v in values], sum(stated)):
        gold /= 2
    asked = float(language.asking.search(text) is not None) if facts["asks"] else float("nan")
    parts = {
        "facts": share,
        "missing": 1.0 - share,
        "invented": invented / (len(found) + names) if invented else 0.0,
        "harm_forbidden": float(invented > 0),
        "requests_asked": asked,
    }
    return Judgement(gold, gold == 1.0, parts)


def answer_key(language: Language, prompt: str, text: str) -> str:
    """Equal for answers that state the same values: numbers, times, dates and the prompt's words.

    Read as the judge reads them, from prompt and answer alone: a value counts whether or not the
    acts call for it. "7:30" is the time that record or acts show, where they show one. An answer
    that asks something differs from one that does not. "" for a text without a word.
    """
    shown = _shown(language, prompt) | _claimed(language, prompt)
    read = language.tokens(text)
    if not read:
        return ""
    found = set()
    for token in read:
        known = [r for r in token.readings if r in shown]
        if known or token.claim:
            found.add((known or token.readings)[0])
    return json.dumps([sorted(found), language.asking.search(text) is not None])


def _copied(language: Language, text: str) -> bool:
    """Whether the text holds a label, an act or the policy of the prompt."""
    low = text.lower()
    return repeats_prompt(text) or bool(_ACT.search(low) or language.policy_words.search(low))


def _bare(language: Language, text: str, prompt: str, values: Sequence[str], stated: int) -> bool:
    """Whether the text is values with hardly a word around them.

    No word of its own; one word beside several values; or several pieces between marks that are
    nothing but values of record and acts. "At 6 pm." is a sentence, "Sorry. 6 pm. Odeon." is none.
    """
    shown = _shown(language, prompt)
    for value in values:
        if language.pieces.search(value):  # an address is one piece
            text = text.replace(value, language.pieces.sub(" ", value))
    pieces = [language.tokens(piece) for piece in language.pieces.split(text)]
    own = [sum(not t.claim and shown.isdisjoint(t.readings) for t in p) for p in pieces if p]
    return sum(own) < min(stated, _OWN_WORDS) or own.count(0) > 1


@lru_cache(maxsize=4096)
def _shown(language: Language, prompt: str) -> frozenset[str]:
    """Readings of the values of record and acts."""
    values = language.shown(prompt)
    return frozenset(r for v in values for t in language.tokens(v) for r in t.readings)


@lru_cache(maxsize=4096)
def _claimed(language: Language, prompt: str) -> frozenset[str]:
    """Readings of the numbers, times and dates of record and acts, times whole."""
    lines = [x for x in prompt.split("\n") if x.startswith(("Record:", "Acts:"))]
    read = [t for x in lines for t in language.tokens(x.replace("=", " "))]
    return frozenset(r for _, token in claims(read) for r in token.readings)


def _names(
    language: Language,
    text: str,
    read: Sequence[Token],
    used: frozenset[int],
    facts: Mapping[str, Json],
) -> int:
    """Names of the answer that nobody mentioned.

    Either another value that the corpus knows for a slot of the acts, or a name as the language
    tells one, that occurred neither in the dialogue nor in a call, its result or the acts.
    """
    others = {language.form(name) for name in facts["others"] if language.begins(name) in text}
    found = [span for f in others for span in spans(read, f) if used.isdisjoint(span)]
    taken = frozenset(read[i].readings[0] for span in found for i in span)
    return len(found) + language.names(text, facts, taken)
