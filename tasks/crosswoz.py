"""Suite ``crosswoz``: Chinese answers grounded in system acts of CrossWOZ.

Gold says whether an answer states every value of the system's Inform and Recommend acts in a
sentence of its own and makes up no number, time, date or name. Facilities (是, 否) and what is not
there (无) are checked as affirmed or denied. It says nothing about fluency, about NoOffer or about
values stated for the wrong slot; a made-up name counts where the corpus has it for a slot of the
acts, or where it ends in a kind of place.

Source: Zhu et al. 2020, "CrossWOZ: A Large-Scale Chinese Cross-Domain Task-Oriented Dialogue
Dataset", TACL 8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsft_bench.harness.types import Param
from rsft_bench.tasks.crosswoz_format import Act, Dialogue, Turn, folder_files, read_folder
from rsft_bench.tasks.grounded.chinese import CHINESE
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
from rsft_bench.tasks.grounded.values_zh import forms, known

VALUE_ACTS = ("Inform", "Recommend")
# A Chinese character is two to three tokens of a byte-level tokenizer trained on English.
MAX_PROMPT_CHARS = 240
FACILITY = "酒店设施-"
_ABSENT = "无"
_TOPICS: Mapping[str, tuple[str, ...]] = {
    "周边餐馆": ("餐馆", "餐厅", "吃饭", "吃的"),
    "周边景点": ("景点",),
    "周边酒店": ("酒店", "住宿"),
    "出发地附近地铁站": ("出发", "起点", "地铁"),
    "目的地附近地铁站": ("目的地", "终点", "地铁"),
}
_FREE: tuple[Form, ...] = tuple(
    f for text in ("免费", "免门票", "不要钱", "0元", "不收费") for f in forms(text)
)
# What every dialogue is about and nobody needs to say first.
_PLACE = ("北京", "餐馆 餐厅 饭店 酒店 宾馆 景点 景区 公园 地铁站 出租车")


def value_of(act: Act) -> Value:
    """An act's value with what states it; without forms and truth where neither can be checked."""
    slot, value = act.slot, act.value
    if slot.startswith(FACILITY):
        topic = slot.removeprefix(FACILITY)
        holds = {"是": True, "否": False}.get(value)
        return Value(slot, value, value, (), holds, (topic, topic.removesuffix("服务")))
    if value == _ABSENT:
        return Value(slot, value, value, (), False, _TOPICS.get(slot, (slot,)))
    if slot == "门票" and value in ("免费", "0", "0元"):
        return Value(slot, value, value, _FREE)
    return Value(slot, value, value, forms(value))


def asked_turns(dialogue: Dialogue, history_turns: int, skipped: Counter[str]) -> list[AskedTurn]:
    """The turns of a dialogue that are asked; the others are counted in ``skipped`` by reason."""
    found: list[AskedTurn] = []
    seen = set(known(_PLACE))
    for index, turn in enumerate(dialogue.turns):
        texts = [a.value for a in turn.acts] + [a.slot for a in turn.acts]
        chosen = [name for names in turn.selected.values() for name in names]
        before = frozenset(seen) | known((*texts, *chosen, *turn.state))
        reason = _reason(dialogue.turns, index)
        if reason is None:
            found.append(_asked(dialogue, index, before, history_turns))
        elif not turn.customer:
            skipped[reason] += 1
        seen |= before | known((turn.text,))
    return found


def _reason(turns: Sequence[Turn], index: int) -> str | None:
    """Why a turn is not asked, None where it is."""
    turn = turns[index]
    if turn.customer:
        return "customer"
    values = [value_of(a) for a in _valued(turn)]
    if not values:
        return "no value in Inform or Recommend"
    if not any(v.forms or v.holds is not None for v in values):
        return "only values that cannot be checked"
    if index == 0 or not turns[index - 1].customer or not turns[index - 1].text:
        return "no customer turn before it"
    return None if turn.text else "empty answer upstream"


def _asked(dialogue: Dialogue, index: int, before: frozenset[str], history_turns: int) -> AskedTurn:
    turn = dialogue.turns[index]
    values = [value_of(a) for a in _valued(turn)]
    checked = tuple(dict.fromkeys(v for v in values if v.forms or v.holds is not None))
    acts = acts_text((a.act, a.slot, [a.value] if a.value else []) for a in turn.acts)
    spoken = dialogue.turns[max(0, index - 1 - history_turns) : index]
    lines = [Line(t.customer, t.text) for t in spoken]
    record = _record(turn)
    prompt, dropped = build_prompt(CHINESE.policy, lines, record, acts, MAX_PROMPT_CHARS)
    return AskedTurn(
        example_id=f"crosswoz-{dialogue.dialogue_id}-{index:02d}",
        dialogue_id=dialogue.dialogue_id,
        side=dialogue.side,
        services=dialogue.domains,
        stratum="+".join(sorted({a.act.lower() for a in _valued(turn)})),
        prompt=prompt,
        answer=turn.text,
        values=checked,
        acts=acts,
        asks=any(a.act == "Request" for a in turn.acts),
        unchecked=sum(not v.forms and v.holds is None for v in values),
        known=before,
        dropped=dropped,
    )


def _valued(turn: Turn) -> list[Act]:
    return [a for a in turn.acts if a.act in VALUE_ACTS and a.value]


def _record(turn: Turn) -> str:
    """The entities that the system has chosen in the domains of its acts, or 无."""
    domains = dict.fromkeys(a.domain for a in _valued(turn))
    fields = [f"{d}: {'、'.join(turn.selected[d])}" for d in domains if turn.selected.get(d)]
    return capped(fields) if fields else _ABSENT


def read(folder: Path, history_turns: int) -> Read:
    """The asked turns of a folder. Raises DataError for what cannot be used."""
    dialogues, n_files = read_folder(folder)
    skipped: Counter[str] = Counter()
    turns = [t for d in dialogues for t in asked_turns(d, history_turns, skipped)]
    spoken = sum(not t.customer for d in dialogues for t in d.turns)
    return Read(turns, n_files, len(dialogues), spoken, skipped)


CROSSWOZ = GroundedSuite(
    name="crosswoz",
    version="1",
    licence="Apache-2.0",
    attribution="CrossWOZ, Zhu et al. 2020 (TACL 8), thu-coai/CrossWOZ",
    speech=CHINESE,
    layout=Layout(
        suite="crosswoz",
        service="domain",
        services="domains",
        sides={"train": "train", "select": "val", "confirm": "test"},
        apart=False,
    ),
    files=folder_files,
    read=read,
    options=(Param("path", None, "folder with {train,val,test}.json[.zip]"), *OPTIONS),
    code=(
        *CODE,
        *(f"rsft_bench.tasks.{m}" for m in ("crosswoz", "crosswoz_format")),
        *(f"rsft_bench.tasks.grounded.{m}" for m in ("chinese", "records", "values_zh")),
    ),
)
