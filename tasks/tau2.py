"""Suite ``tau2``: what an agent does and must say under a policy, from tasks of tau2-bench.

The data is read from a folder that the user names and is never shipped. Upstream measures whole
conversations with tools; this suite asks one question of each task: with the policy's first
sentences, the records that the task's own calls read and the request before you, which actions do
you take, on which orders, and what do you tell? Upstream has no human answers: the reference is
rendered by code from its gold actions and must-say strings, so its ceiling says that the judge is
consistent, not that people pass. Its own instructions address the customer ("You want to ...") and
are shown as they are. Cluster = customer, as tasks of one customer are variants of each other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Example, Json, Judgement, Split
from rsft_bench.tasks import real_suite
from rsft_bench.tasks.reading import read_json
from rsft_bench.tasks.real_placing import Corpus, Item
from rsft_bench.tasks.tau2_tasks import (
    WHO,
    Task,
    acts_of,
    read_policy,
    read_sides,
    read_tasks,
    record,
)
from rsft_bench.tasks.word_overlap import copied, denies, numbers

REFUSAL = "I am sorry, I cannot do that: it is against our policy."
#: Arguments that name what an action is about.
TARGETS = ("order_id", "reservation_id")
POLICIES = ("policy.md", "main_policy.md")
_NOT = re.compile(r"(?:\b(?:cannot|not|never|unable to)|n't) (?:\w+ )?$")


def read(settings: Mapping[str, Json], files: Sequence[Path]) -> Corpus:
    """Tasks of every domain folder that has any, with its policy and records where they are.

    Raises:
        DataError: a file is not what it claims, or there is no task.
    """
    skipped: Counter[str] = Counter()
    items: list[Item] = []
    records = 0
    folders = sorted({f.parent for f in files if f.name.startswith("tasks")})
    for folder in folders:
        here = {f.name: f for f in files if f.parent == folder}
        sides: Mapping[str, Split] = {}
        if "split_tasks.json" in here:
            sides = read_sides(here["split_tasks.json"])
        db = read_json(here["db.json"], WHO) if "db.json" in here else {}
        if not isinstance(db, dict):
            raise DataError(f"{here['db.json']}: expected an object of tables")
        policy = next((read_policy(here[p]) for p in POLICIES if p in here), "")
        tasks: dict[str, Task] = {}
        for file in sorted(f for n, f in here.items() if n.startswith("tasks")):
            for task in read_tasks(file, sides, skipped):
                records += 1
                skipped["task again in another file"] += task.name in tasks
                tasks.setdefault(task.name, task)
        items += _items(list(tasks.values()), policy, db, skipped)
    if not items:
        raise DataError(f"{WHO}: no task with an answer; `path` needs a tasks.json of upstream")
    return Corpus(tuple(items), len(files), records, skipped)


def _items(
    tasks: Sequence[Task], policy: str, db: Mapping[str, Json], skipped: Counter[str]
) -> list[Item]:
    known = acts_of([name for task in tasks for name, _ in task.acts])
    found = []
    for task in tasks:
        shown = record(task, db)
        must = task.must_say if db else tuple(s for s in task.must_say if _states(shown, s))
        skipped["must-say without its records"] += len(task.must_say) - len(must)
        if task.must_say and not must and not task.acts:
            skipped["task of must-say without its records"] += 1
            continue
        prompt = "\n".join(
            (
                *((f"Policy: {policy}",) if policy else ()),
                *((f"Record: {shown}",) if shown else ()),
                f"Customer: {task.request}",
                "Agent:",
            )
        )
        acts = acts_of([name for name, _ in task.acts])
        targets = [str(a[k]) for _, a in task.acts for k in TARGETS if k in a]
        ids = [t for t in dict.fromkeys(targets) if t in prompt]
        skipped["target that the prompt does not show"] += len(set(targets)) - len(ids)
        found.append(
            Item(
                name=task.name,
                side=task.side,
                cluster=task.customer,
                stratum=task.domain if acts or must else f"{task.domain}, refuse",
                prompt=prompt,
                references=(_render(acts, ids, must),),
                facts={
                    "acts": acts,
                    "others": [a for a in known if a not in acts],
                    "ids": ids,
                    "must_say": list(must),
                },
            )
        )
    return found


def _render(acts: Sequence[str], ids: Sequence[str], must: Sequence[str]) -> str:
    if not acts and not must:
        return REFUSAL
    parts = []
    if acts:
        about = f" for {', '.join(ids)}" if ids else ""
        parts.append(f"I will {', '.join(acts)}{about}.")
    if must:
        parts.append(f"That is: {', '.join(must)}.")
    return " ".join(parts)


def _states(text: str, wanted: str) -> bool:
    """Whether a number of the text is the wanted one, or the wanted words stand in it."""
    asked = numbers(wanted)
    if asked and not re.search(r"[A-Za-z]", wanted):
        return asked <= numbers(text)
    return re.search(rf"(?<!\w){re.escape(wanted.lower())}(?!\w)", text.lower()) is not None


def _does(text: str, act: str) -> bool:
    """Whether the answer names the action: its verb, and its object where it has one, in order.

    A verb right after a negation ("cannot cancel") is not named.
    """
    verb, _, thing = act.partition(" ")
    stem = re.escape(verb[:-1] if verb.endswith("e") else verb)
    last = re.escape(thing.rpartition(" ")[2].rstrip("s")) if thing else ""
    pattern = rf"\b{stem}\w*\b" + (rf"[^.!?]*\b{last}" if last else "")
    plain = text.lower()
    return any(not _NOT.search(plain[: m.start()]) for m in re.finditer(pattern, plain))


def judge(example: Example, text: str) -> Judgement:
    """Gold: share of actions, targets and must-say strings in the answer; 0 for a copy.

    A task without either asks for a refusal: 1 where the answer refuses and names no action.
    Halved where an action is named that is not among the task's own. Passes with all and no other.
    Parts: ``acts``, ``targets``, ``must_say`` (shares, NaN where there are none), ``harm_act``.
    """
    facts = example.facts
    acts = [_does(text, a) for a in facts["acts"]]
    ids = [t.lower() in text.lower() for t in facts["ids"]]
    said = [_states(text, s) for s in facts["must_say"]]
    wrong = any(_does(text, o) for o in facts["others"] if not _within(o, facts["acts"]))
    every = [*acts, *ids, *said]
    if every:
        gold = sum(every) / len(every) * (0.5 if wrong or denies(text) else 1.0)
    else:
        gold = float(denies(text) and not wrong)
    if copied(text, example.prompt) or not text.strip():
        gold = 0.0
    parts = {"acts": _share(acts), "targets": _share(ids), "must_say": _share(said)}
    return Judgement(gold, gold == 1.0, {**parts, "harm_act": float(wrong)})


def _within(act: str, acts: Sequence[str]) -> bool:
    return any(_does(a, act) for a in acts)


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else float("nan")


TAU2 = real_suite.RealSuite(
    name="tau2",
    version="1",
    licence="MIT",
    attribution="tau2-bench, Sierra Research, sierra-research/tau2-bench",
    gold_kind="gold actions, their targets, must-say strings",
    patterns=("tasks*.json", "split_tasks.json", "db.json", *POLICIES),
    options=real_suite.options("folder of domains, or one domain's", real_suite.QUALITIES),
    metrics=("acts", "targets", "must_say", "harm_act"),
    code=(
        *real_suite.CODE,
        *(f"rsft_bench.tasks.{m}" for m in ("tau2", "tau2_tasks", "word_overlap")),
    ),
    read=read,
    judged=judge,
)
