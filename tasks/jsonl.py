"""Suite ``jsonl``: a user's own prompts, answers and facts from one JSON Lines file.

Gold is the share of a row's facts found in the answer or, where a row states no facts, the best
token F1 against its answers. The training answers are the file's own, the same for every seed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.types import (
    SPLITS,
    Capability,
    Example,
    Json,
    Judgement,
    Log,
    Param,
    Split,
    SuiteData,
)
from rsft_bench.tasks.jsonl_rows import Row, columns, read_rows
from rsft_bench.tasks.reading import content_digest
from rsft_bench.tasks.splitting import allocate, served, spread

OPTIONS = (
    Param("path", None, "JSON Lines file: one object a line with at least a prompt"),
    Param("columns", {}, "field -> column: prompt, answers, facts, label, cluster, stratum, ..."),
    Param("limit", None, "at most this many examples a split"),
    Param("pass_f1", 0.5, "token F1 from which an answer passes, where a row states no facts"),
    Param("reference_labels", [], "labels of answers that count as references; none means all"),
)
CROSSING = "cluster also in a later split"
UNANSWERED = "train prompt without answers"
_ARTICLES = frozenset({"a", "an", "the"})


@dataclass(frozen=True, slots=True)
class JSONLSuite:
    """Adapter of a JSON Lines file. The licence is the user's own and not known here."""

    name: str = "jsonl"
    version: str = "2"
    licence: str = "LicenseRef-user-data"
    attribution: str = "the user's own file"
    requires: frozenset[Capability] = frozenset({"sampler"})
    options: tuple[Param, ...] = OPTIONS
    code: tuple[str, ...] = (
        "rsft_bench.tasks.jsonl",
        "rsft_bench.tasks.jsonl_rows",
        "rsft_bench.tasks.reading",
        "rsft_bench.tasks.splitting",
    )
    metrics: tuple[str, ...] = ("facts", "f1")
    extra_prompts: bool = True

    def digest(self, options: Mapping[str, Json]) -> str:
        """Hash of the file that ``load`` reads, its name aside. Raises as ``load``."""
        return content_digest(Path(_settings(options)["path"]), "suite jsonl")

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Examples and logs of the file ``options["path"]``; ``seed`` changes nothing.

        Train prompts without answers are no part of D; ``extra_prompts`` of them join the pool.

        Raises:
            ConfigError: no path, or an option out of range.
            DataError: the file or a line in it cannot be used.
        """
        settings = _settings(options)
        rows = read_rows(Path(settings["path"]), columns(settings["columns"]))
        placed, dropped = _place(rows)
        empty = [s for s in SPLITS if not placed[s]]
        if empty:
            raise DataError(
                f"{settings['path']}: {len(rows)} rows in {len({r.cluster for r in rows})} "
                f"clusters leave {', '.join(empty)} empty; add rows of other clusters"
            )
        limit = settings["limit"] or len(rows)
        spare = [r for r in placed["train"] if not r.answers]
        placed["train"] = [r for r in placed["train"] if r.answers]
        chosen = {s: _limited(placed[s], s, limit) for s in SPLITS}
        extra = _limited(spare, "train", settings["extra_prompts"])
        chosen["train"] += extra
        wanted = frozenset(settings["reference_labels"])
        examples = tuple(
            _example(r, s, wanted, float(settings["pass_f1"])) for s in SPLITS for r in chosen[s]
        )
        logs = tuple(
            Log(r.example_id, text, label)
            for r in chosen["train"]
            for text, label in zip(r.answers, r.labels, strict=True)
        )
        skipped = {CROSSING: dropped, UNANSWERED: len(spare) - len(extra)}
        report = {
            "n_records": len(rows),
            "skipped": {reason: n for reason, n in skipped.items() if n},
            "extra_prompts": len(extra),
            **_report(examples, logs, settings["extra_prompts"] - len(extra)),
        }
        return SuiteData(examples, logs, report)

    def judge(self, example: Example, text: str) -> Judgement:
        """Share of facts stated (pass: all), else best token F1 (pass: at least ``pass_f1``).

        Facts are compared as words, case and spacing aside. ``gold`` is NaN and ``gold_pass``
        false where the example has neither facts nor references. Parts: ``facts`` and ``f1``, NaN
        where not applicable.
        """
        facts: Sequence[str] = example.facts["facts"]
        best = max((token_f1(text, r) for r in example.references), default=math.nan)
        if facts:
            share = sum(states(text, fact) for fact in facts) / len(facts)
            return Judgement(share, share == 1.0, {"facts": share, "f1": best})
        passed = best >= example.facts["pass_f1"] and bool(text.strip())
        return Judgement(best, passed, {"facts": math.nan, "f1": best})


def token_f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall over word **multisets**; 0 if they share none.

    Words are lower-cased without punctuation and articles. Two texts without words score 1.

    Source: Rajpurkar et al. 2016, SQuAD evaluation script v1.1 ``f1_score``; it drops punctuation
    inside words ("don't" -> "dont"), as here.
    """
    a, b = Counter(_words(answer)), Counter(_words(reference))
    if not a or not b:
        return float(a == b)
    common = (a & b).total()
    return 2 * common / (a.total() + b.total())


