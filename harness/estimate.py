"""What a run would take, before anything is spent: cells, tokens, FLOPs, minutes, and its sight.

Token counts assume 3.6 characters a token and answers as long as the references; time assumes the
rates below. All are rough and say so; the run itself measures.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.config import RunConfig
from rsft_bench.harness.inputs import suite_options
from rsft_bench.harness.learning import LIKELIHOOD
from rsft_bench.harness.metering.formulas import forward_flops, sample_flops, train_flops
from rsft_bench.harness.nodes import Node, closure
from rsft_bench.harness.segments import drawn_prompts
from rsft_bench.harness.settling import arm_nodes
from rsft_bench.harness.spaces import Cell, Choices, make_plan, make_space, plan_cells
from rsft_bench.harness.statistics import minimum_detectable
from rsft_bench.harness.types import Example, Json

CHARACTERS_PER_TOKEN = 3.6
#: FLOP/s of one worker with a core of its own, as preset ``quick`` took them on two cores: 14.6 T
#: sampled in 443 and 87.8 T trained in 1,048 processor seconds, less a quarter for other machines.
SAMPLE_FLOPS_PER_S = 25e9
TRAIN_FLOPS_PER_S = 63e9
#: Forward and backward passes of a row where its loss takes more than one: a pair has two answers,
#: and a reference that is read with every step adds a forward pass, a third. What a reference reads
#: once before training is left out.
PASSES = {"anchored": 4 / 3, "preference": 2.0}
#: Assumed for the minimum detectable effect: SD over seeds of a paired difference, SD of one
#: example's paired difference and the share of it that its cluster carries.
SEED_SD = 0.025
EXAMPLE_SD = 0.35
CLUSTER_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Estimate:
    """A run's size. Times in seconds, ``mde`` in units of gold_pass on ``confirm``, by suite.

    ``uncounted`` names policies whose shape is not known; FLOPs and time leave their work out.
    """

    cells: int
    variants: tuple[str, ...]
    nodes: Mapping[str, int]
    completions: int
    sampled_tokens: float
    trained_tokens: float
    flops: float
    wall_s: float
    mde: Mapping[str, float]
    uncounted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Size:
    """What one node's cost depends on: the model's shape, None where unknown, and token counts."""

    shape: Mapping[str, Json] | None
    prompt: float
    answer: float


def plan(config: RunConfig, catalog: Catalog, workers: int) -> Estimate:
    """Plan every cell of a config without running one. Raises UserError as ``runner.run``."""
    made = make_plan(config, catalog)
    cells: list[Cell] = []
    nodes: dict[str, Node] = {}
    sizes: dict[str, _Size] = {}
    mde = {}
    for spec in config.suites:
        suite = catalog.suite(spec.name)
        options = suite_options(config, spec, catalog)
        examples = list(suite.load(options, config.seeds[0]).examples)
        mde[spec.key] = detectable(examples, len(config.seeds))
        prompt, answer = prompt_tokens(examples), answer_tokens(examples)
        for policy in made.policies_of(spec.key):
            size = _Size(policy.shape(), prompt, answer)
            for seed in config.seeds:
                space = make_space(made, spec, policy, seed, examples)
                graph, _ = plan_cells(made, space, {})
                first: Choices = {
                    (space.label, space.policy, variant): next(iter(arm.trials))
                    for variant, arm in graph.open_arms().items()
                    if arm.trials
                }
                # Which trial wins is not known yet; all cost the same.
                _, planned = plan_cells(made, space, first)
                cells += planned
                found = closure([n for cell in planned for n in arm_nodes(cell.arm)])
                nodes |= found
                sizes |= dict.fromkeys(found, size)
    unknown = tuple(p.name for p in made.policies if p.shape() is None)
    return _sum(cells, nodes, sizes, mde, workers, unknown)


def _sum(
    cells: list[Cell],
    nodes: Mapping[str, Node],
    sizes: Mapping[str, _Size],
    mde: Mapping[str, float],
    workers: int,
    uncounted: tuple[str, ...],
) -> Estimate:
    completions, sampled, trained, sample_cost, train_cost = 0, 0.0, 0.0, 0.0, 0.0
    spent: dict[str, float] = {}
    for uid, node in nodes.items():
        shape, prompt, answer = sizes[uid].shape, sizes[uid].prompt, sizes[uid].answer
        if node.stage == "sample":
            start, stop = node.params["draws"]
            rows = len(node.params["prompts"]) * (stop - start)
            completions += rows
            sampled += rows * answer
            if shape is not None:
                spent[uid] = rows * sample_flops(shape, prompt, answer, shared_by=stop - start)
                sample_cost += spent[uid]
        elif node.stage == "score" and "body" in node.inputs and shape is not None:
            sample_cost += _drawn_rows(node) * forward_flops(shape, prompt, answer)
        elif node.stage == "ratio" and shape is not None:
            sample_cost += 2 * _drawn_rows(node) * forward_flops(shape, prompt, answer)
        elif node.stage in ("fit", "online"):
            one = 0.0 if shape is None else train_flops(shape, prompt, answer)
            examples = _trained_rows(node, spent, one)
            trained += examples * (prompt + answer)
            spent[uid] = examples * one
            train_cost += spent[uid]
            if node.stage == "online":
                rows = _online_rows(node)
                completions += rows
                sampled += rows * answer
                drawn = 0.0 if shape is None else rows * sample_flops(shape, prompt, answer, 8)
                spent[uid] += drawn
                sample_cost += drawn
    wall = (sample_cost / SAMPLE_FLOPS_PER_S + train_cost / TRAIN_FLOPS_PER_S) / max(workers, 1)
    return Estimate(
        cells=len(cells),
        variants=tuple(dict.fromkeys(cell.variant.id for cell in cells)),
        nodes=dict(Counter(node.stage for node in nodes.values())),
        completions=completions,
        sampled_tokens=sampled,
        trained_tokens=trained,
        flops=sample_cost + train_cost,
        wall_s=wall,
        mde=mde,
        uncounted=uncounted,
    )


def _drawn_rows(node: Node) -> int:
    """Answers of the blocks that a node reads."""
    read = [n.params for n in node.inputs["samples"] if n.stage == "sample"]
    return sum(len(p["prompts"]) * (p["draws"][1] - p["draws"][0]) for p in read)


def _online_rows(node: Node) -> int:
    """Answers that a fit draws while it trains."""
    prompts, steps = len(node.params["prompts"]), node.params["budget"]["steps"]
    return drawn_prompts(prompts, steps, node.params["every"]) * int(node.params["k"])


def _trained_rows(node: Node, spent: Mapping[str, float], one: float) -> float:
    """Rows a fit reads; where its steps are open, as many as cost what it matches."""
    budget = node.params["budget"]
    if budget["steps"] is None:
        pairs = zip(node.inputs["matched"], node.params["shares"], strict=True)
        whole = sum(spent.get(n.uid, 0.0) * share for n, share in pairs)
        return whole / one if one else 0.0
    passes = sum(PASSES.get(spec.get("loss", LIKELIHOOD), 1.0) for spec in node.params["sets"])
    return float(budget["steps"] * budget["batch"]) * passes


def prompt_tokens(examples: list[Example]) -> float:
    """Mean tokens of a prompt, estimated from characters."""
    lengths = [len(e.prompt) for e in examples]
    return sum(lengths) / max(len(lengths), 1) / CHARACTERS_PER_TOKEN


def answer_tokens(examples: list[Example]) -> float:
    """Mean tokens of a reference answer and its stop, estimated from characters."""
    lengths = [len(text) for e in examples for text in e.references[:1]]
    return sum(lengths) / max(len(lengths), 1) / CHARACTERS_PER_TOKEN + 1


def detectable(examples: list[Example], seeds: int) -> float:
    """Minimum detectable effect of a paired difference on ``confirm`` under the assumed SDs.

    NaN with one seed or fewer than 10 clusters, where no interval would be given.
    """
    asked = [e for e in examples if e.split == "confirm"]
    clusters = len({e.cluster for e in asked})
    if seeds < 2 or clusters < 10:
        return math.nan
    size = len(asked) / clusters
    seed = SEED_SD**2 / seeds
    within = EXAMPLE_SD**2 * (CLUSTER_SHARE + (1 - CLUSTER_SHARE) / (size * seeds))
    cluster = within / clusters
    total = seed + cluster
    df = max(total**2 / (seed**2 / (seeds - 1) + cluster**2 / (clusters - 1)), seeds - 1)
    return float(minimum_detectable(math.sqrt(total), df))
