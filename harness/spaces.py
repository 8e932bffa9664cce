"""From a config to cellspaces: suites loaded, policies checked, variants expanded, arms planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from rsft_bench.harness.arms import Arm, Serving
from rsft_bench.harness.catalog import Catalog, source_modules
from rsft_bench.harness.cellspace import Cellspace, Settings
from rsft_bench.harness.config import RunConfig
from rsft_bench.harness.config_specs import SuiteSpec
from rsft_bench.harness.errors import ConfigError, UserError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.inputs import suite_files, suite_options
from rsft_bench.harness.method import Method
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.preflight import (
    check_body,
    check_capabilities,
    check_config,
    check_placed,
    check_prompts,
    chosen_reward,
    known_options,
)
from rsft_bench.harness.proposals import Proposal, proposal_of
from rsft_bench.harness.recorded_data import check_answered, check_labels
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.reward_protocols import FittedReward, needs_body
from rsft_bench.harness.run_policies import Policy, resolve_policy
from rsft_bench.harness.tuning import plan_variant
from rsft_bench.harness.types import SPLITS, Capability, Example, Json, Split
from rsft_bench.harness.variants import Variant, expand, parse_variant, primary_variant

#: Name of the chosen trial by (suite label, policy, variant id).
Choices: TypeAlias = Mapping[tuple[str, str, str], str]


@dataclass(frozen=True, slots=True)
class Cell:
    """One suite, policy, variant and seed with its planned arm."""

    suite: str
    policy: str
    variant: Variant
    seed: int
    arm: Arm

    @property
    def order(self) -> tuple[str, str, str, int]:
        """Position in id order; the first cell that uses an artifact is charged for it."""
        return (self.suite, self.policy, self.variant.id, self.seed)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything resolved from a config before data is loaded.

    ``files`` holds the hash of the files that each suite reads, None where it reads none.
    """

    config: RunConfig
    catalog: Catalog
    methods: Registry[Method]
    variants: tuple[Variant, ...]
    primary: Variant | None
    policies: tuple[Policy, ...]
    files: Mapping[str, str | None]
    reward: FittedReward
    reward_options: Mapping[str, Json]

    def label_data(self) -> Node | None:
        """The node that loads the labels of another data set for the reward, if it reads some."""
        source = self.config.reward.labels
        return None if source is None else data_node(self, source.spec, 0)

    def variants_of(self, suite: str) -> tuple[Variant, ...]:
        """The variants that run on the suite of one label."""
        spec = self.suite(suite)
        if spec.variants is None:
            return self.variants
        wanted = {parse_variant(text, self.methods).id for text in spec.variants}
        return tuple(v for v in self.variants if v.id in wanted)

    def policies_of(self, suite: str) -> tuple[Policy, ...]:
        """The policies that run on the suite of one label, in the order of the config."""
        wanted = self.suite(suite).policies
        return tuple(p for p in self.policies if wanted is None or p.name in wanted)

    def suite(self, label: str) -> SuiteSpec:
        """The suite of one label."""
        return next(spec for spec in self.config.suites if spec.key == label)

    def matched(self) -> Variant | None:
        """The primary's matched random control, where it is among the variants.

        It differs in nothing but the rule. It copies the primary's counts prompt by prompt, by the
        primary's id, or by the primary's rule with the parameters that this rule reads.
        """
        primary = self.primary
        if primary is None or primary.method != "rsft":
            return None
        rule = self.catalog.registry("rule").get(primary.params["accept"])
        alike = {**primary.params, "accept": "random"}
        unread = {**alike, **dict.fromkeys(rule.reads), "match": primary.id}
        wanted = (unread, {**alike, "match": rule.name})
        for params in wanted:
            for variant in self.variants:
                if variant.method == "rsft" and variant.params == params:
                    return variant
        return None

    def settings(self, policy: str) -> Settings:
        """The numbers that the nodes of one policy depend on."""
        plain = self.config.resolved()
        spec = next(spec for spec in self.config.policies if spec.name == policy)
        training = self.config.training_of(spec).model_dump(mode="json")
        primary = "" if self.primary is None else self.primary.id
        reward = {name: plain["reward"][name] for name in ("name", "n_label")}
        reward["options"] = dict(self.reward_options)
        return Settings(plain["pool"], training, reward, plain["evaluation"], primary)

    def serving(self, variant: Variant, capabilities: frozenset[Capability]) -> Serving:
        """Test draws of a variant: more for what others reweight and for the primary."""
        evaluation = self.config.evaluation
        if variant.id in self.sources(capabilities):
            draws = evaluation.best_of_draws
        elif self.primary is not None and variant.id == self.primary.id:
            draws = evaluation.primary_draws
        else:
            draws = evaluation.draws
        return Serving(draws, evaluation.splits)

    def sources(self, capabilities: frozenset[Capability]) -> frozenset[str]:
        """Ids of the variants whose test draws another reweights, for these capabilities."""
        by = [(v, getattr(self.methods.get(v.method), "reweights", None)) for v in self.variants]
        named = {v.params[parameter] for v, parameter in by if parameter is not None}
        default = {"sft"} if "trainable" in capabilities else {"base"}
        ids = {name for name in named if name is not None} | (default if None in named else set())
        return frozenset(parse_variant(i, self.methods).id for i in ids)

    def k_max(self) -> dict[Proposal, int]:
        """Largest k by proposal: the size each shared pool is drawn at."""
        largest: dict[Proposal, int] = {}
        pool = self.config.resolved()["pool"]
        for variant in self.variants:
            proposal = proposal_of(variant.params, pool)
            if proposal is not None:
                largest[proposal] = max(largest.get(proposal, 0), variant.params["k"])
        return largest


