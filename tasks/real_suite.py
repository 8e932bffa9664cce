"""What adapters of real data share: options, splits, training logs, the data's own ceiling.

An adapter gives a reader (folder to ``Corpus``), a judge, and how a poor agent spoils an answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.seeding import keyed_unit, stream
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
from rsft_bench.tasks.options import MOST, integer, mixture
from rsft_bench.tasks.real_placing import Corpus, Item, find_files, place
from rsft_bench.tasks.splitting import files_digest, spread

#: Prompts that a rerun by the engineer would redraw; the other splits are fixed.
REDRAWN: tuple[Split, ...] = ("train", "proxy_label")
CODE = tuple(
    f"rsft_bench.tasks.{m}"
    for m in ("options", "reading", "real_placing", "real_suite", "splitting")
)
#: Share of a prompt's training answers that are right, cut short, or another prompt's.
QUALITIES: Mapping[str, float] = {"correct": 0.6, "partial": 0.2, "unrelated": 0.2}

Spoil: TypeAlias = Callable[[Item, str, Sequence[Item], np.random.Generator], str]


def options(path: str, qualities: Mapping[str, float], **counts: int) -> tuple[Param, ...]:
    """The options of every adapter here; ``counts`` are defaults by name."""
    docs = {
        "n_train": "train prompts",
        "n_proxy_label": "prompts of the proxy's labelled answers",
        "n_calibrate": "prompts for setting difficulty",
        "n_select": "prompts for choosing",
        "n_confirm": "prompts for the reported numbers",
        "logs_per_prompt": "training answers a train prompt",
    }
    least = {"n_train": 256, "n_proxy_label": 100, "n_calibrate": 60, "n_select": 120}
    given = least | {"n_confirm": 150, "logs_per_prompt": 4} | counts
    return (
        Param("path", None, path),
        Param("limit", None, "at most this many examples a split", least=1, most=MOST),
        *(Param(n, given[n], doc, least=1, most=MOST) for n, doc in docs.items()),
        Param("mixture", dict(qualities), f"shares of {', '.join(qualities)} answers in D; sum 1"),
    )


def spoil(item: Item, quality: str, others: Sequence[Item], rng: np.random.Generator) -> str:
    """The data's own answer, its first half of words, or the answer to another prompt."""
    if quality == "correct":
        return item.references[int(rng.integers(len(item.references)))]
    if quality == "partial":
        said = item.references[0].split()
        return " ".join(said[: max(len(said) // 2, 1)])
    apart = [o for o in others if o.cluster != item.cluster] or list(others)
    wrong = item.wrong or apart[int(rng.integers(len(apart)))].references
    return wrong[int(rng.integers(len(wrong)))]


@dataclass(frozen=True, slots=True, kw_only=True)
class RealSuite:
    """An adapter. ``read`` gets the options and the files that match ``patterns``."""

    name: str
    version: str
    licence: str
    attribution: str
    gold_kind: str
    patterns: tuple[str, ...]
    options: tuple[Param, ...]
    metrics: tuple[str, ...]
    code: tuple[str, ...]
    read: Callable[[Mapping[str, Json], Sequence[Path]], Corpus]
    judged: Callable[[Example, str], Judgement]
    spoiled: Spoil = spoil
    qualities: tuple[str, ...] = tuple(QUALITIES)
    requires: frozenset[Capability] = frozenset({"sampler"})
    language: str = "en"

    def digest(self, options: Mapping[str, Json]) -> str:
        """Hash of the files that ``load`` reads. Raises as ``load`` for what is absent."""
        folder = Path(self._settings(options)["path"])
        return files_digest(folder, find_files(f"suite {self.name}", folder, self.patterns))

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Examples and logs of the folder ``options["path"]``.

        ``seed`` redraws the train and proxy_label prompts (one a cluster in turn, without
        replacement) and the training answers; the other splits are fixed.

        Raises:
            ConfigError: no path, or an option out of range.
            DataError: the folder or a file in it cannot be used.
        """
        settings = self._settings(options)
        files = find_files(f"suite {self.name}", Path(settings["path"]), self.patterns)
        corpus = self.read(settings, files)
        placed, crossing = place(f"suite {self.name}", corpus.items)
        chosen = {s: _draw(self.name, placed[s], s, settings, seed) for s in SPLITS}
        examples = tuple(_example(item, s) for s in SPLITS for item in chosen[s])
        logs = self._logs(chosen["train"], settings, seed)
        report: dict[str, Json] = {
            "kind": "real",
            "ceiling": {
                "answers": "the data's own",
                **self._ceiling([_example(i, i.side) for i in corpus.items]),
                **{s: self._ceiling([e for e in examples if e.split == s]) for s in SPLITS},
            },
            "n_files": corpus.n_files,
            "n_records": corpus.n_records,
            "available": {s: len(placed[s]) for s in SPLITS},
            "n_clusters": {s: len({i.cluster for i in chosen[s]}) for s in SPLITS},
            "skipped": dict(sorted((corpus.skipped + crossing).items())),
            "mixture": dict(Counter(log.quality for log in logs)),
            "warnings": _shortfalls(chosen, settings),
            **corpus.notes,
        }
        return SuiteData(examples, logs, report)

    def judge(self, example: Example, text: str) -> Judgement:
        """See ``gold_kind`` and the module of the adapter. Empty text scores 0."""
        return self.judged(example, text)

    def _settings(self, options: Mapping[str, Json]) -> dict[str, Json]:
        settings = {p.name: p.default for p in self.options} | dict(options)
        if not settings["path"]:
            raise ConfigError(
                f"suite {self.name} needs `path`, a folder: suites: "
                f"[{{name: {self.name}, path: DIR}}]"
            )
        for param in self.options:
            value = settings[param.name]
            if param.least is not None and not (value is None and param.default is None):
                integer(self.name, param.name, value, int(param.least), int(param.most or MOST))
        settings["shares"] = mixture(self.name, settings["mixture"], self.qualities)
        return settings

    def _ceiling(self, examples: Sequence[Example]) -> dict[str, Json]:
        """Mean gold and pass rate of each example's best first own answer."""
        if not examples:
            return {"n": 0}
        found = [self.judge(e, e.references[0]) for e in examples]
        return {
            "n": len(found),
            "gold": sum(j.gold for j in found) / len(found),
            "gold_pass": sum(j.gold_pass for j in found) / len(found),
        }

    def _logs(
        self, chosen: Sequence[Item], settings: Mapping[str, Json], seed: int
    ) -> tuple[Log, ...]:
        shares: Mapping[str, float] = settings["shares"]
        names, p = list(shares), list(shares.values())
        logs = []
        for item in chosen:
            rng = stream(seed, f"{self.name}-logs", item.name)
            for _ in range(settings["logs_per_prompt"]):
                quality = names[int(rng.choice(len(names), p=p))]
                text = self.spoiled(item, quality, chosen, rng)
                logs.append(Log(item.name, text, quality))
        return tuple(logs)


def _draw(
    who: str, items: Sequence[Item], split: Split, settings: Mapping[str, Json], seed: int
) -> list[Item]:
    keys = (seed,) if split in REDRAWN else ()
    return spread(
        items,
        lambda item: item.cluster,
        lambda item: item.name,
        lambda name: keyed_unit(f"{who}-prompts", split, *keys, name),
        _size(split, settings),
    )


def _size(split: Split, settings: Mapping[str, Json]) -> int:
    size: int = settings[f"n_{split}"]
    return size if settings["limit"] is None else min(size, settings["limit"])


def _example(item: Item, split: Split) -> Example:
    return Example(
        example_id=item.name,
        split=split,
        prompt=item.prompt,
        references=item.references,
        facts=item.facts,
        cluster=item.cluster,
        stratum=item.stratum,
    )


def _shortfalls(chosen: Mapping[Split, Sequence[Item]], settings: Mapping[str, Json]) -> list[str]:
    return [
        f"{split}: {len(chosen[split])} prompts instead of {_size(split, settings)}"
        + ("; every seed has the same ones" if split in REDRAWN else "")
        for split in SPLITS
        if len(chosen[split]) < _size(split, settings)
    ]
