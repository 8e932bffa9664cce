"""Splits of real data: which side serves which split, keyed allocation, even draws over clusters.

And the hash of the files they are made from.

Shared by the adapters of real data. Everything here depends on hashes of names alone, so that the
same files give the same splits on any machine. Kernel imports only.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.seeding import keyed_unit
from rsft_bench.harness.types import SPLITS, Split

TRAIN_SPLITS: tuple[Split, ...] = ("train", "proxy_label", "calibrate")
SHARES: Mapping[Split, float] = {
    "train": 0.45,
    "proxy_label": 0.15,
    "calibrate": 0.1,
    "select": 0.15,
    "confirm": 0.15,
}
# Who gives clusters to a split that the data does not have, in order of preference.
_DONORS: Mapping[Split, tuple[Split, ...]] = {
    "train": ("proxy_label", "calibrate", "select", "confirm"),
    "proxy_label": ("train", "calibrate", "select", "confirm"),
    "calibrate": ("train", "proxy_label", "select", "confirm"),
    "select": ("confirm", "train", "proxy_label", "calibrate"),
    "confirm": ("select", "train", "proxy_label", "calibrate"),
}

T = TypeVar("T")


def served(present: Collection[Split]) -> dict[Split, tuple[Split, ...]]:
    """Which splits each given split serves, itself first; every split is served exactly once.

    ``served({"train"})`` is ``{"train": (all five)}``; a test split is made from the other test
    split where there is one, a training split from the training side.
    """
    targets: dict[Split, list[Split]] = {s: [s] for s in SPLITS if s in present}
    for split in SPLITS:
        if split not in present:
            donor = next((d for d in _DONORS[split] if d in present), None)
            if donor is not None:
                targets[donor].append(split)
    return {source: tuple(found) for source, found in targets.items()}


def allocate(clusters: Iterable[str], targets: Sequence[Split], purpose: str) -> dict[str, Split]:
    """Give each cluster one of ``targets`` by the hash of its name, in proportion to ``SHARES``.

    A cluster's split does not depend on the other clusters, unless a target would stay empty: then
    the clusters are cut in hash order. With fewer clusters than targets some targets stay empty.
    """
    names = sorted(set(clusters))
    total = sum(SHARES[t] for t in targets)
    unit = {name: keyed_unit(purpose, name) for name in names}
    found = {name: _at(unit[name] * total, targets) for name in names}
    if set(found.values()) == set(targets):
        return found
    ranked = sorted(names, key=unit.__getitem__)
    spare = max(len(ranked) - len(targets), 0)
    cut = {name: _at(i * total / max(spare, 1), targets) for i, name in enumerate(ranked[:spare])}
    return cut | dict(zip(ranked[spare:], targets, strict=False))


def spread(
    items: Sequence[T],
    cluster: Callable[[T], str],
    name: Callable[[T], str],
    rank: Callable[[str], float],
    limit: int,
) -> list[T]:
    """At most ``limit`` items, taken one a cluster in turn, returned in their original order.

    ``rank`` orders clusters by their id and the items of a cluster by their name.
    """
    queues: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for i, item in enumerate(items):
        queues[cluster(item)].append((rank(name(item)), i))
    turns = [
        (place, rank(key), i)
        for key, queue in queues.items()
        for place, (_, i) in enumerate(sorted(queue))
    ]
    return [items[i] for i in sorted(i for _, _, i in sorted(turns)[:limit])]


def files_digest(folder: Path, files: Iterable[Path]) -> str:
    """SHA-256 (hex) over names below ``folder`` and contents. Raises DataError on an unreadable."""
    h = hashlib.sha256()
    for file in sorted(files):
        try:
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"cannot read {str(file)!r}: {error.strerror}; check `path`") from error
        h.update(f"{file.relative_to(folder).as_posix()}\n{content}\n".encode())
    return h.hexdigest()


def _at(position: float, targets: Sequence[Split]) -> Split:
    edge = 0.0
    for target in targets:
        edge += SHARES[target]
        if position < edge:
            return target
    return targets[-1]
