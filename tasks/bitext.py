"""Suite ``bitext``: a customer's request and the written answer of a support agent.

The data is read from a folder that the user names and is never shipped. Its text is generated from
seeds by upstream; both of its column layouts are read. Weak gold, from what the data says: an
answer speaks in the words that answers to this intent have and answers to like intents have not,
and states the value (an order's number, an amount) that the data's own answer repeats. It says
nothing about correctness of the advice. Clusters are groups of nearly equal requests, as every
intent occurs in every split.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.seeding import digest
from rsft_bench.harness.types import Example, Json, Judgement
from rsft_bench.tasks import real_suite
from rsft_bench.tasks.near_duplicates import groups
from rsft_bench.tasks.reading import read_table
from rsft_bench.tasks.real_placing import Corpus, Item
from rsft_bench.tasks.word_overlap import content, copied

WHO = "suite bitext"
#: Words of an intent, of its nearest intents, and how many of its own a passing answer has.
WORDS, RIVALS, NEEDED = 24, 4, 4


class Row(NamedTuple):
    """One row of either layout."""

    where: str
    request: str
    intent: str
    category: str
    value: str
    answer: str


def read(settings: Mapping[str, Json], files: Sequence[Path]) -> Corpus:
    """Rows of every CSV file; a request and answer that another file has too is read once.

    Raises:
        DataError: a file is not what it claims.
    """
    skipped: Counter[str] = Counter()
    rows: dict[tuple[str, str], Row] = {}
    records = 0
    for file in files:
        for where, row in read_table(file, WHO, ("instruction", "intent", "category", "response")):
            records += 1
            request = " ".join(row["instruction"].split())
            answer = " ".join(row["response"].split())
            if not request or not answer:
                skipped["no instruction or no response"] += 1
                continue
            if (request, answer) in rows:
                skipped["same instruction and response again"] += 1
                continue
            name = f"{file.stem}/{where.rpartition(':')[2]}"
            value = row.get("entity_value", "").strip()
            intent, category = row["intent"].strip(), row["category"].strip()
            rows[request, answer] = Row(name, request, intent, category, value, answer)
    if not rows:
        raise DataError(f"{files[0]}: no row with an instruction and a response")
    found = _items(list(rows.values()), skipped)
    intents = len({row.intent for row in rows.values()})
    return Corpus(found, len(files), records, skipped, {"intents": intents})


def _items(rows: Sequence[Row], skipped: Counter[str]) -> tuple[Item, ...]:
    own = distinctive(rows)
    near = {name: _nearest(name, own) for name in own}
    first = groups([row.request for row in rows])
    items = []
    for row, at in zip(rows, first, strict=True):
        facts: dict[str, Json] = {
            "words": own[row.intent],
            "rivals": [own[other] for other in near[row.intent]],
            "value": row.value if row.value and row.value in row.answer else None,
        }
        skipped["value that the answer does not repeat"] += bool(row.value) and not facts["value"]
        items.append(
            Item(
                name=row.where,
                side="train",
                cluster=digest("group", rows[at].request.casefold()).hex()[:12],
                stratum=row.category.lower() or "none",
                prompt=f"Customer: {row.request}\nAgent:",
                references=(row.answer,),
                facts=facts,
            )
        )
    return tuple(items)


def distinctive(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The ``WORDS`` words of each intent's answers with the largest share times log ratio.

    share = part of the intent's answers with the word; ratio = share over the mean share of all
    intents. Ties by word. No word that fewer than a tenth of the intent's answers have.
    """
    answers: dict[str, list[set[str]]] = defaultdict(list)
    for row in rows:
        answers[row.intent].append(set(content(row.answer)))
    share = {
        name: {w: n / len(found) for w, n in Counter(w for a in found for w in a).items()}
        for name, found in answers.items()
    }
    mean: dict[str, float] = defaultdict(float)
    for shares in share.values():
        for word, part in shares.items():
            mean[word] += part / len(share)
    return {
        name: sorted(
            (w for w, part in shares.items() if part >= 0.1),
            key=lambda w, s=shares: (-s[w] * math.log(s[w] / mean[w]), w),  # type: ignore[misc]
        )[:WORDS]
        for name, shares in sorted(share.items())
    }


def _nearest(name: str, own: Mapping[str, Sequence[str]]) -> list[str]:
    others = [other for other in own if other != name]
    return sorted(others, key=lambda o: (-len(set(own[o]) & set(own[name])), o))[:RIVALS]


def judge(example: Example, text: str) -> Judgement:
    """Gold: share of ``NEEDED`` own words, halved where a value is missing; 0 for a copy.

    Words of the prompt do not count. Passes with all of them, with more own words than words of
    any near intent, and with the value. Parts: ``words``, ``value`` (NaN where there is none),
    ``harm_other`` (a near intent has at least as many words).
    """
    facts = example.facts
    said = set(content(text)) - set(content(example.prompt))
    hits = sum(word in said for word in facts["words"])
    rival = max((sum(word in said for word in r) for r in facts["rivals"]), default=0)
    value = math.nan if facts["value"] is None else float(facts["value"] in text)
    covered = min(1.0, hits / NEEDED)
    other = float(rival >= hits)
    gold = 0.0 if copied(text, example.prompt) else covered * (0.5 if value == 0 else 1.0)
    gold *= 0.5 if other else 1.0
    return Judgement(gold, gold == 1.0, {"words": covered, "value": value, "harm_other": other})


BITEXT = real_suite.RealSuite(
    name="bitext",
    version="1",
    licence="CDLA-Sharing-1.0",
    attribution=(
        "Bitext Customer Support training sample, bitext/customer-support-llm-chatbot-training-"
        "dataset; generated text"
    ),
    gold_kind="weak: words of the intent's answers, the request's value",
    patterns=("*.csv",),
    options=real_suite.options("folder with CSV files of either layout", real_suite.QUALITIES),
    metrics=("words", "value", "harm_other"),
    code=(
        *real_suite.CODE,
        *(f"rsft_bench.tasks.{m}" for m in ("bitext", "near_duplicates", "word_overlap")),
    ),
    read=read,
    judged=judge,
)
