"""Suite ``abcd``: what an agent does next under a guideline of the Action-Based Conversations.

The data is read from a folder that the user names and is never shipped. A prompt shows the steps of
one guideline and those already done, and asks for the next one; where chats are there, so do their
recorded actions with the values that they used. Answers are rendered by code from the guideline's
own words and from the chats' recorded actions, as agents' utterances have no gold. Cluster =
guideline.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Example, Json, Judgement
from rsft_bench.tasks import real_suite
from rsft_bench.tasks.near_duplicates import groups
from rsft_bench.tasks.reading import need, read_json
from rsft_bench.tasks.real_placing import SIDES, Corpus, Item
from rsft_bench.tasks.word_overlap import content, f1, repeats_form

WHO = "suite abcd"
#: Details of a step that a passing answer gives: F1 of content words with the guideline's.
DETAILS = 0.3
#: Jaccard of two guidelines' words from which they are one cluster.
ALIKE = 0.95
TURNS, STEP_CHARS = 4, 160


def read(settings: Mapping[str, Json], files: Sequence[Path]) -> Corpus:
    """Steps of ``guidelines.json`` and recorded actions of ``abcd*.json``; either will do.

    Raises:
        DataError: a file is not what it claims.
    """
    skipped: Counter[str] = Counter()
    items: list[Item] = []
    records = 0
    names: dict[tuple[str, frozenset[str]], str] = {}
    kb: Mapping[str, Json] = {}
    for file in files:
        if file.name.startswith("kb"):
            kb = _object(file)
        elif file.name.startswith("guidelines"):
            found = list(_subflows(file))
            for cluster, (flow, name, subflow, where) in zip(_clusters(found), found, strict=True):
                records += 1
                names[_snake(flow), frozenset(_snake(name).split("_"))] = cluster
                actions = need(subflow, "actions", list, where)
                items += _steps(flow, name, actions, cluster, where, skipped)
    for file in files:
        if file.name.startswith("abcd"):
            for side, number, chat in _chats(file):
                records += 1
                items += _actions(chat, f"{file}: chat {number}", side, (names, kb), skipped)
    if not items:
        raise DataError(f"{WHO}: no step and no action in {', '.join(f.name for f in files)}")
    return Corpus(tuple(items), len(files), records, skipped)


def _object(file: Path) -> Mapping[str, Json]:
    content_of = read_json(file, WHO)
    if not isinstance(content_of, dict):
        raise DataError(f"{file}: expected an object, found {type(content_of).__name__}")
    return content_of


def _subflows(file: Path) -> Iterator[tuple[str, str, Json, str]]:
    for flow, body in _object(file).items():
        for name, subflow in need(body, "subflows", dict, f"{file}: {flow}").items():
            yield flow, name, subflow, f"{file}: {flow}, {name}"


def _clusters(found: Sequence[tuple[str, str, Json, str]]) -> list[str]:
    """The guideline each belongs to; some differ in a word (a return for its colour, its size)."""
    texts = [
        " ".join(need(a, "text", str, where) for a in need(subflow, "actions", list, where))
        for _, _, subflow, where in found
    ]
    return [f"{_snake(found[i][0])}/{_snake(found[i][1])}" for i in groups(texts, ALIKE)]


def _snake(name: str) -> str:
    return "_".join(re.findall(r"[a-z0-9]+", name.lower()))


def _steps(
    flow: str,
    name: str,
    actions: Sequence[Json],
    cluster: str,
    where: str,
    skipped: Counter[str],
) -> Iterator[Item]:
    """One prompt for each step with a button, but the first, which most guidelines share."""
    steps = [
        (need(a, "button", str, where), " ".join(need(a, "text", str, where).split()))
        for a in actions
    ]
    listed = " ".join(f"{i}. {b}: {t[:STEP_CHARS]}" for i, (b, t) in enumerate(steps, 1))
    for i, (button, text) in enumerate(steps):
        if button == "N/A":
            skipped["step without a button"] += 1
        elif i == 0:
            skipped["first step"] += 1
        else:
            others = {b for b, _ in steps} - {button, "N/A"}
            done = ", ".join(b for b, _ in steps[:i])
            yield Item(
                name=f"guideline/{_snake(flow)}/{_snake(name)}/{i}",
                side="train",
                cluster=cluster,
                stratum="guideline",
                prompt=f"Policy: {listed}\nRecord: done: {done}\n"
                f"Customer: {flow}, {name.lower()}: what is next?\nAgent:",
                references=(f"{button}: {text}",),
                facts={
                    "next": button,
                    "others": sorted(o for o in others if not _names(text, o)),
                    "details": text,
                    "values": [],
                },
                wrong=(f"{steps[i - 1][0]}: {steps[i - 1][1]}",),
            )


def _chats(file: Path) -> Iterator[tuple[str, int, Json]]:
    chats = read_json(file, WHO)
    if isinstance(chats, list):
        chats = {"train": chats}
    if not isinstance(chats, dict):
        raise DataError(f"{file}: expected a list of chats or an object of splits")
    for split in chats:
        if split not in SIDES:
            raise DataError(f"{file}: split {split!r} is none of {', '.join(SIDES)}")
        for number, chat in enumerate(need(chats, split, list, str(file))):
            yield SIDES[split], number, chat


def _actions(
    chat: Json,
    where: str,
    side: str,
    known: tuple[Mapping[tuple[str, frozenset[str]], str], Mapping[str, Json]],
    skipped: Counter[str],
) -> Iterator[Item]:
    """One prompt for each recorded action; utterances have no gold and are counted."""
    names, kb = known
    scenario, turns = need(chat, "scenario", dict, where), need(chat, "original", list, where)
    flow, subflow = (need(scenario, key, str, where) for key in ("flow", "subflow"))
    short = re.sub(r"_\d+$", "", subflow)
    cluster = _guideline(flow, short, names)
    steps = [str(s).replace("-", " ") for s in kb.get(short, [])]
    said: list[str] = []
    done: list[str] = []
    for i, turn in enumerate(need(chat, "delexed", list, where)):
        speaker, target = need(turn, "speaker", str, where), need(turn, "targets", list, where)
        if i >= len(turns) or len(target) != 5:
            raise DataError(f"{where}: turn {i} has no original or not five targets")
        if speaker == "action" and target[2]:
            button = str(target[2]).replace("-", " ")
            values = [str(v) for v in target[3] or []]
            listed = ", ".join(steps) or button
            yield Item(
                name=f"chat/{need(chat, 'convo_id', int, where)}/{i}",
                side="confirm" if side == "confirm" else "select" if side == "select" else "train",
                cluster=cluster,
                stratum="chat",
                prompt="\n".join(
                    (
                        f"Policy: {flow.replace('_', ' ')}, {short.replace('_', ' ')}: {listed}",
                        f"Record: done: {', '.join(done) or 'nothing'}",
                        *said[-TURNS:],
                        "Agent:",
                    )
                ),
                references=(f"{button}: {', '.join(values)}" if values else f"{button}.",),
                facts={
                    "next": button,
                    "others": sorted(set(steps) - {button}),
                    "details": "",
                    "values": values,
                },
            )
            done.append(button)
        elif speaker == "agent":
            skipped["agent's utterance, no gold"] += 1
        if speaker in ("agent", "customer"):
            said.append(f"{'Customer' if speaker == 'customer' else 'Earlier'}: {turns[i][1]}")


def _guideline(flow: str, subflow: str, names: Mapping[tuple[str, frozenset[str]], str]) -> str:
    """Cluster of the shortest guideline's name with all words of the subflow; else its own."""
    parts = set(subflow.split("_"))
    fits = [(len(w), c) for (f, w), c in names.items() if f == flow and parts <= w]
    return min(fits)[1] if fits else f"{flow}/{subflow}"


