"""What a method hands back: the nodes one variant needs, and how they are charged and served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rsft_bench.harness.nodes import Node
from rsft_bench.harness.types import TEST_SPLITS, Split


@dataclass(frozen=True, slots=True)
class Scored:
    """Completions in append-only ranges of draws; each range's blocks have one score node.

    Concatenated over ranges, rows of ``samples`` and of ``scores`` are aligned. ``proposal`` names
    what a pool was drawn from; empty for test draws.
    """

    ranges: tuple[tuple[int, tuple[Node, ...], Node], ...]
    draws: int
    proposal: str = ""

    @property
    def samples(self) -> tuple[Node, ...]:
        """All sample blocks, range by range."""
        return tuple(node for _, blocks, _ in self.ranges for node in blocks)

    @property
    def scores(self) -> tuple[Node, ...]:
        """One score node a range."""
        return tuple(score for _, _, score in self.ranges)

    def first(self, k: int | None) -> Scored:
        """Only the ranges that hold some of the first ``k`` draws; None keeps all."""
        kept = tuple(r for r in self.ranges if k is None or r[0] < k)
        return Scored(kept, self.draws if k is None else min(k, self.draws), self.proposal)


@dataclass(frozen=True, slots=True)
class Round:
    """One pool of an arm, what was accepted from it, and the fit that learnt it first."""

    pool: Scored | None
    selected: Node | None
    fitted: Node | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Test draws of one policy on one split; ``ratio`` compares their likelihood to the start's."""

    split: Split
    draws: Scored
    ratio: Node | None = None


@dataclass(frozen=True, slots=True)
class Pick:
    """``n`` answers are drawn for a request and the ``rule`` of the method so named serves one."""

    method: str
    n: int


@dataclass(frozen=True, slots=True)
class Charge:
    """One node's cost, counted for an arm under a category; ``draws`` keeps the first so many."""

    category: str
    node: Node
    draws: int | None = None


def share_of(charge: Charge) -> float:
    """Part of the node's draws that the charge keeps, in (0, 1]."""
    if charge.draws is None:
        return 1.0
    node = charge.node
    if node.stage == "score":
        node = node.inputs["samples"][0]
    if "draws" not in node.params:
        return 1.0
    start, stop = node.params["draws"]
    return float((min(stop, charge.draws) - start) / (stop - start))


@dataclass(frozen=True, slots=True)
class Arm:
    """Everything one variant needs for one suite, policy and seed.

    ``policy`` serves it, by ``pick`` where a request takes several draws; ``fitted`` marks a policy
    of its own training; ``selected`` is the accepted set. ``trials`` are the combinations of tuned
    parameters and learning rates among which ``select`` rows choose; an arm is ``open`` until that
    ``choice`` is made, and so is one that builds on an open arm. ``tuning`` are the charges of the
    trials not chosen, ``tuned`` the values of the tuned parameters. ``checkpoints`` are select
    evaluations of earlier weights by step. ``gold_labels`` counts labels spent on acceptance.
    ``rounds`` are all rounds of an arm that draws more than one pool; ``pool``, ``selected`` and
    ``fitted`` are then those of the last.
    """

    policy: Node
    evaluations: tuple[Evaluation, ...]
    charges: tuple[Charge, ...] = ()
    fitted: Node | None = None
    selected: Node | None = None
    pool: Scored | None = None
    temperature: float = 1.0
    pick: Pick | None = None
    proxy: Node | None = None
    gold_labels: int = 0
    trials: Mapping[str, Arm] = field(default_factory=dict)
    choice: str | None = None
    tuning: tuple[Charge, ...] = ()
    waits: bool = False
    tuned: Mapping[str, float] = field(default_factory=dict)
    checkpoints: Mapping[int, tuple[Evaluation, ...]] = field(default_factory=dict)
    rounds: tuple[Round, ...] = ()

    @property
    def turns(self) -> tuple[Round, ...]:
        """Its rounds in order; one where it draws at most one pool."""
        return self.rounds or (Round(self.pool, self.selected, self.fitted),)

    @property
    def fits(self) -> tuple[Node, ...]:
        """Fits on the way from the common start to the policy that it serves, the first first."""
        own = {turn.fitted.uid for turn in self.turns if turn.fitted is not None}
        found: list[Node] = []
        node = self.fitted
        while node is not None and node.uid in own:
            found.insert(0, node)
            node = node.inputs["init"][0]
        return tuple(found)

    @property
    def open(self) -> bool:
        """Whether it is planned again once ``select`` rows exist."""
        return self.waits or (bool(self.trials) and self.choice is None)


@dataclass(frozen=True, slots=True)
class Serving:
    """How an arm is evaluated: test draws and splits (both, or ``select`` alone for trials)."""

    draws: int
    splits: tuple[Split, ...] = TEST_SPLITS
