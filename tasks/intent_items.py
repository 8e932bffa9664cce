"""Labelled messages as prompts for a policy that chooses: labels as answers, groups as clusters.

Shared by the adapters of intent data. The intent is the answer, so it cannot be the cluster: a
classifier can only be tested on intents that it was trained on. Clusters are groups of messages
that are nearly the same (``near_duplicates``); they keep repeated messages out of two splits and
say nothing about intents or customers that the data does not have. Kernel imports only.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.seeding import digest
from rsft_bench.harness.types import Example, Json, Judgement, Param, Split
from rsft_bench.tasks.near_duplicates import groups, words
from rsft_bench.tasks.real_placing import Item

REPEATED = "same message and intent again"
OOS = "oos"
QUALITIES: Mapping[str, float] = {"correct": 0.7, "near_miss": 0.2, "wrong": 0.1}
LIST_CHOICES = Param(
    "list_choices",
    True,
    "a line `Choices: A | B | C` in every prompt, which a policy that chooses needs; a language "
    "model of short context wants false",
    choices=(True, False),
)
PARTS = ("right", "oos_recall", "oos_false_alarm")
CODE = tuple(f"rsft_bench.tasks.{m}" for m in ("intent_items", "near_duplicates"))


class Message(NamedTuple):
    """One labelled message; ``where`` is its place in upstream's files, unique."""

    where: str
    side: Split
    text: str
    intent: str
    stratum: str


def answer_of(intent: str) -> str:
    """What a policy says for an intent: upstream's name with spaces; ``out of scope`` for none."""
    return "out of scope" if intent == OOS else " ".join(intent.replace("_", " ").split())


def intent_items(
    who: str, messages: Sequence[Message], settings: Mapping[str, Json], skipped: Counter[str]
) -> tuple[Item, ...]:
    """Items of distinct (side, message, intent); what is repeated is counted in ``skipped``.

    Raises:
        ConfigError: ``list_choices`` is no truth value.
    """
    if not isinstance(settings["list_choices"], bool):
        raise ConfigError(
            f"suite {who!r}: list_choices is {settings['list_choices']!r}; allowed: true, false"
        )
    seen: dict[tuple[str, str, str], Message] = {}
    for one in messages:
        seen.setdefault((one.side, one.text.casefold(), one.intent), one)
    kept = list(seen.values())
    skipped[REPEATED] += len(messages) - len(kept)
    near = nearest(kept)
    answers = sorted({answer_of(m.intent) for m in kept})
    head = f"Choices: {' | '.join(answers)}\n" if settings["list_choices"] else ""
    first = groups([m.text for m in kept])
    return tuple(
        Item(
            name=one.where,
            side=one.side,
            cluster=digest("group", kept[group].text.casefold()).hex()[:12],
            stratum=one.stratum,
            prompt=f"{head}Customer: {one.text}\nAgent:",
            references=(answer_of(one.intent),),
            facts={
                "answer": answer_of(one.intent),
                "oos": one.intent == OOS,
                "has_oos": answer_of(OOS) in answers,
            },
            wrong=(answer_of(near[one.intent]),),
        )
        for one, group in zip(kept, first, strict=True)
    )


def nearest(messages: Sequence[Message]) -> dict[str, str]:
    """For each intent the other one whose messages share most words with its own.

    Cosine of square roots of word counts over the messages of the training side, or of all where
    there is none; ties by name. What is confused most easily, and so what a hurried agent mistakes
    an intent for. With a single intent it is its own nearest.
    """
    training = [m for m in messages if m.side == "train"] or list(messages)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in training:
        counts[one.intent].update(words(one.text))
    names = sorted(counts)
    place = {w: i for i, w in enumerate(sorted({w for c in counts.values() for w in c}))}
    profile = np.zeros((len(names), max(len(place), 1)))
    for row, name in enumerate(names):
        for word, count in counts[name].items():
            profile[row, place[word]] = math.sqrt(count)
    profile /= np.maximum(np.linalg.norm(profile, axis=1, keepdims=True), 1e-12)
    cosine = profile @ profile.T
    np.fill_diagonal(cosine, -1.0)
    found = {name: names[int(cosine[i].argmax())] for i, name in enumerate(names)}
    return {m.intent: found.get(m.intent, names[0]) for m in messages} | found


def judge_intent(example: Example, text: str) -> Judgement:
    """Gold 1 for the labelled intent's answer, case and spaces aside, else 0.

    Parts: ``right`` is gold; ``oos_recall`` whether a message out of scope is said to be so, NaN
    for the others; ``oos_false_alarm`` whether one in scope is said to be out, NaN for the others.
    Where the data has no such class there is only ``right``.
    """
    said = " ".join(text.split()).casefold()
    right = float(said == example.facts["answer"].casefold())
    out, oos = float(said == answer_of(OOS)), example.facts["oos"]
    parts = {
        "right": right,
        "oos_recall": out if oos else math.nan,
        "oos_false_alarm": math.nan if oos else out,
    }
    kept = parts if example.facts["has_oos"] else {"right": right}
    return Judgement(right, right == 1.0, kept)


def spoil_intent(item: Item, quality: str, others: Sequence[Item], rng: np.random.Generator) -> str:
    """The right answer, that of the nearest intent, or of any other prompt with another answer."""
    if quality == "correct":
        return item.references[0]
    if quality == "near_miss":
        return item.wrong[0]
    known = sorted({o.references[0] for o in others} - {item.references[0]})
    return known[int(rng.integers(len(known)))] if known else item.wrong[0]