def _names(text: str, button: str) -> bool:
    return re.search(rf"\b{re.escape(button.lower())}\b", text.lower()) is not None


def _without(counts: Counter[str], words: Counter[str]) -> Counter[str]:
    return Counter({word: n for word, n in counts.items() if word not in words})


def judge(example: Example, text: str) -> Judgement:
    """Gold: half for naming the next step alone, half for its details.

    0 where the next step is not named, another step is named too, or the text is copied from the
    prompt's form. Details: F1 of content words with the guideline's text, the step's name aside,
    full from ``DETAILS`` on; or the share of the chat's values. Passes with all of it. Parts:
    ``next``, ``details``, ``harm_other`` (another step named).
    """
    facts = example.facts
    following = float(_names(text, facts["next"]))
    other = float(
        any(_names(text, o) and o.lower() not in facts["next"].lower() for o in facts["others"])
    )
    if facts["values"]:
        details = sum(v.lower() in text.lower() for v in facts["values"]) / len(facts["values"])
    else:
        name = content(facts["next"])
        meant = _without(content(facts["details"]), name)
        similar = f1(_without(content(text), name), meant)
        details = min(1.0, similar / DETAILS) if meant else following
    usable = following and not other and not repeats_form(text)
    gold = 0.5 + 0.5 * details if usable else 0.0
    return Judgement(
        gold, gold == 1.0, {"next": following, "details": details, "harm_other": other}
    )


ABCD = real_suite.RealSuite(
    name="abcd",
    version="1",
    licence="MIT",
    attribution=(
        "Action-Based Conversations Dataset, Chen et al. 2021 (NAACL), asappresearch/abcd"
    ),
    gold_kind="the guideline's next step; chats: action and values",
    patterns=("guidelines.json", "kb.json", "abcd*.json", "abcd*.json.gz"),
    options=real_suite.options(
        "folder with guidelines.json, kb.json, abcd*.json", real_suite.QUALITIES
    ),
    metrics=("next", "details", "harm_other"),
    code=(
        *real_suite.CODE,
        *(f"rsft_bench.tasks.{m}" for m in ("abcd", "near_duplicates", "word_overlap")),
    ),
    read=read,
    judged=judge,
)
