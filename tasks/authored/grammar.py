"""Text surface of authored suites: ``[a|b]`` choices, slots, and the noise all families share.

Noise (openings, closings, registers, typos) is drawn per example and is never part of a family.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

OPENINGS = ("", "", "", "Hello,", "Hi,", "Hey,", "Good evening,", "Hi team,")
CLOSINGS = ("", "", "", "Thanks.", "Cheers.", "Please hurry.", "Many thanks.")
QUESTION_WORDS = frozenset(
    "when where which what who whom why how can could is are am do does did has have will would "
    "may must should in on by any".split()
)
TYPO_RATE = 0.2
PLAIN_RATE = 0.35

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_SENTENCE_START = re.compile(r"(?:^|(?<=[.!?] )|(?<=[.!?]  ))([a-z])")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIO])(?!us)")


def choose(template: str, rng: np.random.Generator) -> str:
    """Draws one option of every ``[a|b]``."""

    def pick(match: re.Match[str]) -> str:
        options = match[1].split("|")
        return options[int(rng.integers(len(options)))]

    return _CHOICE.sub(pick, template) if "[" in template else template


def slots(template: str) -> frozenset[str]:
    """Names of the slots that a template fills."""
    return frozenset(_SLOT.findall(template))


def fill(template: str, values: Mapping[str, str]) -> str:
    """Replaces slots, mends "a" before vowels. Raises KeyError for a slot without a value."""
    text = _SLOT.sub(lambda m: values[m[1]], template)
    return _ARTICLE.sub(r"\1n ", text)


def sentences(text: str) -> str:
    """Starts every sentence with a capital and removes doubled spaces."""
    clean = " ".join(text.split())
    return _SENTENCE_START.sub(lambda m: m[1].upper(), clean)


def write(template: str, values: Mapping[str, str], rng: np.random.Generator) -> str:
    """One finished text of a template: choices drawn, slots filled, sentences capitalised."""
    return sentences(fill(choose(template, rng), values))


def question(
    body: str, values: Mapping[str, str], rng: np.random.Generator, greets: bool = True
) -> str:
    """A family's body with one example's noise: opening, closing, register, at most one typo.

    Without ``greets`` there is no opening and no closing.
    """
    opening = OPENINGS[int(rng.integers(len(OPENINGS)))]
    closing = CLOSINGS[int(rng.integers(len(CLOSINGS)))]
    if not greets:
        opening = closing = ""
    plain = rng.random() < PLAIN_RATE
    typed = _typo(body, rng) if rng.random() < TYPO_RATE else body
    text = fill(typed, values)
    if plain:
        return " ".join(part for part in (opening.lower(), text, closing.lower()) if part)
    mark = "?" if body.split()[0] in QUESTION_WORDS else "."
    text = re.sub(r"\bi\b", "I", text)
    text = text if opening else text[0].upper() + text[1:]
    return " ".join(part for part in (opening, text + mark, closing) if part)


def turns(body: str) -> tuple[str, ...]:
    """Turns of a conversation, parted by ``//``: customer, agent, customer and so on."""
    return tuple(part.strip() for part in body.split("//"))


def conversation(
    body: str, values: Mapping[str, str], rng: np.random.Generator, greets: bool = True
) -> str:
    """A body as labelled lines; noise is in the customer's first turn only."""
    first, *later = turns(body)
    lines = [f"Customer: {question(first, values, rng, greets)}"]
    for i, turn in enumerate(later):
        text = re.sub(r"\bi\b", "I", write(turn, values, rng))
        mark = "" if text[-1] in ".?!" else "."
        lines.append(f"{('Agent', 'Customer')[i % 2]}: {text}{mark}")
    return "\n".join(lines)


def _typo(body: str, rng: np.random.Generator) -> str:
    """Swaps two inner letters of one word; slots, digits and short words stay whole."""
    words = body.split()
    able = [i for i, w in enumerate(words) if len(w) >= 4 and w.isalpha()]
    if not able:
        return body
    at = able[int(rng.integers(len(able)))]
    word = words[at]
    cut = 1 + int(rng.integers(len(word) - 2))
    words[at] = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
    return " ".join(words)
