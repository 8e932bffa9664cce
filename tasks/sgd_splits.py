"""Where each asked turn of Schema-Guided Dialogue goes: our five splits, disjoint by cluster.

Upstream's train side gives train, proxy_label and calibrate, dev gives select, test gives confirm;
a side that is absent is made from another one. Clusters are sets of services, or dialogues where a
split would have fewer than ten sets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import SPLITS, TEST_SPLITS, Split
from rsft_bench.tasks.sgd_turns import AskedTurn
from rsft_bench.tasks.splitting import TRAIN_SPLITS, allocate, served

MIN_CLUSTERS = 10
SHARED = "service also in a test split"
_FOLDERS: Mapping[Split, str] = {"train": "train", "select": "dev", "confirm": "test"}


@dataclass(frozen=True, slots=True)
class Placed:
    """Turns by split. ``unit``: whether a folder's clusters are ``services`` or ``dialogue``."""

    turns: Mapping[Split, Sequence[AskedTurn]]
    unit: Mapping[str, str]
    skipped: Counter[str] = field(default_factory=Counter)
    warnings: tuple[str, ...] = ()

    def cluster(self, turn: AskedTurn) -> str:
        """Cluster id of a placed turn."""
        return _UNITS[self.unit[_FOLDERS[turn.side]]](turn)


def place(turns: Sequence[AskedTurn]) -> Placed:
    """Assign turns to splits.

    Training turns of a service that a test split has too are dropped, counted in ``skipped``,
    unless nothing would be left to train on.

    Raises:
        DataError: fewer dialogues than splits to fill.
    """
    sides = served({t.side for t in turns})
    kept, skipped, warnings = _drop_shared(turns, sides)
    found: dict[Split, list[AskedTurn]] = {s: [] for s in SPLITS}
    unit: dict[str, str] = {}
    for side, targets in sides.items():
        mine = [t for t in kept if t.side == side]
        name, placed, dropped = _place_side(mine, targets)
        unit[_FOLDERS[side]] = name
        skipped[SHARED] += dropped
        if name == "dialogue":
            warnings.append(
                f"{_FOLDERS[side]}: under {MIN_CLUSTERS} sets of services for "
                f"{', '.join(targets)}; clusters are dialogues, new services are not covered"
            )
        for split in targets:
            found[split] += placed[split]
    empty = [s for s in SPLITS if not found[s]]
    if empty:
        count = len({(t.side, t.dialogue_id) for t in turns})
        raise DataError(
            f"suite sgd: {count} dialogues with values to state leave {', '.join(empty)} empty; "
            "add dialogue files"
        )
    both = sorted(_services(found["select"]) & _services(found["confirm"]))
    if both:
        warnings.append(f"services in both select and confirm: {', '.join(both)}")
    return Placed(found, unit, +skipped, tuple(warnings))


def _drop_shared(
    turns: Sequence[AskedTurn], sides: Mapping[Split, Sequence[Split]]
) -> tuple[list[AskedTurn], Counter[str], list[str]]:
    """Drop turns of folders that only train whose services occur in folders that only test."""
    training = {s for s, targets in sides.items() if set(targets) <= set(TRAIN_SPLITS)}
    testing = {s for s, targets in sides.items() if set(targets) <= set(TEST_SPLITS)}
    tested = _services([t for t in turns if t.side in testing])
    kept = [t for t in turns if t.side not in training or tested.isdisjoint(t.services)]
    if training and not any(t.side in training for t in kept):
        shared = "every service of the training side is in a test split too; none was dropped"
        return list(turns), Counter(), [shared]
    return kept, Counter({SHARED: len(turns) - len(kept)}), []


def _place_side(
    turns: Sequence[AskedTurn], targets: Sequence[Split]
) -> tuple[str, dict[Split, list[AskedTurn]], int]:
    """Unit, turns by split and number of turns dropped for one folder."""
    placed = _by_cluster(turns, targets, by_services)
    tested = _services([t for s in TEST_SPLITS for t in placed.get(s, [])])
    clean = {
        s: [t for t in found if s in TEST_SPLITS or tested.isdisjoint(t.services)]
        for s, found in placed.items()
    }
    if all(len({by_services(t) for t in clean[s]}) >= MIN_CLUSTERS for s in targets):
        return "services", clean, len(turns) - sum(map(len, clean.values()))
    return "dialogue", _by_cluster(turns, targets, by_dialogue), 0


def _by_cluster(
    turns: Sequence[AskedTurn], targets: Sequence[Split], cluster: Callable[[AskedTurn], str]
) -> dict[Split, list[AskedTurn]]:
    split = allocate((cluster(t) for t in turns), targets, "sgd-splits")
    return {s: [t for t in turns if split[cluster(t)] == s] for s in targets}


def by_services(turn: AskedTurn) -> str:
    """``Flights_4+Hotels_2``: the services of the dialogue, sorted."""
    return "+".join(turn.services)


def by_dialogue(turn: AskedTurn) -> str:
    """Unique over folders, as upstream counts dialogues from 1 in each."""
    return f"{_FOLDERS[turn.side]}/{turn.dialogue_id}"


_UNITS: Mapping[str, Callable[[AskedTurn], str]] = {
    "services": by_services,
    "dialogue": by_dialogue,
}


def _services(turns: Sequence[AskedTurn]) -> set[str]:
    return {name for t in turns for name in t.services}
