"""Whether an answer states a fact, makes a claim or goes through steps in order. Pure.

Facts are texts as a user writes them into a column: a value ("$12.50", "2小时"), words ("wool
scarf"), values among words ("order 48213 on 14 March"), or a boolean of a topic ("wifi: yes").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from rsft_bench.harness.rewards.checks.service import _NEGATOR
from rsft_bench.harness.rewards.checks.values import Value, fold, same, values

_BOOLEAN = re.compile(
    r"(?:(?P<topic>.+?)\s*[:=]\s*(?=\S))?(?P<value>true|false|yes|no|是|否|有|没有)"
)
_TRUE = frozenset(("true", "yes", "是", "有"))
_YES = re.compile(r"(?:yes|yep|yeah|certainly|of course|是的|可以|好的|对的|有的)(?![a-z])")
_NO = re.compile(
    r"(?:no|not|unfortunately|sorry, (?:but )?no|不是|不可以|不行|没有|抱歉，不)(?![a-z])"
)
_NEGATOR_ZH = re.compile(r"不(?!仅|但|过|同|错)|没有?|无法|无需|未(?!来)|别(?!的)|拒绝")
_CLAUSE = re.compile(r"[.;:!?,\n。；：！？，、]+(?!\d)|\bbut\b|\bhowever\b|但是?|不过")
_EDGE = re.compile(r"[\s,.;:!?'\"，。；：！？、()（）]+")
_CJK = r"\u3400-\u9fff"


def states(text: str, fact: str) -> bool:
    """Whether ``text`` states ``fact``, values in any spelling, words one after another.

    Case, spacing and width do not count. A value is compared as ``values.same``; words between
    values as whole words (Chinese: characters). A fact ``topic: yes|no|true|false|是|否`` holds
    where a clause of the text names the topic and negates it just where the fact does. An empty
    fact holds.
    """
    wanted = fold(fact).strip()
    boolean = _BOOLEAN.fullmatch(wanted)
    if boolean is not None and (boolean["topic"] or boolean["value"] in ("yes", "no", "是", "否")):
        return _holds(fold(text), boolean["topic"] or "", boolean["value"] in _TRUE)
    # Words first: a name may hold digits ("Terminal 5") that are no claim of their own.
    if says(text, wanted) and not _covers(values(fact), wanted):
        return True
    stated = values(text)
    return all(any(same(v, s) for s in stated) for v in values(fact)) and all(
        says(text, words) for words in _words_between(wanted, values(fact))
    )


def says(text: str, words: str) -> bool:
    """Whether the words stand in the text one after another; case, width, spacing aside."""
    return not words.strip() or _phrase(fold(words)).search(fold(text)) is not None


@lru_cache(maxsize=1 << 12)
def _phrase(words: str) -> re.Pattern[str]:
    parts = [re.escape(w) for w in words.split()]
    # Chinese has no spaces: a phrase may begin or end inside a run of characters, but digits and
    # Latin letters beside it would make it another word.
    left = rf"(?<![^\W{_CJK}])" if re.match(rf"[^\W{_CJK}]", words.strip()) else ""
    right = rf"(?![^\W{_CJK}])" if re.search(rf"[^\W{_CJK}]$", words.strip()) else ""
    return re.compile(left + r"\s+".join(parts) + right)


def _covers(found: Sequence[Value], text: str) -> bool:
    """Whether the values are all there is in the text."""
    return bool(found) and not _words_between(text, found)


def _words_between(text: str, found: Sequence[Value]) -> list[str]:
    edges = [0, *(edge for v in found for edge in (v.start, v.end)), len(text)]
    pieces = [text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [p for p in (_EDGE.sub(" ", piece).strip() for piece in pieces) if p]


def _negated(clause: str) -> bool:
    count = len(_NEGATOR.findall(clause)) + len(_NEGATOR_ZH.findall(clause))
    return count % 2 == 1


def _holds(text: str, topic: str, wanted: bool) -> bool:
    """Whether some clause about the topic agrees with ``wanted`` and none disagrees."""
    clauses = [c.strip() for c in _CLAUSE.split(text) if c and c.strip()]
    if not topic:
        opening = clauses[0] if clauses else ""
        said = (_YES.match(opening) is not None, _NO.match(opening) is not None)
        return said == (wanted, not wanted)
    about = [c for c in clauses if says(c, topic)]
    return bool(about) and all(_negated(c) != wanted for c in about)


def forbids(text: str, claims: Sequence[str]) -> bool:
    """Whether the text makes none of the claims; a claim in a negated clause is not made.

    "We cannot guarantee delivery" does not make the claim "guarantee".
    """
    clauses = [c for c in _CLAUSE.split(fold(text)) if c]
    return not any(states(c, claim) and not _negated(c) for c in clauses for claim in claims)


def ordered(text: str, steps: Sequence[str]) -> float:
    """Share of the steps that the text names in the given order, in [0, 1]; 1 without steps.

    The longest run of steps, not necessarily adjacent, whose first mentions come in order
    (longest increasing subsequence). A step is words as in ``says``.
    """
    if not steps:
        return 1.0
    low = fold(text)
    found = [m.start() if (m := _phrase(fold(s)).search(low)) else -1 for s in steps]
    longest: list[int] = []
    for i, at in enumerate(found):
        before = [longest[j] for j in range(i) if 0 <= found[j] < at]
        longest.append(0 if at < 0 else 1 + max(before, default=0))
    return max(longest) / len(steps)
