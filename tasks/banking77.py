"""Suite ``banking77``: which of 77 intents an online-banking customer's message has.

The data is read from a folder that the user names and is never shipped. Gold says whether the
answer is the labelled intent's name. Clusters and their limit: see ``intent_items``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json
from rsft_bench.tasks import intent_items, real_suite
from rsft_bench.tasks.intent_items import Message
from rsft_bench.tasks.reading import read_json, read_table
from rsft_bench.tasks.real_placing import SIDES, Corpus

WHO = "suite banking77"


def read(settings: Mapping[str, Json], files: Sequence[Path]) -> Corpus:
    """Messages of every ``train``, ``dev`` or ``test`` CSV; ``categories.json`` checks the labels.

    Raises:
        DataError: a file is not what it claims, or a label is not among the categories.
    """
    tables = [f for f in files if f.suffix == ".csv"]
    if not tables:
        raise DataError(f"{WHO}: no train.csv or test.csv beside {files[0]}; set `path` to both")
    known: set[str] = set()
    for file in files:
        if file.suffix == ".json":
            named = read_json(file, WHO)
            if not isinstance(named, list) or not all(isinstance(n, str) for n in named):
                raise DataError(f"{file}: expected a list of intent names")
            known |= set(named)
    skipped: Counter[str] = Counter()
    messages, records = [], 0
    for file in tables:
        for where, row in read_table(file, WHO, ("text", "category")):
            records += 1
            text, intent = " ".join(row["text"].split()), row["category"].strip()
            if not text or not intent:
                skipped["no text or no category"] += 1
                continue
            if known and intent not in known:
                raise DataError(f"{where}: category {intent!r} is not in categories.json")
            name = f"{file.stem}/{where.rpartition(':')[2]}"
            messages.append(Message(name, SIDES[file.stem], text, intent, "all"))
    items = intent_items.intent_items("banking77", messages, settings, skipped)
    notes = {"intents": len({m.intent for m in messages})}
    return Corpus(items, len(files), records, skipped, notes)


BANKING77 = real_suite.RealSuite(
    name="banking77",
    version="1",
    licence="CC-BY-4.0",
    attribution=(
        "BANKING77, Casanueva et al. 2020, Efficient Intent Detection with Dual Sentence Encoders "
        "(arXiv 2003.04807), PolyAI-LDN/task-specific-datasets"
    ),
    gold_kind="the label",
    patterns=("train.csv", "dev.csv", "test.csv", "categories.json"),
    options=(
        *real_suite.options(
            "folder with train.csv and test.csv, either will do",
            intent_items.QUALITIES,
            n_train=1540,
            n_proxy_label=400,
            n_select=300,
            n_confirm=300,
            logs_per_prompt=2,
        ),
        intent_items.LIST_CHOICES,
    ),
    metrics=("right",),
    code=(*real_suite.CODE, *intent_items.CODE, "rsft_bench.tasks.banking77"),
    read=read,
    judged=intent_items.judge_intent,
    spoiled=intent_items.spoil_intent,
    qualities=tuple(intent_items.QUALITIES),
)
