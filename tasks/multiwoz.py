"""Suite ``multiwoz``: answers grounded in system acts of MultiWOZ and the records they speak of.

Gold says whether an answer states every value of the system's inform, recommend, select and booking
acts in a sentence of its own and makes up no number, time, date or name. It says nothing about
fluency, about acts that deny (NoOffer, NoBook) or about values stated for the wrong slot.

Source: Budzianowski et al. 2018, "MultiWOZ - A Large-Scale Multi-Domain Wizard-of-Oz Dataset for
Task-Oriented Dialogue Modelling"; Eric et al. 2019 (arXiv 1907.01669).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsft_bench.harness.types import Param
from rsft_bench.tasks.grounded.english import ENGLISH
from rsft_bench.tasks.grounded.language import Form
from rsft_bench.tasks.grounded.splits import Layout
from rsft_bench.tasks.grounded.suite import CODE, OPTIONS, GroundedSuite, Read
from rsft_bench.tasks.grounded.turns import (
    AskedTurn,
    Line,
    Value,
    acts_text,
    build_prompt,
    capped,
)
from rsft_bench.tasks.grounded.values_en import forms, known
from rsft_bench.tasks.multiwoz_format import Act, Dialogue, Folder, Turn, folder_files, read_folder

VALUE_ACTS = ("Inform", "Recommend", "Select", "Book", "OfferBook", "OfferBooked")
SLOTS: Mapping[str, str] = {
    "Addr": "address",
    "Arrive": "arrive by",
    "Car": "car type",
    "Depart": "departure",
    "Dest": "destination",
    "Fee": "entrance fee",
    "Id": "train id",
    "Leave": "leave at",
    "Post": "postcode",
    "Price": "pricerange",
    "Ref": "reference",
}
# Slots whose values a database lists: one that nobody mentioned is made up.
_LISTED: Mapping[str, str] = {
    "Name": "name",
    "Food": "food",
    "Area": "area",
    "Price": "pricerange",
}
# What every dialogue is about and nobody needs to say first; a table is kept for 15 minutes.
_PLACE = (
    "Cambridge town city centre hotel guest house restaurant train station taxi booking booked",
    "reference number contact phone postal post code address street road 15 minutes English GBP",
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
)


class _Records:
    """Entities by domain and name."""

    def __init__(self, folder: Folder) -> None:
        self._named: dict[str, dict[Form, Mapping[str, str]]] = {
            domain: {ENGLISH.form(r["name"]): r for r in rows if "name" in r}
            for domain, rows in folder.entities.items()
        }

    def names(self) -> dict[str, dict[str, Form]]:
        """By slot, spelling -> form of the values that the entities have."""
        rows = [row for named in self._named.values() for row in named.values()]
        return {
            slot: {r[key]: f for r in rows if key in r and (f := ENGLISH.form(r[key]))}
            for slot, key in _LISTED.items()
        }

    def find(self, domain: str, name: str) -> Mapping[str, str] | None:
        """The entity of this name, whatever its spelling; None for an unknown one."""
        domains = [domain.lower()] if domain.lower() in self._named else list(self._named)
        wanted = ENGLISH.form(name)
        found = (self._named[d].get(wanted) for d in domains)
        return next((r for r in found if r is not None), None)


def asked_turns(
    dialogue: Dialogue, records: _Records, history_turns: int, skipped: Counter[str]
) -> list[AskedTurn]:
    """The turns of a dialogue that are asked; the others are counted in ``skipped`` by reason."""
    found: list[AskedTurn] = []
    seen = set(known(_PLACE))
    current: dict[str, Mapping[str, str]] = {}
    for index, turn in enumerate(dialogue.turns):
        named = [a for a in turn.acts if a.slot == "Name" and a.value]
        current |= {
            a.domain: row for a in named if (row := records.find(a.domain, a.value)) is not None
        }
        rows = [*current.values(), *turn.booked.values()]
        texts = [a.value for a in turn.acts] + [v for row in rows for v in row.values()]
        before = frozenset(seen) | known((*texts, *turn.state))
        reason = _reason(dialogue.turns, index)
        if reason is None:
            record = _record(turn, current)
            found.append(_asked(dialogue, index, record, before, history_turns))
        elif not turn.customer:
            skipped[reason] += 1
        seen |= before | known((turn.text,))
    return found


def _reason(turns: Sequence[Turn], index: int) -> str | None:
    """Why a turn is not asked, None where it is."""
    turn = turns[index]
    if turn.customer:
        return "customer"
    if not any(_forms(a) for a in _valued(turn)):
        denies = any(a.act in ("NoOffer", "NoBook") and a.value for a in turn.acts)
        return (
            "only values in acts that deny (NoOffer, NoBook)"
            if denies
            else "no value in Inform, Recommend, Select or booking acts"
        )
    if index == 0 or not turns[index - 1].customer or not turns[index - 1].text:
        return "no customer turn before it"
    return None if turn.text else "empty answer upstream"


def _asked(
    dialogue: Dialogue, index: int, record: str, before: frozenset[str], history_turns: int
) -> AskedTurn:
    turn = dialogue.turns[index]
    values = [Value(a.slot, a.value, a.value.lower(), _forms(a)) for a in _valued(turn)]
    checked = tuple(dict.fromkeys(v for v in values if v.forms))
    acts = acts_text((a.act, _slot(a), [a.value] if a.value else []) for a in turn.acts)
    spoken = dialogue.turns[max(0, index - 1 - history_turns) : index]
    lines = [Line(t.customer, t.text) for t in spoken]
    prompt, dropped = build_prompt(ENGLISH.policy, lines, record, acts)
    return AskedTurn(
        example_id=f"multiwoz-{dialogue.dialogue_id.removesuffix('.json')}-{index:02d}",
        dialogue_id=dialogue.dialogue_id,
        side=dialogue.side,
        services=dialogue.domains,
        stratum="+".join(sorted({a.act.lower() for a in _valued(turn)})),
        prompt=prompt,
        answer=turn.text,
        values=checked,
        acts=acts,
        asks=any(a.act == "Request" for a in turn.acts),
        unchecked=len(values) - sum(bool(v.forms) for v in values),
        known=before,
        dropped=dropped,
    )


def _forms(act: Act) -> tuple[Form, ...]:
    """None for a number of choices without a number ("many"): any wording says as much."""
    found = forms(act.value, act.value)
    vague = act.slot == "Choice" and not any(r.startswith("n:") for f in found for r in f)
    return () if vague else found


def _valued(turn: Turn) -> list[Act]:
    return [a for a in turn.acts if a.act in VALUE_ACTS and a.value]


def _slot(act: Act) -> str:
    return SLOTS.get(act.slot, act.slot.lower())


def _record(turn: Turn, current: Mapping[str, Mapping[str, str]]) -> str:
    """Booked fields and the entity that the acts speak of: their slots first, then the others.

    The entity named last in the acts' domain. "none" where acts speak of no record of the folder.
    """
    domains = dict.fromkeys(a.domain for a in _valued(turn))
    wanted = [_slot(a) for a in _valued(turn)]
    fields: dict[str, str] = {}
    for domain in domains:
        # Acts of a booking name no domain: then what was booked in any of them is meant.
        booked = turn.booked if domain == "Booking" else {domain: turn.booked.get(domain.lower())}
        for row in booked.values():
            fields |= row or {}
        fields = dict(current.get(domain, {})) | fields
    slots = [s for s in dict.fromkeys(wanted) if s in fields]
    slots += [s for s in fields if s not in slots and s not in ("id", "introduction")]
    return capped([f"{s}: {fields[s]}" for s in slots]) if slots else "none"


def read(folder: Path, history_turns: int) -> Read:
    """The asked turns of a folder. Raises DataError for what cannot be used."""
    found = read_folder(folder)
    records = _Records(found)
    skipped: Counter[str] = Counter()
    turns = [t for d in found.dialogues for t in asked_turns(d, records, history_turns, skipped)]
    spoken = sum(not t.customer for d in found.dialogues for t in d.turns)
    notes = () if found.entities else ("no db/*_db.json: prompts hold bookings as records only",)
    return Read(turns, found.n_files, len(found.dialogues), spoken, skipped, notes, records.names())


MULTIWOZ = GroundedSuite(
    name="multiwoz",
    version="1",
    licence="MIT",
    attribution=(
        "MultiWOZ, Budzianowski et al. 2018 and Eric et al. 2019 (arXiv 1907.01669), as carried by "
        "ConvLab/ConvLab-3 (Apache-2.0)"
    ),
    speech=ENGLISH,
    layout=Layout(
        suite="multiwoz",
        service="domain",
        services="domains",
        sides={"train": "train", "select": "val", "confirm": "test"},
        apart=False,
    ),
    files=folder_files,
    read=read,
    options=(
        Param("path", None, "folder with {train,val,test}.json[.zip], and db/*_db.json if any"),
        *OPTIONS,
    ),
    code=(
        *CODE,
        *(f"rsft_bench.tasks.{m}" for m in ("multiwoz", "multiwoz_format")),
        *(f"rsft_bench.tasks.grounded.{m}" for m in ("english", "records", "values_en")),
    ),
)
