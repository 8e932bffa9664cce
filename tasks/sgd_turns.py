"""System turns of Schema-Guided Dialogue that are asked: their acts, record and what was seen.

Reads the dataclasses of ``sgd_format``; knows nothing of splits, logs or scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rsft_bench.tasks.grounded.english import ENGLISH
from rsft_bench.tasks.grounded.turns import (
    AskedTurn,
    Line,
    Value,
    acts_text,
    build_prompt,
    capped,
)
from rsft_bench.tasks.grounded.values_en import forms, known
from rsft_bench.tasks.sgd_format import Action, Dialogue, Frame, Turn

VALUE_ACTS = ("INFORM", "OFFER", "CONFIRM", "INFORM_COUNT")


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
    acts = acts_text((a.act, a.slot, a.values) for f in turn.frames for a in f.actions)
    record = _record(turn.frames, results)
    spoken = dialogue.turns[max(0, index - 1 - history_turns) : index]
    lines = [Line(t.speaker == "USER", t.utterance) for t in spoken]
    prompt, dropped = build_prompt(ENGLISH.policy, lines, record, acts)
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
            return capped([f"{s.replace('_', ' ')}: {row[s]}" for s in slots])
    return "none found" if made else "no call made"


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
