"""What the grounded suites share: from asked turns to examples, logs, judgements and a report.

The data is read from a folder that the user names and is never shipped. Gold says whether an answer
states every value of the system's acts in a sentence of its own and makes up no number, time, date
or name. It says nothing about fluency, about True/False values (counted as unchecked) or about
values stated for the wrong slot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.errors import ConfigError
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
from rsft_bench.tasks.grounded.judge import answer_key, judge_answer
from rsft_bench.tasks.grounded.language import Language
from rsft_bench.tasks.grounded.logs import DEFAULT_MIXTURE, LogMaker, mixture, spellings
from rsft_bench.tasks.grounded.splits import Layout, Placed, place
from rsft_bench.tasks.grounded.turns import MAX_PROMPT_CHARS, AskedTurn, Corpus, Names
from rsft_bench.tasks.splitting import files_digest, spread

# Prompts that a rerun by the engineer would redraw; the other splits are fixed.
REDRAWN: tuple[Split, ...] = ("train", "proxy_label")

OPTIONS = (
    Param("limit", None, "at most this many examples a split"),
    Param("n_train", 256, "train prompts"),
    Param("n_proxy_label", 100, "prompts of the proxy's labelled answers"),
    Param("n_calibrate", 60, "prompts for setting difficulty"),
    Param("n_select", 120, "prompts for choosing"),
    Param("n_confirm", 150, "prompts for the reported numbers"),
    Param("history_turns", 2, "utterances before the customer's last one, while they fit"),
    Param("logs_per_prompt", 4, "training answers a train prompt"),
    Param("mixture", dict(DEFAULT_MIXTURE), "shares of human, missing_value, wrong_value, terse"),
)
CODE = tuple(
    f"rsft_bench.tasks.{m}"
    for m in (
        *("grounded.suite", "grounded.judge", "grounded.language", "grounded.logs"),
        *("grounded.matching", "grounded.splits", "grounded.turns", "reading", "splitting"),
    )
) + ("rsft_bench.harness.rewards.checks",)


@dataclass(frozen=True, slots=True)
class Read:
    """What an adapter reads from a folder.

    ``turns`` are the asked ones; ``n_turns`` counts all turns of the system, ``skipped`` those not
    asked by reason. ``notes`` are warnings about the folder itself, ``names`` what ``Corpus.of``
    is given.
    """

    turns: Sequence[AskedTurn]
    n_files: int
    n_records: int
    n_turns: int
    skipped: Counter[str]
    notes: tuple[str, ...] = ()
    names: Names | None = None


@dataclass(frozen=True, slots=True)
class GroundedSuite:
    """A suite of task-oriented dialogues with system acts.

    ``files(folder)`` lists what ``read(folder, history_turns)`` reads; both raise DataError for a
    folder or file that cannot be used.
    """

    name: str
    version: str
    licence: str
    attribution: str
    speech: Language
    layout: Layout
    files: Callable[[Path], Sequence[Path]]
    read: Callable[[Path, int], Read]
    options: tuple[Param, ...]
    code: tuple[str, ...]
    requires: frozenset[Capability] = frozenset({"sampler"})
    metrics: tuple[str, ...] = ("facts", "missing", "invented", "harm_forbidden", "requests_asked")
    gold_kind: str = "every value of the acts said, none made up"

    @property
    def language(self) -> str:
        """ISO 639-1 code of prompts and answers."""
        return self.speech.code

    def digest(self, options: Mapping[str, Json]) -> str:
        """Hash of the files that ``load`` reads. Raises as ``load`` for what is absent."""
        folder = Path(self._settings(options)["path"])
        return files_digest(folder, self.files(folder))

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Examples and logs of the folder ``options["path"]``.

        ``seed`` redraws the train and proxy_label prompts (one a cluster in turn, without
        replacement) and the training answers; the other splits are fixed.

        Raises:
            ConfigError: no path, or an option out of range.
            DataError: the folder or a file in it cannot be used.
        """
        settings = self._settings(options)
        found = self.read(Path(settings["path"]), settings["history_turns"])
        turns = found.turns
        corpus = Corpus.of(turns, self.speech, found.names)
        facts = {t.example_id: t.facts(corpus) for t in turns}
        judged = {
            t.example_id: judge_answer(self.speech, facts[t.example_id], t.prompt, t.answer)
            for t in turns
        }
        placed = place(turns, self.layout)
        chosen = {s: self._draw(placed, s, settings, seed) for s in SPLITS}
        examples = tuple(
            self._example(placed, t, s, facts[t.example_id]) for s in SPLITS for t in chosen[s]
        )
        logs = self._logs(chosen["train"], placed, settings, seed)
        report: dict[str, Json] = {
            "ceiling": {
                "answers": "upstream's human answers",
                **_scores(turns, judged),
                **{s: _scores(chosen[s], judged) for s in SPLITS},
            },
            "n_files": found.n_files,
            "n_records": found.n_records,
            "n_turns": found.n_turns,
            "n_asked": len(turns),
            "skipped": dict(sorted((found.skipped + placed.skipped).items())),
            "unchecked_values": sum(t.unchecked for t in turns),
            "mixture": dict(Counter(log.quality for log in logs)),
            "long_prompts": sum(len(e.prompt) > MAX_PROMPT_CHARS for e in examples),
            "prompts_without_oldest_turns": sum(t.dropped > 0 for s in SPLITS for t in chosen[s]),
            "warnings": [*found.notes, *placed.warnings] + _shortfalls(chosen, settings),
            **_split_report(placed, chosen),
        }
        return SuiteData(examples, logs, report)

    def judge(self, example: Example, text: str) -> Judgement:
        """Share of values stated, each made-up number, time, date or name counting as one missed.

        ``gold`` = stated / (required + made up), halved for a bare list of values, 0 for a copy of
        the prompt's form; ``gold_pass`` where it is 1. Parts: ``facts`` (share stated), ``missing``
        (1 - facts), ``invented`` (share of the answer's numbers, times, dates and unknown names
        found in no record, act or earlier turn), ``harm_forbidden`` (1 if any is),
        ``requests_asked`` (a question mark where the acts ask for something, else NaN).
        """
        return judge_answer(self.speech, example.facts, example.prompt, text)

    def answer_key(self, example: Example, text: str) -> str:
        """The values that ``text`` states; see ``judge.answer_key``."""
        return answer_key(self.speech, example.prompt, text)

    def _settings(self, options: Mapping[str, Json]) -> dict[str, Json]:
        """Options over their defaults. Raises ConfigError naming the option and what it may be."""
        settings = {p.name: p.default for p in self.options} | dict(options)
        suite = f"suite {self.name}"
        if not settings["path"]:
            raise ConfigError(
                f"{suite} needs `path`, a folder: suites: [{{name: {self.name}, path: DIR}}]"
            )
        lowest = {f"n_{s}": 1 for s in SPLITS} | {"history_turns": 0, "logs_per_prompt": 1}
        for name, low in lowest.items():
            value = settings[name]
            if type(value) is not int or value < low:
                raise ConfigError(f"{suite}: {name} is {value!r}, must be an integer >= {low}")
        limit = settings["limit"]
        if limit is not None and (type(limit) is not int or limit < 1):
            raise ConfigError(f"{suite}: limit is {limit!r}, must be an integer >= 1 or left out")
        settings["shares"] = mixture(settings["mixture"], self.name)
        return settings

    def _draw(
        self, placed: Placed, split: Split, settings: Mapping[str, Json], seed: int
    ) -> list[AskedTurn]:
        keys = (seed,) if split in REDRAWN else ()
        return spread(
            placed.turns[split],
            placed.cluster,
            lambda turn: turn.example_id,
            lambda name: keyed_unit(f"{self.name}-prompts", split, *keys, name),
            _size(split, settings),
        )

    def _example(
        self, placed: Placed, turn: AskedTurn, split: Split, facts: Mapping[str, Json]
    ) -> Example:
        return Example(
            example_id=turn.example_id,
            split=split,
            prompt=turn.prompt,
            references=(turn.answer,),
            facts=facts,
            cluster=placed.cluster(turn),
            stratum=turn.stratum,
            language=self.language,
        )

    def _logs(
        self,
        chosen: Sequence[AskedTurn],
        placed: Placed,
        settings: Mapping[str, Json],
        seed: int,
    ) -> tuple[Log, ...]:
        words = spellings(placed.turns["train"], self.speech)
        maker = LogMaker(self.name, self.speech, settings["shares"], words)
        count = settings["logs_per_prompt"]
        return tuple(log for t in chosen for log in maker.draw(t, count, seed))


