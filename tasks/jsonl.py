"""Suites ``jsonl``, ``csv``, ``parquet``: a user's own prompts, answers and facts from one file.

Gold is the mean of the checks that a row's columns or the option ``checks`` name (the share of its
facts that the answer states is one) or, where there are none, the best token F1 against the row's
answers. The training answers are the file's own, the same for every seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.rewards.checks.table import CHECKS, parse
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
from rsft_bench.tasks.own_judge import judge_own
from rsft_bench.tasks.reading import content_digest
from rsft_bench.tasks.splitting import allocate, served, spread

OPTIONS = (
    Param("path", None, "file with at least a prompt or messages a row"),
    Param("columns", {}, "field -> column: prompt, answers, facts, label, cluster, stratum, ..."),
    Param("limit", None, "at most this many examples a split"),
    Param("pass_f1", 0.5, "token F1 from which an answer passes, where a row states no facts"),
    Param("reference_labels", [], "labels of answers that count as references; none means all"),
    Param("checks", [], "checks of every answer, such as [polite, max_words: 60]"),
)
DELIMITER = Param("delimiter", ",", "one character between fields")
CODE = (
    *(
        f"rsft_bench.tasks.{m}"
        for m in ("jsonl", "jsonl_rows", "own_files", "own_judge", "chat", "reading", "splitting")
    ),
    "rsft_bench.harness.rewards.checks",
)
CROSSING = "cluster also in a later split"
UNANSWERED = "train prompt without answers"


@dataclass(frozen=True, slots=True)
class OwnSuite:
    """Adapter of a user's file, ``name`` its format. The licence is not known here."""

    name: str
    options: tuple[Param, ...] = OPTIONS
    version: str = "3"
    licence: str = "LicenseRef-user-data"
    attribution: str = "the user's own file"
    requires: frozenset[Capability] = frozenset({"sampler"})
    gold_kind: str = "checks by code, else token F1 against the answers"
    code: tuple[str, ...] = CODE
    metrics: tuple[str, ...] = ("f1", *CHECKS)
    extra_prompts: bool = True

    def digest(self, options: Mapping[str, Json]) -> str:
        """Hash of the file that ``load`` reads, its name aside. Raises as ``load``."""
        settings = _settings(self, options)
        return content_digest(Path(settings["path"]), f"suite {self.name}")

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Examples and logs of the file ``options["path"]``; ``seed`` changes nothing.

        Train prompts without answers are no part of D; ``extra_prompts`` of them join the pool.

        Raises:
            ConfigError: no path, or an option out of range.
            DataError: the file or a line in it cannot be used.
        """
        settings = _settings(self, options)
        names = columns(settings["columns"], f"suite {self.name}")
        rows = read_rows(Path(settings["path"]), names, self.name, settings["delimiter"])
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
        settings["shown"] = list(
            dict.fromkeys(c for r in rows for c in (*r.checks, *settings["checks"]))
        )
        examples = tuple(_example(r, s, settings) for s in SPLITS for r in chosen[s])
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
        """Mean of the checks or best token F1; see ``own_judge.judge_own``."""
        return judge_own(example, text)


def _settings(suite: OwnSuite, options: Mapping[str, Json]) -> dict[str, Json]:
    """All options, checked; ``checks`` as values by name. Raises ConfigError."""
    who = f"suite {suite.name}"
    start = {p.name: p.default for p in (*OPTIONS, DELIMITER)} | {"extra_prompts": 0}
    settings = start | dict(options)
    if not settings["path"]:
        raise ConfigError(
            f"{who} needs `path`, a file: suites: [{{name: {suite.name}, path: FILE}}]"
        )
    limit, bar, delimiter = settings["limit"], settings["pass_f1"], settings["delimiter"]
    if limit is not None and (type(limit) is not int or limit < 1):
        raise ConfigError(f"{who}: limit is {limit!r}, must be an integer >= 1 or left out")
    if type(bar) not in (int, float) or not 0 < bar <= 1:
        raise ConfigError(f"{who}: pass_f1 is {bar!r}, must be above 0 and at most 1")
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise ConfigError(f"{who}: delimiter is {delimiter!r}, must be one character, no quote")
    labels = settings["reference_labels"]
    if not isinstance(labels, list | tuple) or not all(isinstance(v, str) for v in labels):
        raise ConfigError(f"{who}: reference_labels is {labels!r}, must be a list of labels")
    try:
        settings["checks"] = parse(settings["checks"])
    except ValueError as error:
        raise ConfigError(f"{who}: {error}") from None
    return settings


def _report(examples: Sequence[Example], logs: Sequence[Log], lacking: int) -> dict[str, Json]:
    unscored = sum(not e.facts["checks"] and not e.references for e in examples)
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


def _example(row: Row, split: Split, settings: Mapping[str, Json]) -> Example:
    wanted = settings["reference_labels"]
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
        facts={
            "checks": {**settings["checks"], **row.checks},
            "shown": settings["shown"],
            "pass_f1": float(settings["pass_f1"]),
        },
        cluster=row.cluster,
        stratum=row.stratum,
        language=row.language,
    )


JSONL = OwnSuite("jsonl")
CSV = OwnSuite("csv", (*OPTIONS, DELIMITER))
PARQUET = OwnSuite("parquet")
