"""System turns of Schema-Guided Dialogue as prompts with the values that an answer must state.

Owns which turns are asked, what the policy sees of them and what the judge is given. Reads the
dataclasses of ``sgd_format``; knows nothing of splits, logs or scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rsft_bench.harness.types import Json, Split
from rsft_bench.tasks.sgd_format import Action, Dialogue, Frame, Turn
from rsft_bench.tasks.sgd_values import Form, form, forms, known

VALUE_ACTS = ("INFORM", "OFFER", "CONFIRM", "INFORM_COUNT")
MAX_PROMPT_CHARS = 600
MAX_RECORD_CHARS = 160
POLICY = "Policy: State every value in the acts. Do not make one up."


@dataclass(frozen=True, slots=True)
class Value:
    """A slot value that an answer must state, as upstream worded it."""

    slot: str
    text: str
    canonical: str
    forms: tuple[Form, ...]


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

    def facts(self, rivals: Rivals, names: Names) -> dict[str, Json]:
        """What the judge reads, as JSON.

        ``others`` are names the corpus has for this turn's slots, of which some word was not seen.
        """
        slots = {v.slot for v in self.values}
        others = {n for s in slots for n, f in names[s].items() if not self.known.issuperset(f)}
        return {
            "values": [
                {
                    "slot": v.slot,
                    "value": v.text,
                    "forms": [list(f) for f in v.forms],
                    "rivals": [list(f) for f in rivals[v]],
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


def find_rivals(turns: Iterable[AskedTurn]) -> Rivals:
    """For each value of ``turns``, the longer values of its slot that contain it.

    Another spelling of the same canonical value is no rival.
    """
    slots: dict[str, dict[Value, Form]] = {}
    for value in (v for t in turns for v in t.values):
        slots.setdefault(value.slot, {})[value] = form(value.text)
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


def find_names(turns: Iterable[AskedTurn]) -> Names:
    """By slot, spelling -> form of its values that are words alone.

    Numbers, times and dates are no names: any of them counts as a claim.
    """
    found: dict[str, dict[str, Form]] = {}
    for value in (v for t in turns for v in t.values):
        words = form(value.text)
        named = found.setdefault(value.slot, {})
        if words and not any(":" in reading for reading in words):
            named[value.text] = words
    return found


def _inside(short: Form, long: Form) -> bool:
    return any(long[i : i + len(short)] == short for i in range(len(long) - len(short) + 1))


def asked_turns(dialogue: Dialogue, history_turns: int, skipped: Counter[str]) -> list[AskedTurn]:
    """The turns of a dialogue that are asked; the others are counted in ``skipped`` by reason."""
    found: list[AskedTurn] = []
    seen: set[str] = set()
    results: dict[str, tuple[Mapping[str, str], ...]] = {}
    for index, turn in enumerate(dialogue.turns):
        # A call replaces what an earlier one found, also where it finds nothing.
        results |= {f.service: f.results for f in turn.frames if f.call is not None or f.results}
        before = frozenset(seen) | known(_frame_texts(turn.frames))
        reason = _reason(dialogue.turns, index)
        if reason is None:
            found.append(_asked(dialogue, index, results, before, history_turns))
        elif turn.speaker == "SYSTEM":
            skipped[reason] += 1
        seen |= before | known((turn.utterance,))
    return found


def _reason(turns: Sequence[Turn], index: int) -> str | None:
    """Why a turn is not asked, None where it is."""
    turn = turns[index]
    values = [v for a in _valued(turn.frames) for v in zip(a.values, a.canonical, strict=True)]
    if turn.speaker != "SYSTEM" or not values:
        return "no value in INFORM, OFFER, CONFIRM or INFORM_COUNT"
    if not any(forms(*pair) for pair in values):
        return "only values without words of their own (True, False, None)"
    if index == 0 or turns[index - 1].speaker != "USER" or not turns[index - 1].utterance:
        return "no customer turn before it"
    return None if turn.utterance else "empty answer upstream"


def _asked(
    dialogue: Dialogue,
    index: int,
    results: Mapping[str, tuple[Mapping[str, str], ...]],
    before: frozenset[str],
    history_turns: int,
) -> AskedTurn:
    turn = dialogue.turns[index]
    values = [
        Value(a.slot, v, c, forms(v, c))
        for a in _valued(turn.frames)
        for v, c in zip(a.values, a.canonical, strict=True)
    ]
    checked = tuple(v for v in values if v.forms)
    acts = _acts_text(turn.frames)
    record = _record(turn.frames, results)
    history = dialogue.turns[max(0, index - 1 - history_turns) : index - 1]
    prompt, dropped = _prompt(history, dialogue.turns[index - 1], record, acts)
    return AskedTurn(
        example_id=f"sgd-{dialogue.side}-{dialogue.dialogue_id}-{index:02d}",
        dialogue_id=dialogue.dialogue_id,
        side=dialogue.side,
        services=dialogue.services,
        stratum="+".join(sorted({a.act.lower() for a in _valued(turn.frames)})),
        prompt=prompt,
        answer=turn.utterance,
        values=checked,
        acts=acts,
        asks=any(a.act == "REQUEST" for f in turn.frames for a in f.actions),
        unchecked=len(values) - len(checked),
        known=before,
        dropped=dropped,
    )


def _prompt(history: Sequence[Turn], question: Turn, record: str, acts: str) -> tuple[str, int]:
    """The prompt with the last turns that fit in ``MAX_PROMPT_CHARS``, and how many did not."""
    tail = [f"Record: {record}", f"Acts: {acts}", f"Customer: {question.utterance}", "Agent:"]
    lines = [f"{'Customer' if t.speaker == 'USER' else 'Agent'}: {t.utterance}" for t in history]
    while lines and len("\n".join([POLICY, *lines, *tail])) > MAX_PROMPT_CHARS:
        del lines[0]
    return "\n".join([POLICY, *lines, *tail]), len(history) - len(lines)


def _record(frames: Sequence[Frame], results: Mapping[str, tuple[Mapping[str, str], ...]]) -> str:
    """Slots of the result that the acts speak of: theirs first, then others while there is room.

    The record of the turn's own call where it makes one, else of the service's last call.
    """
    made = any(f.service in results for f in frames)
    for frame in frames:
        wanted = {a.slot: set(a.canonical) for a in frame.actions if a.act in VALUE_ACTS}
        rows = results.get(frame.service, ())
        if rows and wanted:
            # The acts speak of the result that shares most values with them; the first on a tie.
            row = max(rows, key=lambda r: sum(r.get(s) in v for s, v in wanted.items()))
            slots = [s for s in wanted if s in row] + [s for s in row if s not in wanted]
            return _capped([f"{s.replace('_', ' ')}: {row[s]}" for s in slots])
    return "none found" if made else "no call made"


def _capped(fields: Sequence[str]) -> str:
    text = fields[0]
    for extra in fields[1:]:
        if len(text) + len(extra) + 2 > MAX_RECORD_CHARS:
            break
        text += f"; {extra}"
    return text


def _acts_text(frames: Sequence[Frame]) -> str:
    """``offer(fare=$123, airlines=Delta Airlines); request(city)``."""
    grouped: dict[str, list[str]] = {}
    for action in (a for f in frames for a in f.actions):
        grouped.setdefault(action.act.lower(), []).append(_argument(action))
    return "; ".join(
        f"{act}({', '.join(filter(None, args))})" if any(args) else act
        for act, args in grouped.items()
    )


def _argument(action: Action) -> str:
    values = " | ".join(action.values)
    return f"{action.slot}={values}" if action.slot and values else action.slot or values


def _valued(frames: Iterable[Frame]) -> list[Action]:
    return [a for f in frames for a in f.actions if a.act in VALUE_ACTS and a.values]


def _frame_texts(frames: Iterable[Frame]) -> list[str]:
    texts: dict[str, None] = {}
    for frame in frames:
        for action in frame.actions:
            texts.update(dict.fromkeys((*action.values, *action.canonical)))
        for row in (frame.call or {}, *frame.results):
            texts.update(dict.fromkeys(row.values()))
    return list(texts)
