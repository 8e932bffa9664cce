"""Items of real data: what an adapter reads, and how they get splits. Kernel imports only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.types import SPLITS, TEST_SPLITS, Json, Split
from rsft_bench.tasks.splitting import SHARES, served

MIN_CLUSTERS = 10
CROSSING = "cluster also in a later split of upstream"
#: Upstream's names of its own splits, and which of ours each one serves.
SIDES: Mapping[str, Split] = {"train": "train", "dev": "select", "val": "select", "test": "confirm"}
_LAST: tuple[Split, ...] = ("train", "select", "confirm")


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt before it has a split.

    Attributes:
        name: unique in its data set.
        side: the split that upstream's own split serves; ``train`` where upstream has none.
        cluster: the unit that no two splits share.
        stratum: kind of prompt, for the report.
        prompt: ends in ``Agent:``.
        references: the data's own answers, best first; at least one.
        facts: JSON that the judge reads.
        wrong: the data's own answers to something near it, for training logs of poor agents.
    """

    name: str
    side: Split
    cluster: str
    stratum: str
    prompt: str
    references: tuple[str, ...]
    facts: Mapping[str, Json]
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a reader found: items in a canonical order, counts, reasons for what was left out."""

    items: tuple[Item, ...]
    n_files: int
    n_records: int
    skipped: Counter[str] = field(default_factory=Counter)
    notes: Mapping[str, Json] = field(default_factory=dict)


def find_files(who: str, path: Path, patterns: Sequence[str]) -> list[Path]:
    """Files below ``path`` that match one of the patterns, sorted, each once.

    Raises:
        DataError: no such folder, or nothing in it matches.
    """
    if not path.is_dir():
        raise DataError(f"{who}: no folder {str(path)!r}; set `path` to a copy of upstream's files")
    found = sorted({f for p in patterns for f in path.rglob(p) if f.is_file()})
    if not found:
        raise DataError(
            f"{who}: no {' or '.join(patterns)} in {str(path)!r} or below it; set `path` to the "
            "folder that holds upstream's files"
        )
    return found


def place(who: str, items: Sequence[Item]) -> tuple[dict[Split, list[Item]], Counter[str]]:
    """Items by split, disjoint by cluster, and how many were dropped for crossing upstream's sides.

    A cluster that lies on several sides stays on the last one (test before dev before train). A
    side that upstream does not have is made from another by a keyed hash of the cluster; each test
    split gets at least ``MIN_CLUSTERS`` clusters where there are enough for all.

    Raises:
        DataError: fewer clusters than splits.
    """
    last: dict[str, Split] = {}
    for item in items:
        before = last.get(item.cluster, item.side)
        last[item.cluster] = max(before, item.side, key=_LAST.index)
    kept = [i for i in items if i.side == last[i.cluster]]
    found: dict[Split, list[Item]] = {s: [] for s in SPLITS}
    for side, targets in served({i.side for i in kept}).items():
        mine = [i for i in kept if i.side == side]
        split = cut({i.cluster for i in mine}, targets, f"{who}-splits")
        for item in mine:
            found[split[item.cluster]].append(item)
    empty = [s for s in SPLITS if not found[s]]
    if empty:
        raise DataError(
            f"{who}: {len(last)} clusters of prompts leave {', '.join(empty)} empty; add files"
        )
    return found, Counter({CROSSING: len(items) - len(kept)})


def cut(clusters: Iterable[str], targets: Sequence[Split], purpose: str) -> dict[str, Split]:
    """Clusters in the order of a hash of their names, cut in proportion to ``SHARES``.

    A test split gets ``MIN_CLUSTERS`` at least, where that leaves two fifths to training splits
    beside it; any other gets 1, as far as they go.
    """
    ranked = sorted(set(clusters), key=lambda name: (keyed_unit(purpose, name), name))
    total = sum(SHARES[t] for t in targets)
    tests = sum(t in TEST_SPLITS for t in targets)
    fair = len(ranked) * (5 if tests == len(targets) else 3) // (5 * max(tests, 1))
    sizes = {
        t: max(
            round(len(ranked) * SHARES[t] / total),
            min(MIN_CLUSTERS, max(fair, 1)) if t in TEST_SPLITS else 1,
        )
        for t in targets
    }
    largest = max(targets, key=lambda t: (t not in TEST_SPLITS, SHARES[t]))
    sizes[largest] += len(ranked) - sum(sizes.values())
    order = [t for t in targets for _ in range(max(sizes[t], 0))]
    return dict(zip(ranked, order, strict=False))