def states(text: str, fact: str) -> bool:
    """Whether the words of a fact stand in the text one after another, case and spacing aside."""
    words = r"\s+".join(re.escape(w) for w in fact.split())
    return re.search(rf"(?<!\w){words}(?!\w)", text, re.IGNORECASE) is not None


def _words(text: str) -> list[str]:
    bare = re.sub(r"[^\w\s]", "", text.lower())
    return [w for w in bare.split() if w not in _ARTICLES]


def _settings(options: Mapping[str, Json]) -> dict[str, Json]:
    settings = {p.name: p.default for p in OPTIONS} | {"extra_prompts": 0} | dict(options)
    if not settings["path"]:
        raise ConfigError("suite jsonl needs `path`, a file: suites: [{name: jsonl, path: FILE}]")
    limit, bar = settings["limit"], settings["pass_f1"]
    if limit is not None and (type(limit) is not int or limit < 1):
        raise ConfigError(f"suite jsonl: limit is {limit!r}, must be an integer >= 1 or left out")
    if type(bar) not in (int, float) or not 0 < bar <= 1:
        raise ConfigError(f"suite jsonl: pass_f1 is {bar!r}, must be above 0 and at most 1")
    labels = settings["reference_labels"]
    if not isinstance(labels, list | tuple) or not all(isinstance(v, str) for v in labels):
        raise ConfigError(f"suite jsonl: reference_labels is {labels!r}, must be a list of labels")
    return settings


def _report(examples: Sequence[Example], logs: Sequence[Log], lacking: int) -> dict[str, Json]:
    unscored = sum(not e.facts["facts"] and not e.references for e in examples)
    warnings = {
        f"{unscored} examples have neither facts nor references: gold is NaN": unscored > 0,
        "no training answers in the file": not logs,
        f"pool.extra_prompts asks for {lacking} more prompts without answers than the file has": (
            lacking > 0
        ),
    }
    return {
        "training_set": "fixed: intervals hold for this training set",
        "n_files": 1,
        "n_clusters": {s: len({e.cluster for e in examples if e.split == s}) for s in SPLITS},
        "mixture": dict(Counter(log.quality for log in logs)),
        "unscored": unscored,
        "warnings": [text for text, holds in warnings.items() if holds],
    }


def _place(rows: Sequence[Row]) -> tuple[dict[Split, list[Row]], int]:
    """Rows by split, disjoint by cluster, and the number of rows dropped for it.

    A cluster named in several splits stays in the last of them, in the order of ``SPLITS``.
    """
    named: dict[str, Split] = {}
    for split in SPLITS:
        named |= {r.cluster: split for r in rows if r.split == split}
    sides = served(set(named.values()) or {"train"})
    home: dict[str, Split] = {}
    for side, targets in sides.items():
        home |= allocate((c for c, s in named.items() if s == side), targets, "jsonl-splits")
    home |= allocate((r.cluster for r in rows if r.cluster not in named), SPLITS, "jsonl-splits")
    kept = [r for r in rows if r.split in (None, named.get(r.cluster))]
    found: dict[Split, list[Row]] = {s: [] for s in SPLITS}
    for row in kept:
        found[home[row.cluster]].append(row)
    return found, len(rows) - len(kept)


def _limited(rows: Sequence[Row], split: Split, limit: int) -> list[Row]:
    return spread(
        rows,
        lambda row: row.cluster,
        lambda row: row.example_id,
        lambda name: keyed_unit("jsonl-limit", split, name),
        limit,
    )


def _example(row: Row, split: Split, wanted: frozenset[str], pass_f1: float) -> Example:
    references = tuple(
        text
        for text, label in zip(row.answers, row.labels, strict=True)
        if text and (not wanted or label in wanted)
    )
    return Example(
        example_id=row.example_id,
        split=split,
        prompt=row.prompt,
        references=references,
        facts={"facts": [f for f in row.facts or () if f], "pass_f1": pass_f1},
        cluster=row.cluster,
        stratum=row.stratum,
    )


JSONL = JSONLSuite()
