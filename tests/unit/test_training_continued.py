"""A fit in parts: one optimizer and one schedule over all of them, as if there were no parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.training.continued import ContinuedFit
from rsft_bench.harness.training.fit import FitResult, fit
from rsft_bench.harness.types import Budget, TrainRow, WeightedSet

BUDGET = Budget(steps=5, batch=2, lr=1e-2)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def rows(*answers: str) -> tuple[TrainRow, ...]:
    return tuple(TrainRow(a, f"Customer: {a[:3]}\nAgent:", a, 0.03) for a in answers)


D = WeightedSet("D", rows("It has shipped.", "No.", "You can return it."), 0.5, "train-D")
A = WeightedSet("A", rows("It has shipped with Posten.", "Yes, within 30 days."), 0.5, "train-A")
B = WeightedSet("A", rows("Please send me the number."), 0.5, "train-A-1")


def same(one: FitResult, other: FitResult) -> bool:
    pairs = zip(one.lm.model.parameters(), other.lm.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def in_parts(lm: Any, lasting: list[WeightedSet], *parts: tuple[list[WeightedSet], int]) -> Any:
    going = ContinuedFit(lm, lasting, BUDGET, 3, keep=(2,))
    for sets, steps in parts:
        going.learn(sets, steps)
    return going.result()


def test_parts_of_lasting_sets_are_the_whole_fit(tiny_lm: Any) -> None:
    """The optimizer's state, the schedule and D's order go on over the joints."""
    whole, parts = fit(tiny_lm, [D], BUDGET, 3), in_parts(tiny_lm, [D], ([], 2), ([], 1), ([], 2))
    assert same(whole, parts)
    assert np.array_equal(whole.losses, parts.losses)
    counts = ("tokens", "tokens_squared", "rows_cut", "rows_seen")
    assert [getattr(whole, n) for n in counts] == [getattr(parts, n) for n in counts]
    # A fresh fit of the last three steps from the first two is another one.
    first = in_parts(tiny_lm, [D], ([], 2))
    again = fit(first.lm, [D], dataclasses.replace(BUDGET, steps=3), 3)
    assert not same(whole, again)


@pytest.mark.parametrize("anchored", [False, True])
def test_one_part_is_the_whole_fit(tiny_lm: Any, anchored: bool) -> None:
    sets = [D, A]
    if anchored:
        sets = [dataclasses.replace(s, loss="anchored", settings={"anchor": 0.5}) for s in sets]
    whole = fit(tiny_lm, sets, BUDGET, 3, keep=(2,))
    part = in_parts(tiny_lm, sets[:1], (sets[1:], 5))
    assert same(whole, part)
    assert whole.rows_seen == part.rows_seen == {"D": 10, "A": 10}
    assert whole.reference_tokens == part.reference_tokens
    kept = zip(whole.kept[2].model.parameters(), part.kept[2].model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in kept)


def test_an_anchor_stays_where_the_fit_began(tiny_lm: Any) -> None:
    """An anchor that moved with every part would hold the policy back less."""
    held = [
        dataclasses.replace(s, loss="anchored", settings={"anchor": 50.0}, coefficient=0.5)
        for s in (D, A)
    ]
    whole = fit(tiny_lm, held, BUDGET, 3)
    split = in_parts(tiny_lm, held, ([], 2), ([], 3))
    assert same(whole, split)


def test_the_policy_of_a_part_is_the_one_that_goes_on(tiny_lm: Any) -> None:
    going = ContinuedFit(tiny_lm, [D], BUDGET, 3)
    before = [p.clone() for p in going.policy().model.parameters()]
    start = [torch.equal(a, b) for a, b in zip(before, tiny_lm.model.parameters(), strict=True)]
    going.learn([A], 3)
    after = list(going.policy().model.parameters())
    assert all(start)
    assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    going.learn([B], 2)
    assert going.result().rows_seen == {"D": 10, "A": 10}


def test_what_it_cannot_do_is_refused(tiny_lm: Any) -> None:
    with pytest.raises(UserError, match="one process"):
        ContinuedFit(tiny_lm, [D], dataclasses.replace(BUDGET, accelerate=True), 3)
    going = ContinuedFit(tiny_lm, [D], BUDGET, 3)
    with pytest.raises(ValueError, match="start's answers"):
        going.learn([dataclasses.replace(A, loss="nft", settings={"epsilon": 0.1})], 1)
    with pytest.raises(ValueError, match="is empty"):
        going.learn([dataclasses.replace(A, rows=())], 1)