def _size(split: Split, settings: Mapping[str, Json]) -> int:
    size: int = settings[f"n_{split}"]
    return size if settings["limit"] is None else min(size, settings["limit"])


def _scores(turns: Sequence[AskedTurn], judged: Mapping[str, Judgement]) -> dict[str, Json]:
    """Mean gold, pass rate, share of all values stated and share of answers with a made-up one."""
    if not turns:
        return {"n": 0}
    scores = [judged[t.example_id] for t in turns]
    sizes = [len(t.values) for t in turns]
    recalled = sum(j.parts["facts"] * n for j, n in zip(scores, sizes, strict=True))
    return {
        "n": len(turns),
        "gold": sum(j.gold for j in scores) / len(turns),
        "gold_pass": sum(j.gold_pass for j in scores) / len(turns),
        "value_recall": recalled / sum(sizes),
        "harm_forbidden": sum(j.parts["harm_forbidden"] for j in scores) / len(turns),
    }


def _split_report(placed: Placed, chosen: Mapping[Split, Sequence[AskedTurn]]) -> dict[str, Json]:
    return {
        "cluster_unit": dict(placed.unit),
        "available": {s: len(placed.turns[s]) for s in SPLITS},
        "n_clusters": {s: len({placed.cluster(t) for t in chosen[s]}) for s in SPLITS},
        "services": {s: sorted({n for t in chosen[s] for n in t.services}) for s in SPLITS},
    }


def _shortfalls(
    chosen: Mapping[Split, Sequence[AskedTurn]], settings: Mapping[str, Json]
) -> list[str]:
    return [
        f"{split}: {len(chosen[split])} prompts instead of {_size(split, settings)}"
        + ("; every seed has the same ones" if split in REDRAWN else "")
        for split in SPLITS
        if len(chosen[split]) < _size(split, settings)
    ]
