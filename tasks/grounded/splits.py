"""Where each asked turn of a grounded suite goes: our five splits, disjoint by cluster.

Upstream's train side gives train, proxy_label and calibrate, the second gives select, the test side
confirm; a side that is absent is made from another one. Clusters are sets of services, or dialogues
where a split would have fewer than ten sets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from rsft_bench.harness.errors import DataError
from rsft_bench.harness.types import SPLITS, TEST_SPLITS, Split
from rsft_bench.tasks.grounded.turns import AskedTurn
from rsft_bench.tasks.splitting import TRAIN_SPLITS, allocate, served

MIN_CLUSTERS = 10


@dataclass(frozen=True, slots=True)
class Layout:
    """How a suite's sides and services are called, and whether services must be disjoint.

    ``sides`` maps the split that a side serves to upstream's name of it. ``apart``: training turns
    of a service that a test split has too are dropped. Without it (few domains, all of them in
    every side) sets of services are clusters only where no set lies in two sides.
    """

    suite: str
    service: str
    services: str
    sides: Mapping[Split, str]
    apart: bool

    @property
    def shared(self) -> str:
        """Reason of a turn skipped because a test split has its service."""
        return f"{self.service} also in a test split"


@dataclass(frozen=True, slots=True)
class Placed:
    """Turns by split. ``unit``: whether a side's clusters are sets of services or ``dialogue``."""

    layout: Layout
    turns: Mapping[Split, Sequence[AskedTurn]]
    unit: Mapping[str, str]
    skipped: Counter[str] = field(default_factory=Counter)
    warnings: tuple[str, ...] = ()

    def cluster(self, turn: AskedTurn) -> str:
        """Cluster id of a placed turn."""
        side = self.layout.sides[turn.side]
        return by_dialogue(turn, side) if self.unit[side] == "dialogue" else by_services(turn)


def place(turns: Sequence[AskedTurn], layout: Layout) -> Placed:
    """Assign turns to splits.

    Training turns of a service that a test split has too are dropped, counted in ``skipped``,
    unless nothing would be left to train on or the layout keeps them.

    Raises:
        DataError: fewer dialogues than splits to fill.
    """
    sides = served({t.side for t in turns})
    kept, skipped, warnings = list(turns), Counter[str](), list[str]()
    if layout.apart:
        kept, skipped, warnings = _drop_shared(turns, sides, layout)
    found: dict[Split, list[AskedTurn]] = {s: [] for s in SPLITS}
    unit: dict[str, str] = {}
    for side, (name, placed, dropped) in _place_sides(kept, sides, layout).items():
        unit[layout.sides[side]] = name
        skipped[layout.shared] += dropped
        if name == "dialogue":
            warnings.append(
                f"{layout.sides[side]}: under {MIN_CLUSTERS} sets of {layout.services} for "
                f"{', '.join(sides[side])}; clusters are dialogues, new {layout.services} are not "
                "covered"
            )
        for split in sides[side]:
            found[split] += placed[split]
    empty = [s for s in SPLITS if not found[s]]
    if empty:
        count = len({(t.side, t.dialogue_id) for t in turns})
        raise DataError(
            f"suite {layout.suite}: {count} dialogues with values to state leave "
            f"{', '.join(empty)} empty; add dialogue files"
        )
    both = sorted(_services(found["select"]) & _services(found["confirm"]))
    if both:
        warnings.append(f"{layout.services} in both select and confirm: {', '.join(both)}")
    return Placed(layout, found, unit, +skipped, tuple(warnings))


def _drop_shared(
    turns: Sequence[AskedTurn], sides: Mapping[Split, Sequence[Split]], layout: Layout
) -> tuple[list[AskedTurn], Counter[str], list[str]]:
    """Drop turns of folders that only train whose services occur in folders that only test."""
    training = {s for s, targets in sides.items() if set(targets) <= set(TRAIN_SPLITS)}
    testing = {s for s, targets in sides.items() if set(targets) <= set(TEST_SPLITS)}
    tested = _services([t for t in turns if t.side in testing])
    kept = [t for t in turns if t.side not in training or tested.isdisjoint(t.services)]
    if training and not any(t.side in training for t in kept):
        shared = (
            f"every {layout.service} of the training side is in a test split too; none was dropped"
        )
        return list(turns), Counter(), [shared]
    return kept, Counter({layout.shared: len(turns) - len(kept)}), []


_Side: TypeAlias = tuple[str, dict[Split, list[AskedTurn]], int]


def _place_sides(
    turns: Sequence[AskedTurn], sides: Mapping[Split, Sequence[Split]], layout: Layout
) -> dict[Split, _Side]:
    """Unit, turns by split and number of turns dropped, for each side."""
    mine = {side: [t for t in turns if t.side == side] for side in sides}
    found = {side: _by_sets(mine[side], sides[side], layout) for side in sides}
    few = {side for side in sides if _too_few(found[side][1], sides[side])}
    if not layout.apart:
        sets = [{by_services(t) for t in own} for own in mine.values()]
        if few or len(set().union(*sets)) < sum(map(len, sets)):
            few = set(sides)
    for side in few:
        cluster = partial(by_dialogue, side=layout.sides[side])
        found[side] = ("dialogue", _by_cluster(mine[side], sides[side], cluster), 0)
    return found


def _by_sets(turns: Sequence[AskedTurn], targets: Sequence[Split], layout: Layout) -> _Side:
    """One side with sets of services as clusters; training turns of tested services dropped."""
    placed = _by_cluster(turns, targets, by_services)
    if not layout.apart:
        return layout.services, placed, 0
    tested = _services([t for s in TEST_SPLITS for t in placed.get(s, [])])
    clean = {
        s: [t for t in found if s in TEST_SPLITS or tested.isdisjoint(t.services)]
        for s, found in placed.items()
    }
    return layout.services, clean, len(turns) - sum(map(len, clean.values()))


def _too_few(placed: Mapping[Split, Sequence[AskedTurn]], targets: Sequence[Split]) -> bool:
    return any(len({by_services(t) for t in placed[s]}) < MIN_CLUSTERS for s in targets)


def _by_cluster(
    turns: Sequence[AskedTurn], targets: Sequence[Split], cluster: Callable[[AskedTurn], str]
) -> dict[Split, list[AskedTurn]]:
    # One purpose for every suite: a cluster's name alone says where it goes.
    split = allocate((cluster(t) for t in turns), targets, "sgd-splits")
    return {s: [t for t in turns if split[cluster(t)] == s] for s in targets}


def by_services(turn: AskedTurn) -> str:
    """``Flights_4+Hotels_2``: the services of the dialogue, sorted."""
    return "+".join(turn.services)


def by_dialogue(turn: AskedTurn, side: str) -> str:
    """Unique over sides, as upstream may count dialogues from 1 in each."""
    return f"{side}/{turn.dialogue_id}"


def _services(turns: Sequence[AskedTurn]) -> set[str]:
    return {name for t in turns for name in t.services}
