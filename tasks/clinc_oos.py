"""Suite ``clinc_oos``: which of 150 intents a message has, or that it has none of them.

The data is read from a folder that the user names and is never shipped. Out of scope is an answer
like the others, "out of scope"; its recall and its false alarms are parts of the judgement. The
share of such messages is upstream's own, about one in six of the test side and one in seventy of
the training side: accuracy alone would hide them. Clusters and their limit: see ``intent_items``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import Json
from rsft_bench.tasks import intent_items, real_suite
from rsft_bench.tasks.intent_items import Message
from rsft_bench.tasks.reading import need, read_json
from rsft_bench.tasks.real_placing import SIDES, Corpus

WHO = "suite clinc_oos"
#: Variants of upstream; they overlap, and the first that is there is read.
VARIANTS = ("data_small.json", "data_full.json", "data_imbalanced.json", "data_oos_plus.json")


def read(settings: Mapping[str, Json], files: Sequence[Path]) -> Corpus:
    """Messages of one variant; ``domains.json``, where it lies, gives the strata.

    Raises:
        DataError: a file is not what it claims, or no variant is there.
    """
    by_name = {f.name: f for f in files}
    data = next((by_name[v] for v in VARIANTS if v in by_name), None)
    if data is None:
        raise DataError(f"{WHO}: none of {', '.join(VARIANTS)} beside {files[0]}; set `path`")
    domains = _domains(by_name["domains.json"]) if "domains.json" in by_name else {}
    skipped: Counter[str] = Counter()
    content = read_json(data, WHO)
    if not isinstance(content, dict) or not content:
        raise DataError(f"{data}: expected an object of splits")
    messages, records = [], 0
    for split in content:
        side = SIDES.get(split.removeprefix("oos_"))
        if side is None:
            raise DataError(f"{data}: split {split!r} is none of {', '.join(SIDES)} or oos_*")
        for number, pair in enumerate(need(content, split, list, str(data))):
            records += 1
            text, intent = _pair(pair, f"{data}: {split} {number}")
            if not text:
                skipped["no text"] += 1
                continue
            stratum = domains.get(intent, "out_of_scope" if intent == "oos" else "in_scope")
            messages.append(Message(f"{split}/{number:05d}", side, text, intent, stratum))
    items = intent_items.intent_items("clinc_oos", messages, settings, skipped)
    notes = {
        "variant": data.name,
        "intents": len({m.intent for m in messages} - {intent_items.OOS}),
        "out_of_scope": sum(m.intent == intent_items.OOS for m in messages),
    }
    return Corpus(items, 1 + bool(domains), records, skipped, notes)


def _pair(pair: Json, where: str) -> tuple[str, str]:
    usable = isinstance(pair, list) and len(pair) == 2 and all(isinstance(p, str) for p in pair)
    if not usable:
        raise DataError(f"{where}: expected [text, intent]")
    return " ".join(pair[0].split()), pair[1].strip()


def _domains(file: Path) -> dict[str, str]:
    content = read_json(file, WHO)
    if not isinstance(content, dict) or not all(isinstance(v, list) for v in content.values()):
        raise DataError(f"{file}: expected an object of domains, each a list of intents")
    return {str(intent): domain for domain, intents in content.items() for intent in intents}


CLINC_OOS = real_suite.RealSuite(
    name="clinc_oos",
    version="1",
    licence="CC-BY-3.0",
    attribution=(
        "CLINC150, Larson et al. 2019, An Evaluation Dataset for Intent Classification and "
        "Out-of-Scope Prediction (EMNLP), clinc/oos-eval"
    ),
    gold_kind="the label",
    patterns=("data_*.json", "domains.json"),
    options=(
        *real_suite.options(
            "folder with data_small.json or data_full.json",
            intent_items.QUALITIES,
            n_train=2250,
            n_proxy_label=400,
            n_select=300,
            n_confirm=450,
            logs_per_prompt=2,
        ),
        intent_items.LIST_CHOICES,
    ),
    metrics=intent_items.PARTS,
    code=(*real_suite.CODE, *intent_items.CODE, "rsft_bench.tasks.clinc_oos"),
    read=read,
    judged=intent_items.judge_intent,
    spoiled=intent_items.spoil_intent,
    qualities=tuple(intent_items.QUALITIES),
)
