"""Plan the ``serve`` nodes: one a suite and policy, for the first seed, on fixed prompts."""

from __future__ import annotations

from collections.abc import Mapping

from rsft_bench.harness.catalog import source_modules
from rsft_bench.harness.cellspace import body_of
from rsft_bench.harness.machine import machine
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.serving import rule_of
from rsft_bench.harness.spaces import Cell, Plan
from rsft_bench.harness.types import Example, Json


def serve_nodes(
    plan: Plan,
    cells: list[Cell],
    examples: Mapping[tuple[str, int], tuple[Example, ...]],
) -> dict[tuple[str, str], Node]:
    """By (suite, policy); empty where nothing is to be timed or a policy only replays answers.

    One process holds one reward: variants that name another than the run's are not timed.
    """
    count = plan.config.evaluation.serve_prompts
    seed = plan.config.seeds[0]
    nodes = {}
    for spec in plan.config.suites:
        for policy in plan.policies_of(spec.key):
            group = [
                c
                for c in cells
                if (c.suite, c.policy, c.seed) == (spec.key, policy.name, seed)
                and c.variant.params.get("reward") is None
            ]
            if count and group and (policy.weights or policy.own):
                asked = [e for e in examples[spec.key, seed] if e.split == "confirm"][:count]
                nodes[spec.key, policy.name] = _node(plan, group, asked, seed)
    return nodes


def _node(plan: Plan, cells: list[Cell], asked: list[Example], seed: int) -> Node:
    policies: dict[str, Node] = {}
    entries: list[Json] = []
    proxies: list[Node] = []
    code: list[str] = []
    name = plan.suite(cells[0].suite).name
    suite = plan.catalog.suite(name)
    for cell in cells:
        policies.setdefault(cell.arm.policy.uid, cell.arm.policy)
        # One answer leaves nothing to pick, and nothing to score.
        pick = cell.arm.pick if cell.arm.pick is not None and cell.arm.pick.n > 1 else None
        entries.append(
            {
                "variant": cell.variant.id,
                "policy": list(policies).index(cell.arm.policy.uid),
                "temperature": cell.arm.temperature,
                "n": 1 if pick is None else pick.n,
                "method": None if pick is None else pick.method,
            }
        )
        if pick is not None:
            rule = rule_of(plan.catalog, pick.method)
            code += [*source_modules(rule), *plan.catalog.suite_code(name)]
            if rule.reads_proxy and cell.arm.proxy is not None:
                proxies.append(cell.arm.proxy)
    pool = plan.config.resolved()["pool"]
    params = {
        "entries": entries,
        "suite": suite.name,
        "prompts": [[e.example_id, e.prompt] for e in asked],
        "sampling": {"top_p": pool["top_p"], "max_new_tokens": pool["max_new_tokens"]},
        "seed": seed,
        "machine": machine()["fingerprint"],
    }
    inputs = {"policies": tuple(policies.values()), "proxy": tuple(proxies[:1])}
    for proxy in proxies[:1]:
        inputs |= body_of(proxy)
    made = (*policies.values(), *proxies[:1])
    code += [module for node in made for module in node.code]
    return Node("serve", params, inputs, code=tuple(dict.fromkeys(code)))
