"""System turns of task-oriented dialogues as prompts with the values that an answer must state.

Owns what the policy sees of a turn and what the judge is given. Knows nothing of upstream's files,
splits, logs or scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from rsft_bench.harness.types import Json, Split
from rsft_bench.tasks.grounded.language import Form, Language

MAX_PROMPT_CHARS = 600
MAX_RECORD_CHARS = 160


class Line(NamedTuple):
    """One utterance; ``customer`` says who spoke."""

    customer: bool
    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """A slot value that an answer must state, as upstream worded it.

    Where ``holds`` is not None there is no form: the answer must affirm (True) or deny (False) one
    of the words ``topics``.
    """

    slot: str
    text: str
    canonical: str
    forms: tuple[Form, ...]
    holds: bool | None = None
    topics: tuple[str, ...] = ()


Rivals: TypeAlias = Mapping[Value, tuple[Form, ...]]
Names: TypeAlias = Mapping[str, Mapping[str, Form]]


@dataclass(frozen=True, slots=True)
class AskedTurn:
    """One SYSTEM turn with checkable values.

    ``known`` holds the readings of every number, time, date and word that was seen before this
    turn's answer: in earlier utterances, service calls, their results, and this turn's acts.
    ``dropped`` counts the turns of the history asked for that did not fit the prompt.
    """

    example_id: str
    dialogue_id: str
    side: Split
    services: tuple[str, ...]
    stratum: str
    prompt: str
    answer: str
    values: tuple[Value, ...]
    acts: str
    asks: bool
    unchecked: int
    known: frozenset[str]
    dropped: int

    def facts(self, corpus: Corpus) -> dict[str, Json]:
        """What the judge reads, as JSON.

        ``others`` are names the corpus has for this turn's slots, of which some word was not seen.
        """
        slots = {v.slot for v in self.values}
        seen = corpus.language.seen
        others = {
            n for s in slots for n, f in corpus.names.get(s, {}).items() if not seen(f, self.known)
        }
        return {
            "values": [
                {
                    "slot": v.slot,
                    "value": v.text,
                    "forms": [list(f) for f in v.forms],
                    "rivals": [list(f) for f in corpus.rivals.get(v, ())],
                    **({} if v.holds is None else {"holds": v.holds, "topics": list(v.topics)}),
                }
                for v in self.values
            ],
            "acts": self.acts,
            "asks": self.asks,
            "unchecked": self.unchecked,
            "known": sorted(r for r in self.known if ":" in r),
            "words": sorted(r for r in self.known if ":" not in r),
            "others": sorted(others),
        }


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the values of all turns say about one value: longer ones, and the names of a slot."""

    language: Language
    rivals: Rivals
    names: Names

    @classmethod
    def of(
        cls, turns: Sequence[AskedTurn], language: Language, names: Names | None = None
    ) -> Corpus:
        """Rivals and names among the values of ``turns``.

        With ``names`` (of a database) these alone are names and nothing is a rival: for values that
        upstream cut out of its answers, where "centre of town" and "centre" are one value.
        """
        if names is not None:
            return cls(language, {}, names)
        return cls(language, find_rivals(turns, language), find_names(turns, language))


def find_rivals(turns: Iterable[AskedTurn], language: Language) -> Rivals:
    """For each value of ``turns``, the longer values of its slot that contain it.

    Another spelling of the same canonical value is no rival.
    """
    slots: dict[str, dict[Value, Form]] = {}
    for value in (v for t in turns for v in t.values):
        slots.setdefault(value.slot, {})[value] = language.form(value.text)
    return {
        value: tuple(
            dict.fromkeys(
                longer
                for other, longer in values.items()
                if other.canonical != value.canonical
                and any(len(f) < len(longer) and _inside(f, longer) for f in value.forms)
            )
        )
        for values in slots.values()
        for value in values
    }


def find_names(turns: Iterable[AskedTurn], language: Language) -> Names:
    """By slot, spelling -> form of its values that are words alone.

    Numbers, times and dates are no names: any of them counts as a claim.
    """
    found: dict[str, dict[str, Form]] = {}
    for value in (v for t in turns for v in t.values):
        words = language.form(value.text)
        named = found.setdefault(value.slot, {})
        if words and not any(":" in reading for reading in words):
            named[value.text] = words
    return found


def _inside(short: Form, long: Form) -> bool:
    return any(long[i : i + len(short)] == short for i in range(len(long) - len(short) + 1))


def build_prompt(
    policy: str, lines: Sequence[Line], record: str, acts: str, most: int = MAX_PROMPT_CHARS
) -> tuple[str, int]:
    """The prompt and how many of the oldest ``lines`` did not fit in ``most`` characters.

    The last of ``lines`` is the customer's question and always stays.
    """
    spoken = [f"{'Customer' if x.customer else 'Agent'}: {x.text}" for x in lines]
    tail = [f"Record: {record}", f"Acts: {acts}", spoken[-1], "Agent:"]
    history = spoken[:-1]
    while history and len("\n".join([policy, *history, *tail])) > most:
        del history[0]
    return "\n".join([policy, *history, *tail]), len(spoken) - 1 - len(history)


def capped(fields: Sequence[str]) -> str:
    """The first fields that fit in ``MAX_RECORD_CHARS``, joined by "; "; the first one always."""
    text = fields[0]
    for extra in fields[1:]:
        if len(text) + len(extra) + 2 > MAX_RECORD_CHARS:
            break
        text += f"; {extra}"
    return text


def acts_text(actions: Iterable[tuple[str, str, Sequence[str]]]) -> str:
    """Acts, slots and values as ``offer(fare=$123, airlines=Delta Airlines); request(city)``."""
    grouped: dict[str, list[str]] = {}
    for act, slot, values in actions:
        joined = " | ".join(values)
        grouped.setdefault(act.lower(), []).append(
            f"{slot}={joined}" if slot and joined else slot or joined
        )
    return "; ".join(
        f"{act}({', '.join(filter(None, args))})" if any(args) else act
        for act, args in grouped.items()
    )
