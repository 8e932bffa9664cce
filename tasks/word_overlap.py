"""Weak gold: how far an answer says what a text says, in content words. Kernel imports only.

For data without facts to check. It sees words, not meaning; every suite that uses it says so.
"""

from __future__ import annotations

import re
from collections import Counter

_TOKEN = re.compile(r"\{\{.*?\}\}|[#$]?\d[\w.,:@-]*\w|\w+(?:'\w+)?")
_FORM = re.compile(r"^\s*(?:Policy|Record|Customer|Agent|Choices):", re.MULTILINE)
_FUNCTION = frozenset(
    "a an the and or but if of to in on at by for from with as is are was were be been being "
    "it its this that these those i you we they he she him her them us me my your our their "
    "will would can could may might shall should must do does did have has had not no yes so "
    "then than there here what which who how when where why please any some all more most "
    "other into out up about also just only very too once".split()
)
_UNKNOWN = re.compile(
    r"\b(?:(?:do|does|did|could|can) not|don't|didn't|cannot|can't|couldn't|unable to|not able to)"
    r" (?:\w+ ){0,2}?(?:know|answer|say|tell)\b|\bno (?:information|answer)\b"
)
_DENIES = re.compile(
    r"\b(?:cannot|can't|can not|could not|couldn't|unable to|not able to|will not|won't|must not|"
    r"may not|against (?:the|our) policy|not (?:allowed|possible|permitted|eligible))\b"
)


def content(text: str) -> Counter[str]:
    """Content words, numbers and placeholders with their counts, in lower case."""
    found = (t.lower() for t in _TOKEN.findall(text))
    return Counter(t for t in found if t not in _FUNCTION)


def f1(said: Counter[str], meant: Counter[str]) -> float:
    """Harmonic mean of precision and recall over counted words; 0 where either is empty."""
    both = (said & meant).total()
    return 2 * both / (said.total() + meant.total()) if both else 0.0


def repeats_form(text: str) -> bool:
    """Whether a line begins with a label of the prompt: a copy, no answer."""
    return _FORM.search(text) is not None


def copied(text: str, prompt: str) -> bool:
    """Whether the answer stands in the prompt as it is, spaces and case aside, or has its form."""
    plain = " ".join(text.split()).casefold()
    return repeats_form(text) or plain in " ".join(prompt.split()).casefold()


def unknown(text: str) -> bool:
    """Whether the answer says that it does not know."""
    return _UNKNOWN.search(text.lower()) is not None


def denies(text: str) -> bool:
    """Whether the answer says that something cannot or must not be done."""
    return _DENIES.search(text.lower()) is not None


def numbers(text: str) -> set[str]:
    """Numbers with currency signs, grouping commas and trailing zeros of cents dropped."""
    found = re.findall(r"\d[\d,]*(?:\.\d+)?", text)
    return {re.sub(r"\.0+$", "", n.replace(",", "")) for n in found}
