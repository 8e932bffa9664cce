"""Suite ``dstc9_track1``: three systems' answers to the same questions, rated by people.

A pool: nothing is generated and nothing is trained but rewards. Gold of an answer is the mean of
its raters' accuracy, moved from 1-5 to [0, 1]; ``appropriateness`` is the second rating. It tells
how well a reward chooses among answers of real systems. It cannot tell how good answers are that
nobody rated, and the customer's dialogue is not part of the data: the title of the gold document
stands for the question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from rsft_bench.harness.errors import ConfigError, DataError
from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.types import (
    Capability,
    Example,
    Json,
    Judgement,
    Param,
    Split,
    SuiteData,
)
from rsft_bench.tasks.dstc9_format import (
    ASPECTS,
    HIGHEST,
    LOWEST,
    SUITE,
    Turn,
    find_files,
    read_folder,
)
from rsft_bench.tasks.recorded_answers import answers_of, data_path, judge_recorded, limit_of
from rsft_bench.tasks.splitting import allocate, files_digest, spread

#: Shares of the clusters. Nothing is trained but rewards, so there is no train split.
SIDES: Mapping[Split, float] = {"proxy_label": 0.45, "select": 0.1, "confirm": 0.45}
OPTIONS = (
    Param("path", None, "folder with upstream's data_eval/ and results/"),
    Param("limit", None, "at most this many turns a split"),
    Param("pass_at", 4.0, "mean accuracy from which an answer passes", least=1.0, most=5.0),
)


@dataclass(frozen=True, slots=True)
class Dstc9:
    """Adapter of the DSTC9 Track 1 evaluation files."""

    name: str = SUITE
    version: str = "1"
    licence: str = "Apache-2.0"
    attribution: str = (
        "DSTC9 Track 1 human evaluation, alexa/alexa-with-dstc9-track1-dataset; Kim et al. 2020 "
        "(arXiv 2006.03533), Gunasekara et al. 2020"
    )
    requires: frozenset[Capability] = frozenset({"sampler"})
    options: tuple[Param, ...] = OPTIONS
    code: tuple[str, ...] = (
        "rsft_bench.tasks.dstc9",
        "rsft_bench.tasks.dstc9_format",
        "rsft_bench.tasks.recorded_answers",
        "rsft_bench.tasks.splitting",
    )
    metrics: tuple[str, ...] = ("appropriateness",)
    kind: str = "pool"

    def digest(self, options: Mapping[str, Json]) -> str:
        """Hash of every file read. Raises as ``load``."""
        folder = data_path(options, SUITE, "upstream's folder")
        return files_digest(folder, find_files(folder).all)

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Rated turns and their answers; ``seed`` changes nothing.

        Cluster: the entity asked about, or the document where it belongs to a whole domain (train,
        taxi). Clusters are split by the hash of their name.

        Raises:
            ConfigError: no path, or an option out of range.
            DataError: the files are not what they claim, or hold too few clusters.
        """
        folder = data_path(options, SUITE, "upstream's folder")
        bar, limit = _bar(options), limit_of(options, SUITE)
        corpus = read_folder(folder)
        homes = _homes({cluster(t) for t in corpus.turns}, folder)
        examples = tuple(
            _example(turn, split, corpus.systems, bar)
            for split in SIDES
            for turn in _limited([t for t in corpus.turns if homes[cluster(t)] == split], limit)
        )
        pool = answers_of(examples, {e.example_id: corpus.systems for e in examples})
        report = {
            "kind": self.kind,
            "n_files": corpus.n_files,
            "n_records": corpus.records,
            "skipped": dict(corpus.skipped),
            "systems": _by_system(examples, corpus.systems),
            "equal_texts": sum(
                len(set(e.facts["texts"])) < len(e.facts["texts"]) for e in examples
            ),
            "n_clusters": dict(Counter(s for s in homes.values())),
        }
        return SuiteData(examples, (), report, pool)

    def judge(self, example: Example, text: str) -> Judgement:
        """Mean human accuracy in [0, 1]; NaN for a text that nobody rated.

        Part: ``appropriateness``, likewise.
        """
        plain = judge_recorded(example, text)
        facts = example.facts
        liked = [
            (fmean(ratings) - LOWEST) / (HIGHEST - LOWEST)
            for known, ratings in zip(facts["texts"], facts["appropriateness"], strict=True)
            if known == text
        ]
        part = fmean(liked) if liked else float("nan")
        return Judgement(plain.gold, plain.gold_pass, {"appropriateness": part})


def cluster(turn: Turn) -> str:
    """The entity, or the document where the entity is the whole domain."""
    if turn.entity == "*":
        return f"{turn.domain}/document {turn.document}"
    return f"{turn.domain}/{turn.entity}"


def _bar(options: Mapping[str, Json]) -> float:
    bar = options.get("pass_at", 4.0)
    if isinstance(bar, bool) or not isinstance(bar, int | float) or not LOWEST <= bar <= HIGHEST:
        raise ConfigError(f"suite {SUITE}: pass_at is {bar!r}, must be from {LOWEST} to {HIGHEST}")
    return (float(bar) - LOWEST) / (HIGHEST - LOWEST)


def _homes(clusters: set[str], folder: Path) -> dict[str, Split]:
    if len(clusters) < len(SIDES):
        raise DataError(
            f"{folder}: rated turns of {len(clusters)} entities, at least {len(SIDES)} are needed "
            "for disjoint splits"
        )
    homes = {name: _at(keyed_unit("dstc9-splits", name)) for name in clusters}
    # Few clusters may leave a side empty; then they are cut in hash order.
    return homes if set(homes.values()) == set(SIDES) else allocate(clusters, tuple(SIDES), SUITE)


def _at(position: float) -> Split:
    edge = 0.0
    for split, share in SIDES.items():
        edge += share
        if position < edge:
            return split
    return "confirm"


def _limited(turns: list[Turn], limit: int | None) -> list[Turn]:
    return spread(
        turns,
        cluster,
        lambda turn: str(turn.number),
        lambda name: keyed_unit("dstc9-limit", name),
        len(turns) if limit is None else limit,
    )


def _example(turn: Turn, split: Split, systems: tuple[str, ...], bar: float) -> Example:
    fields = {"subject": turn.domain, "name": turn.name, "city": turn.city}
    record = "; ".join(f"{key}: {value}" for key, value in fields.items() if value)
    ratings = {aspect: [list(r) for r in turn.ratings[aspect]] for aspect in ASPECTS}
    span = HIGHEST - LOWEST
    return Example(
        example_id=f"dstc9-{turn.number}",
        split=split,
        prompt=f"Policy: {turn.knowledge}\nRecord: {record}\nCustomer: {turn.question}\nAgent:",
        references=(turn.human,),
        facts={
            "texts": list(turn.answers),
            "systems": list(systems),
            "grades": [(fmean(r) - LOWEST) / span for r in ratings["accuracy"]],
            "ratings": ratings["accuracy"],
            "appropriateness": ratings["appropriateness"],
            "scale": [LOWEST, HIGHEST],
            "pass_at": bar,
        },
        cluster=cluster(turn),
        stratum=turn.domain,
    )


def _by_system(examples: tuple[Example, ...], systems: tuple[str, ...]) -> dict[str, float]:
    """Mean accuracy of each system on the raters' scale."""
    return {
        name: round(fmean(fmean(e.facts["ratings"][i]) for e in examples), 4)
        for i, name in enumerate(systems)
    }


DSTC9 = Dstc9()