def make_plan(config: RunConfig, catalog: Catalog) -> Plan:
    """Resolve and check everything that needs no data loaded.

    Raises:
        UserError: unknown names, bad parameters, gold as reward without an oracle, a capability
            that a policy lacks, data files that cannot be read; nothing has been spent.
    """
    methods: Registry[Method] = catalog.registry("method")
    variants = expand(config, methods)
    check_config(config, variants, methods, catalog)
    policies = tuple(resolve_policy(spec, catalog) for spec in config.policies)
    for spec in config.suites:
        _check_listed(spec, variants, methods)
    check_placed(config)
    primary = primary_variant(config, methods)
    files = {spec.key: suite_files(config, spec, catalog) for spec in config.suites}
    if config.reward.labels is not None:
        source = config.reward.labels.spec
        check_labels(catalog.suite(source.name))
        known_options(source, "suite", catalog.suite(source.name).options)
        files[source.key] = suite_files(config, source, catalog)
    reward, options = chosen_reward(config, catalog)
    check_body(reward, config, policies)
    plan = Plan(config, catalog, methods, variants, primary, policies, files, reward, options)
    for spec in config.suites:
        requires = [(spec.name, catalog.suite(spec.name).requires)]
        mine = plan.variants_of(spec.key)
        for policy in plan.policies_of(spec.key):
            check_capabilities(policy.name, policy.capabilities, mine, methods, requires)
            check_answered(catalog.suite(spec.name), policy.replays, policy.name)
    return plan


def _check_listed(
    spec: SuiteSpec, variants: tuple[Variant, ...], methods: Registry[Method]
) -> None:
    present = {v.id for v in variants}
    for text in spec.variants or ():
        if parse_variant(text, methods).id not in present:
            raise ConfigError(
                f"suites: {spec.key!r} lists variant {text!r}, which the run does not have; "
                f"it has: {', '.join(sorted(present))}"
            )


def data_node(plan: Plan, spec: SuiteSpec, seed: int) -> Node:
    """The node that loads one suite for one seed."""
    suite = plan.catalog.suite(spec.name)
    options = suite_options(plan.config, spec, plan.catalog)
    params = {"suite": spec.name, "version": suite.version, "options": options, "seed": seed}
    if plan.files[spec.key] is not None:
        params["files"] = plan.files[spec.key]
    return Node("data", params, {}, code=plan.catalog.suite_code(spec.name))


def make_space(
    plan: Plan, spec: SuiteSpec, policy: Policy, seed: int, examples: list[Example]
) -> Cellspace:
    """The cellspace of one suite, policy and seed.

    Raises:
        UserError: a split without examples, or prompts that the policy cannot answer.
    """
    by_split: dict[Split, tuple[Example, ...]] = {
        split: tuple(e for e in examples if e.split == split) for split in SPLITS
    }
    for split in plan.config.evaluation.splits:
        if not by_split[split]:
            raise UserError(
                f"suite {spec.key!r} has no {split!r} examples; give it more data or another limit"
            )
    check_prompts(plan.catalog.registry("policy").get(policy.name), policy.options, spec, examples)
    return Cellspace(
        suite=spec.name,
        label=spec.key,
        suite_code=plan.catalog.suite_code(spec.name),
        policy=policy.name,
        capabilities=policy.capabilities,
        seed=seed,
        settings=plan.settings(policy.name),
        data=data_node(plan, spec, seed),
        base=policy.node(),
        examples=by_split,
        k_max=plan.k_max(),
        rules=plan.catalog.registry("rule"),
        reward_code=source_modules(plan.reward),
        reward_body=needs_body(plan.reward),
        reward_draws=int(getattr(plan.reward, "least_draws", 1)),
        losses=policy.losses,
        replays=policy.replays,
        rewards=plan.catalog.registry("reward"),
        label_data=plan.label_data(),
    )


def plan_cells(plan: Plan, space: Cellspace, choices: Choices) -> tuple[Graph, list[Cell]]:
    """All cells of one cellspace, with arms planned in one shared graph.

    ``choices`` names the chosen trial by (suite, policy, variant); arms without one stay open.

    Test draws are scored by the proxy only where some arm, or the gate, needs it: a policy that
    only replays answers then needs none on ``proxy_label``.
    """
    bare = _planned(plan, replace(space, scored=False), choices)
    if bare[0].proxy_asked or "proxy" in plan.config.gate.metrics:
        return _planned(plan, space, choices)
    return bare


def _planned(plan: Plan, space: Cellspace, choices: Choices) -> tuple[Graph, list[Cell]]:
    def plan_arm(graph: Graph, text: str) -> Arm:
        variant = parse_variant(text, plan.methods)
        method = plan.methods.get(variant.method)
        choice = choices.get((space.label, space.policy, variant.id))
        serving = plan.serving(variant, space.capabilities)
        return plan_variant(method, variant, graph, serving, choice)

    graph = Graph(space, plan_arm)
    cells = [
        Cell(space.label, space.policy, variant, space.seed, graph.arm(variant.id))
        for variant in plan.variants_of(space.label)
    ]
    return graph, cells
