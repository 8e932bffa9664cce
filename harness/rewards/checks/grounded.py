"""Groundedness: what an answer states must occur in its prompt. Pure."""

from __future__ import annotations

import re

from rsft_bench.harness.rewards.checks.facts import says
from rsft_bench.harness.rewards.checks.values import fold, same, values

# A capitalised word that does not open a sentence, with what joins it ("Bank of Ireland").
_NAME = re.compile(r"(?:[A-Z][\w'’-]*)(?:\s+(?:of|the|and|de|van|von|&)?\s*[A-Z][\w'’-]*)*")
_OPENING = re.compile(r"(?:^|[.!?:\n\"“(]\s*|^\s*[-*•\d.]+\s*)$")
_COMMON = frozenset(
    """i i'm i'll i've i'd we we're you your the a an ok okay yes no hi hello dear sorry thanks
    please mr mrs ms dr customer agent policy record am pm usd eur gbp""".split()
)
_MONTHS = frozenset(
    """january february march april may june july august september october november
    december""".split()
)
_QUOTED = re.compile(r"[《「『“](?P<name>[^》」』”\n]{2,30})[》」』”]")
_CODE = re.compile(r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z\d]+(?:-[A-Za-z\d]+)*(?![\w-])")


def names(text: str) -> tuple[str, ...]:
    """Named entities by form: capitalised words inside sentences, codes (A12-3), quoted names.

    A heuristic, no model: it misses names that open a sentence and, in Chinese, names without
    quotes; months and common words are left out.
    """
    found: list[str] = [m.group() for m in _CODE.finditer(text)]
    for match in _NAME.finditer(text):
        words = match.group().split()
        if _OPENING.search(text[: match.start()]):
            words = words[1:]
        while words and (words[0].islower() or words[0].lower() in _COMMON):
            words = words[1:]
        kept = " ".join(words)
        if kept and kept.lower() not in _COMMON | _MONTHS:
            found.append(kept)
    found += [m["name"] for m in _QUOTED.finditer(text)]
    return tuple(dict.fromkeys(found))


def ungrounded(answer: str, prompt: str) -> tuple[str, ...]:
    """Values and names of the answer that the prompt lacks, as the answer writes them.

    Values agree as ``values.same``; a name is grounded where it, or each of its words, occurs in
    the prompt in any case.
    """
    known, text = values(prompt), fold(answer)
    missing = [text[v.start : v.end] for v in values(answer) if not any(same(v, k) for k in known)]
    for name in names(answer):
        words = [w for w in name.split() if w[:1].isupper() or not w.islower()]
        if not says(prompt, name) and not all(says(prompt, w.rstrip("'’s")) for w in words):
            missing.append(name)
    return tuple(dict.fromkeys(missing))


def groundedness(answer: str, prompt: str) -> float:
    """Share of the answer's values and names that occur in the prompt, in [0, 1].

    NaN where the answer states none: an empty answer makes nothing up and says nothing.
    """
    text = fold(answer)
    stated = {text[v.start : v.end] for v in values(answer)} | set(names(answer))
    if not stated:
        return float("nan")
    return 1.0 - len(ungrounded(answer, prompt)) / len(stated)
