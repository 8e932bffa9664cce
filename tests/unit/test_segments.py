"""Segments of an online fit, and the random streams of rounds."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from rsft_bench.baselines.schedules import in_round, steps_of
from rsft_bench.harness.seeding import pool_purpose, round_seed
from rsft_bench.harness.segments import drawn_prompts, places, spans, visited
from rsft_bench.harness.store import PARTS, Store, digest_folder
from rsft_bench.harness.types import Cost


@pytest.mark.parametrize(
    ("steps", "every", "expected"),
    [(4, 2, [(0, 2), (2, 4)]), (5, 2, [(0, 2), (2, 4), (4, 5)]), (3, 9, [(0, 3)])],
)
def test_spans_cover_all_steps(steps: int, every: int, expected: list[tuple[int, int]]) -> None:
    assert spans(steps, every) == expected


@pytest.mark.parametrize(("prompts", "steps", "every"), [(256, 100, 10), (7, 5, 2), (12, 4, 4)])
def test_every_prompt_comes_up_once(prompts: int, steps: int, every: int) -> None:
    found = [visited(prompts, steps, span, 3) for span in spans(steps, every)]
    assert sorted(itertools.chain(*found)) == list(range(prompts))
    assert drawn_prompts(prompts, steps, every) == prompts
    sizes = [len(part) for part in found]
    assert min(sizes) >= 1


def test_no_segment_is_without_a_prompt() -> None:
    sizes = [len(places(3, 10, span)) for span in spans(10, 1)]
    assert sizes == [1] * 10
    assert drawn_prompts(3, 10, 1) == 10


def test_the_order_of_prompts_is_that_of_the_seed() -> None:
    one, other = (visited(200, 10, (0, 1), seed) for seed in (0, 1))
    assert one == sorted(one) == visited(200, 10, (0, 1), 0)
    assert one != other
    # Neighbours in the data are spread over segments.
    assert max(one) - min(one) > 100


def test_rounds_share_no_stream() -> None:
    assert (round_seed(7, 0), pool_purpose(0)) == (7, "pool")
    seeds = {round_seed(seed, number) for seed in range(5) for number in range(5)}
    assert len(seeds) == 25
    assert len({pool_purpose(number) for number in range(5)}) == 5


@pytest.mark.parametrize("rounds", [1, 2, 3, 7])
def test_the_served_policy_takes_all_steps(rounds: int) -> None:
    assert steps_of({"rounds": rounds, "init": "restart"}, 10) == [10] * rounds
    shared = steps_of({"rounds": rounds, "init": "continue"}, 10)
    assert sum(shared) == 10
    assert max(shared) - min(shared) <= 1


def test_a_threshold_rises() -> None:
    asked = {"tau": 0.25, "target_rate": None, "prompt_rate": None, "rise": 0.125}
    assert [in_round(asked, t)["tau"] for t in range(3)] == [0.25, 0.375, 0.5]
    rates = {**asked, "tau": None, "target_rate": 0.5, "rise": 0.5}
    assert [in_round(rates, t)["target_rate"] for t in range(3)] == [0.5, 0.25, 0.125]
    assert in_round(rates, 1)["rise"] is None
    assert in_round(rates, 1)["prompt_rate"] is None


def test_parts_are_measured_and_so_in_no_digest(tmp_path: Path) -> None:
    def make(out: Path) -> tuple[Cost, str | None]:
        (out / "a.txt").write_text("x")
        parts = {"sample": {"tokens": 3, "flops": 4.0, "wall_s": 0.5, "cpu_s": 0.25}}
        (out / PARTS).write_text(json.dumps({**parts, "train": {"tokens": 1, "flops": 2.0}}))
        return Cost(4, 6.0, 2.0, 1.0, 0.5), None

    store = Store(tmp_path)
    made = store.put("aa11", "online", make)
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "a.txt").write_text("x")
    assert made.digest == digest_folder(plain)
    assert made.parts() == {
        "sample": Cost(3, 4.0, 0.5, 0.25, 0.5),
        "train": Cost(1, 2.0, 1.5, 0.75, 0.5),
    }
    bare = store.put("bb22", "fit", lambda out: (Cost(1), None))
    assert bare.parts() == {}
