"""Charges of constructed arms: draws kept of a block, trials, labels spent on choosing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rsft_bench.harness.arms import Arm, Charge, Evaluation, Scored
from rsft_bench.harness.costs import Ledger, charges, choice_labels, cost_of
from rsft_bench.harness.metering.formulas import forward_flops, sample_flops
from rsft_bench.harness.nodes import Node, closure
from rsft_bench.harness.spaces import Cell
from rsft_bench.harness.store import Artifact, write_rows
from rsft_bench.harness.types import Cost
from rsft_bench.harness.variants import Variant

SHAPE = {
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 10,
    "vocab_size": 50,
}
PROMPT = 9
BASE = Node("base", {"policy": "p"}, {})
DATA = Node("data", {"n": 1}, {})


def sample(start: int, stop: int, purpose: str = "pool", prompts: int = 2) -> Node:
    asked = [[f"e{i}", "?"] for i in range(prompts)]
    params = {"prompts": asked, "draws": [start, stop], "purpose": purpose}
    return Node("sample", params, {"policy": (BASE,)})


def score(*blocks: Node) -> Node:
    return Node("score", {"suite": "s"}, {"data": (DATA,), "samples": blocks})


def scored(purpose: str, *spans: tuple[int, int], prompts: int = 2) -> Scored:
    ranges = []
    for start, stop in spans:
        block = sample(start, stop, purpose, prompts)
        ranges.append((start, (block,), score(block)))
    return Scored(tuple(ranges), spans[-1][1])


def arm(**parts: Any) -> Arm:
    return Arm(**{"policy": BASE, "evaluations": (), **parts})


def answer_tokens(draw: int) -> int:
    """Draw 0 is one token long, draw 1 two."""
    return draw + 1


def stored(folder: Path, nodes: list[Node], **costs: Cost) -> dict[str, Artifact]:
    """Artifacts of nodes and all behind them; samples hold rows of ``answer_tokens`` tokens."""
    weights = folder / "weights"
    weights.mkdir()
    (weights / "config.json").write_text(json.dumps(SHAPE))
    found = {}
    for uid, node in closure(nodes).items():
        place = folder / uid
        place.mkdir()
        if node.stage == "base":
            (place / "policy.json").write_text(json.dumps({"options": {"path": str(weights)}}))
        if node.stage == "sample":
            rows = [
                {"example_id": e, "draw": d, "tokens_in": PROMPT, "tokens_out": answer_tokens(d)}
                for e, _ in node.params["prompts"]
                for d in range(*node.params["draws"])
            ]
            write_rows(place / "rows.jsonl", rows)
        found[uid] = Artifact(uid, place, uid, node.stage, costs.get(node.stage, Cost()))
    return found


@pytest.mark.parametrize("k", [1, 3])
def test_few_draws_of_a_block_pay_a_whole_prompt_pass(tmp_path: Path, k: int) -> None:
    block = sample(0, 8)
    whole = Cost(tokens=72, flops=1e6, wall_s=8.0, cpu_s=4.0)
    got = cost_of(Charge("sample", block, k), stored(tmp_path, [block], sample=whole))
    # Two prompts read once each, draws of 1, 2, ... k tokens.
    lengths = [answer_tokens(d) for d in range(k)]
    alone = 2 * sample_flops(SHAPE, [PROMPT] * k, lengths, shared_by=k)
    assert got.flops == pytest.approx(alone)
    assert got.tokens == 2 * sum(lengths)
    assert (got.wall_s, got.cpu_s) == (k, k / 2)
    if k == 1:  # one token a prompt comes from the prompt's pass and nothing else
        assert got.flops == pytest.approx(2 * forward_flops(SHAPE, PROMPT))


def test_a_second_block_is_cut_at_its_own_start(tmp_path: Path) -> None:
    block = sample(8, 16)
    got = cost_of(Charge("sample", block, 10), stored(tmp_path, [block], sample=Cost(1, 1.0, 8.0)))
    assert got.tokens == 2 * (9 + 10)
    assert got.flops == pytest.approx(2 * sample_flops(SHAPE, [PROMPT] * 2, [9, 10], shared_by=2))
    assert got.wall_s == 2.0


def test_whole_blocks_and_scores_keep_what_they_took(tmp_path: Path) -> None:
    block = sample(0, 8)
    judged = score(block)
    took = {"sample": Cost(72, 5e6, 8.0, 8.0), "score": Cost(72, 800.0, 0.8, 0.8)}
    artifacts = stored(tmp_path, [judged], **took)
    assert cost_of(Charge("sample", block, 8), artifacts) == took["sample"]
    assert cost_of(Charge("sample", block), artifacts) == took["sample"]
    part = cost_of(Charge("score", judged, 2), artifacts)
    assert (part.tokens, part.flops) == (2 * (1 + 2), 200.0)


def test_an_equal_node_is_charged_once_with_its_most_draws() -> None:
    """Nodes planned twice are two objects of one uid."""
    found = charges(
        arm(charges=(Charge("sample", sample(0, 8), 2), Charge("sample", sample(0, 8), 4)))
    )
    assert [c.draws for c in found] == [4]
    found = charges(
        arm(charges=(Charge("sample", sample(0, 8)), Charge("sample", sample(0, 8), 4)))
    )
    assert [c.draws for c in found] == [None]


def trials() -> dict[str, Arm]:
    """Two trials: 3 select prompts, 2 draws; and 3 prompts, 9 draws. Confirm is not chosen on."""
    few = scored("test", (0, 2), prompts=3)
    many = scored("test", (0, 8), (8, 9), prompts=3)
    other = scored("test", (0, 4), prompts=5)
    return {
        "0.25": arm(evaluations=(Evaluation("select", few), Evaluation("confirm", other))),
        "0.5": arm(evaluations=(Evaluation("select", many),)),
    }


def test_labels_spent_on_choosing() -> None:
    assert choice_labels(arm()) == 0
    assert choice_labels(arm(evaluations=trials()["0.5"].evaluations)) == 0
    assert choice_labels(arm(trials=trials())) == 3 * 2 + 3 * 9


def test_what_trials_took_is_spent_by_their_arm(tmp_path: Path) -> None:
    """Each artifact once, trials' select draws under evaluate; the arm's own price is without."""
    tried = trials()
    mine = Charge("sample", sample(0, 8, "pool", 1), 1)
    chosen = arm(charges=(mine,), trials=tried)
    drawn = [s for t in tried.values() for e in t.evaluations for s in e.draws.samples]
    judged = [s for t in tried.values() for e in t.evaluations for s in e.draws.scores]
    took = {"sample": Cost(10, 1.0, 1.0, 1.0), "score": Cost(1, 0.25, 0.25, 0.25)}
    artifacts = stored(tmp_path, [mine.node, *judged], **took)
    ledger = Ledger(artifacts)
    variant = Variant("v", "v", {}, frozenset())
    sums = ledger.cell(Cell("s", "p", variant, 0, chosen))
    assert len(drawn) == len(judged) == 4
    assert (sums["sample"].spent_flops, sums["sample"].spent_tokens) == (1.0, 10)
    assert sums["evaluate"].spent_flops == 4 * 1.0 + 4 * 0.25
    assert sums["score"].spent_flops == 0
    everything = sum(a.cost.flops for a in artifacts.values())
    assert sum(s.spent_flops for s in sums.values()) == everything
    assert sums["evaluate"].flops == 0
    again = ledger.cell(Cell("s", "p", variant, 1, chosen))
    assert sum(s.spent_flops for s in again.values()) == 0
