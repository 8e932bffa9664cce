"""What no answer may do, whatever facts it holds: copy the prompt, contradict itself, disclose.

Without these checks one constant answer, all values of the record and the policy's own sentence,
would state every fact and quote every decision.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from rsft_bench.harness.rewards import checks
from rsft_bench.harness.rewards.claims import normal_date, normal_number
from rsft_bench.harness.types import Json

POLICY_WORDS = 6
MAX_EXTRA_VALUES = 2
MAX_BARE_VALUES = 1

_WORD = re.compile(r"[a-z0-9$]+(?:['.][a-z0-9]+)*")
_PIECE = re.compile(r"[;!?\n|]+|[.,:](?!\d)")
_IMPERATIVE = r"^\W*(?:(?:please|just|simply|then|do|still|go ahead|you|should|anyway)\W+)*"
# "Cancel requests count for 9 hours" and "stop asking" order nothing about the topic.
_NOUNS = (
    r"(?!\s+(?:\w+ing|requests?|is|are|was|were|has|have|will|can|may|must|window|period|limit)\b)"
)
_REVERSED = re.compile(
    r"\byou (?:still )?(?:owe|must pay|have to pay|need to pay|should pay)\b|"
    r"\b(?:we )?(?:charge|charged|bill|billed) (?:to )?you\b|"
    r"\byou (?:are|were|get) (?:charged|billed)"
)
_DAY = re.compile(
    r"\b(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|weekend|tomorrow|today)\b"
)
_COMES = re.compile(r"\b(?:will|arriv\w*|come|comes|get|gets|be|is|here|deliver\w*)\b")
_NOT = re.compile(r"\b(?:\w+n't|not|cannot|no|never|nobody|unable|without|refuse|against)\b")


class Shown(NamedTuple):
    """Policy and record of a prompt: the policy's words, the record's values by label."""

    policy: tuple[str, ...]
    values: tuple[tuple[str, str], ...]


def words(text: str) -> list[str]:
    """Lower-case words and numbers of a text."""
    return _WORD.findall(text.lower().replace("’", "'"))


@lru_cache(maxsize=8192)
def shown(prompt: str) -> Shown:
    """What a prompt of the suites' form shows; empty where it has no such line."""
    lines = {line.partition(":")[0]: line.partition(":")[2] for line in prompt.split("\n")}
    fields = [f.partition(": ") for f in lines.get("Record", "").strip().split("; ")]
    values = tuple((label, value.lower()) for label, sep, value in fields if sep)
    return Shown(tuple(words(lines.get("Policy", ""))), values)


def _grams(found: Sequence[str], size: int) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(found[i : i + size]) for i in range(len(found) - size + 1))


def _quotes(policy: Sequence[str], text: str, terms: Sequence[str]) -> bool:
    """Whether six words in a row are the policy's; what a right answer must name counts as one."""
    both = [" ".join(policy), " ".join(words(text))]
    for term in terms:
        both = [t.replace(" ".join(words(term)), "#") for t in both]
    rules, said = (t.split() for t in both)
    size = max(1, min(POLICY_WORDS, len(rules)))
    return bool(rules) and not _grams(rules, size).isdisjoint(_grams(said, size))


def copies(prompt: str, text: str, need: Sequence[Sequence[str]]) -> bool:
    """Whether the text repeats the policy's wording or lists the record.

    Six words in a row are the policy's. A list: more than two record values that the answer does
    not need (the right answers name the order or the item, and a state), or more than one piece
    between marks that is a bare value, its label aside.
    """
    seen = shown(prompt)
    if _quotes(seen.policy, text, [v for kind, v in need if kind == "term"]):
        return True
    low = " ".join(text.lower().split())
    needed = [value for _, value in need]
    said = [v for _, v in seen.values if checks.says(low, v)]
    extra = [v for v in said if not any(_same(v, n) for n in needed)]
    pieces = [" ".join(words(p)) for p in _PIECE.split(low)]
    values = {" ".join(words(t)) for k, v in seen.values for t in (v, f"{k} {v}")}
    bare = [p for p in pieces if p and (p in values or p in needed)]
    return len(extra) > MAX_EXTRA_VALUES or len(bare) > MAX_BARE_VALUES


def _same(value: str, needed: str) -> bool:
    return needed in (value, normal_number(value.lstrip("$")), normal_date(value))


def contradicts(facts: Mapping[str, Json], text: str) -> bool:
    """Whether the text says the opposite beside the right decision.

    A refusal that tells the customer to go on, a consent that rests on "yes" alone, a sum that the
    customer would owe.
    """
    low = text.lower().replace("’", "'")
    decision, stems = facts["decision"], tuple(facts["stems"])
    if decision == "decline":
        return _instructs(low, stems)
    if decision == "affirm":
        made = checks.decision(_without_opening(low), stems)
        named = re.search(rf"\b(?:{'|'.join(stems)})", low) is not None
        return made in ("decline", "mixed") or (made == "none" and not named)
    owed = facts.get("owed", False)  # a bill is what the customer does owe
    return decision == "state" and not owed and _REVERSED.search(low) is not None


def _without_opening(low: str) -> str:
    return re.sub(r"(^|[.!?]\s*)(?:yes|yep|yeah|sure|of course|certainly|done)\b\W*", r"\1 ", low)


def _instructs(low: str, stems: Sequence[str]) -> bool:
    """Whether a clause orders what the topic is: "send it back anyway"."""
    if not stems:
        return False
    order = re.compile(rf"{_IMPERATIVE}(?:{'|'.join(stems)})(?!\w*(?:ing|ed|tion)\b)\w*\b{_NOUNS}")
    pieces = re.split(r"[.;:!?,\n]+|\b(?:but|so|however|and|though|although)\b", low)
    return any(order.search(piece) for piece in pieces if piece)


def discloses(topic: str, prompt: str, text: str) -> bool:
    """Whether an answer on a forbidden topic gives what the policy keeps back.

    Another person's order: any value of the record but the item, which the customer named. A
    promised day: a day stated in a clause without a negator.
    """
    low = " ".join(text.lower().replace("’", "'").split())
    if topic == "other":
        kept = [v for label, v in shown(prompt).values if label not in ("item", "article")]
        return any(checks.says(low, value) for value in kept)
    if topic == "day":
        return any(
            _DAY.search(piece) and _COMES.search(piece) and not _NOT.search(piece)
            for piece in re.split(r"[.;!?,\n]+|\b(?:but|however|and)\b", low)
        )
    return False
