"""The mixture of documents, by index: document ``i`` of a seed is always the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rsft_bench.harness.policies.nano_training import chatter, decisions, lookups, shop
from rsft_bench.harness.policies.nano_training.document import Document
from rsft_bench.harness.policies.nano_training.draw import Draw

Writer = Callable[[Draw], Document]

DRILLS: tuple[tuple[Writer, float], ...] = (
    (lookups.drill, 6.0),
    (lookups.repeat, 2.0),
    (chatter.vocabulary, 1.0),
    (decisions.number_drill, 2.0),
    (chatter.lexical, 1.0),
)
WRITERS: tuple[tuple[Writer, float], ...] = (
    (lookups.copy, 34.0),
    (lookups.missing, 6.0),
    (lookups.unknown, 4.0),
    (lookups.fee, 4.0),
    (lookups.term, 3.0),
    (decisions.compare, 20.0),
    (decisions.status, 9.0),
    (decisions.refuse, 6.0),
    (decisions.hand_over, 4.0),
    (chatter.chat, 2.0),
    (chatter.acts, 8.0),
)

GOODS: tuple[tuple[Writer, float], ...] = (
    *WRITERS,
    (shop.gather, 30.0),
    (shop.instead, 12.0),
    (lookups.missing, 6.0),
)

#: Share of drills in each phase's text; in ``train`` what it falls to, see ``drill_share``.
DRILL_SHARE = {"train": 0.1, "goods": 0.05}


#: Batches made together, so that they can be sorted by length.
GROUP = 16


def document(seed: int, purpose: str, index: int, drills: float = 0.0) -> Document:
    """Document ``index`` of a stream.

    Args:
        seed: Seed of the run.
        purpose: ``train``, ``goods`` (the second phase) or ``held-out``: different streams, so
            different entities.
        index: Position, from 0.
        drills: Share of drills in place of dialogues.
    """
    d = Draw(seed, f"nano {purpose}", index)
    return d.weighted(DRILLS if d.chance(drills) else GOODS if d.goods else WRITERS)(d)


def drill_share(purpose: str, progress: float) -> float:
    """Share of drills by progress in [0, 1]; in phase one they form copying, then fade."""
    if purpose != "train":
        return DRILL_SHARE[purpose]
    return 0.9 if progress < 0.04 else max(DRILL_SHARE["train"], 0.6 - 2.0 * (progress - 0.04))


def group(seed: int, purpose: str, done: int, steps: int, rows: int) -> list[Document]:
    """The documents of the ``GROUP`` batches of ``rows`` after ``done`` of ``steps`` batches."""
    share = drill_share(purpose, done / steps)
    first = done * rows
    return [document(seed, purpose, i, share) for i in range(first, first + rows * GROUP)]


def trained_on(seed: int, purpose: str, steps: int, rows: int) -> Iterator[Document]:
    """Every document of a phase of ``steps`` batches, those of a cut last group included."""
    for done in range(0, steps, GROUP):
        yield from group(seed, purpose, done, steps, rows)


def probe(seed: int, purpose: str, index: int, writer: Writer) -> Document:
    """Document ``index`` of one writer, for measuring one skill."""
    return writer(Draw(seed, f"nano probe {purpose}", index))
