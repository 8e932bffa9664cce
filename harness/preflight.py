"""What is refused before anything is spent: names, options, capabilities, rewards, the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rsft_bench.harness.catalog import Catalog, with_defaults
from rsft_bench.harness.config import GateConfig, RunConfig
from rsft_bench.harness.config_specs import NamedSpec, SuiteSpec
from rsft_bench.harness.errors import (
    CapabilityError,
    ConfigError,
    UnknownNameError,
    UserError,
    did_you_mean,
)
from rsft_bench.harness.method import Method
from rsft_bench.harness.policies.language_model import CAUSAL_ENDINGS
from rsft_bench.harness.policy_kinds import OwnTrainer
from rsft_bench.harness.recorded_data import check_runnable
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.reward_protocols import (
    ConfigurableReward,
    FittedReward,
    needs_body,
    ready,
)
from rsft_bench.harness.rewards.satisfaction_data import find_ratings
from rsft_bench.harness.satisfaction_metrics import INDEX, PREDICTED
from rsft_bench.harness.types import (
    Capability,
    Example,
    HasWeights,
    Json,
    Metric,
    Param,
    Policy,
)
from rsft_bench.harness.values import coerce
from rsft_bench.harness.variants import Variant, gate_ids, parse_variant


class PolicyLike(Protocol):
    """What a check asks of a policy of the run."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def capabilities(self) -> frozenset[Capability]: ...  # noqa: D102

    def shape(self) -> dict[str, Json] | None:
        """Sizes of the model; None where it has no weights."""


#: Parameters of methods that may hold the id of another variant.
REFERENCES = ("source", "mix", "match")


def check_config(
    config: RunConfig,
    variants: tuple[Variant, ...],
    methods: Registry[Method],
    catalog: Catalog,
) -> None:
    """Everything but capabilities; ``variants`` are those of the run.

    Raises:
        UserError: an unknown suite, option, reward or gate entry, each with its near name.
    """
    for spec in config.suites:
        suite = catalog.suite(spec.name)
        check_runnable(suite)
        known_options(spec, "suite", suite.options)
        if config.pool.extra_prompts and not getattr(suite, "extra_prompts", False):
            raise ConfigError(
                f"suite {spec.name!r} has no prompts without answers in D, so pool.extra_prompts "
                f"cannot be {config.pool.extra_prompts}; set it to 0 or leave the suite out"
            )
    chosen_reward(config, catalog)
    _check_gate_variants(config, variants, methods)
    _check_gate_metrics(config, catalog)
    if config.evaluation.kl and config.pool.top_p < 1:
        raise ConfigError(
            f"evaluation.kl needs test draws of the whole law, and pool.top_p = "
            f"{config.pool.top_p:g} cuts it; set pool.top_p to 1 (pool_top_p of a variant cuts its "
            "pool alone)"
        )


def chosen_reward(config: RunConfig, catalog: Catalog) -> tuple[FittedReward, dict[str, Json]]:
    """The reward of a run with its options set, and these options, every declared one.

    Raises:
        UserError: a reward that cannot accept, an option that it does not declare or a value that
            the option does not take.
    """
    spec = config.reward
    kind = catalog.registry("reward").get(spec.name)
    if not isinstance(kind, FittedReward):
        raise ConfigError(
            f"reward {spec.name!r} cannot accept answers; use reward.name: proxy, or set "
            "oracle: true on a variant to accept by gold"
        )
    declared = kind.options if isinstance(kind, ConfigurableReward) else ()
    options = with_defaults(known_options(spec, "reward", declared), declared)
    for param in declared:
        try:
            options[param.name] = coerce(param, options[param.name])
        except ValueError as error:
            raise ConfigError(f"reward {spec.name!r}, option {param.name!r}: {error}") from None
    return ready(kind, options), options


def check_body(reward: FittedReward, config: RunConfig, policies: Iterable[PolicyLike]) -> None:
    """Raise CapabilityError for a policy without the weights that the reward reads."""
    for policy in policies if needs_body(reward) else ():
        shape = policy.shape() or {}
        names = [str(name) for name in shape.get("architectures") or ()]
        if not any(name.endswith(CAUSAL_ENDINGS) for name in names):
            raise CapabilityError(
                f"reward {config.reward.name!r} needs capability 'body', the weights of a causal "
                f"language model, which policy {policy.name!r} lacks (it has: "
                f"{', '.join(sorted(policy.capabilities))}); use reward.name: proxy or leave the "
                "policy out"
            )


def _check_gate_variants(
    config: RunConfig, variants: tuple[Variant, ...], methods: Registry[Method]
) -> None:
    # A config that says nothing of the gate may run any variants; it cannot save a baseline then.
    if config.gate.variants == GateConfig().variants:
        return
    present = [v.id for v in variants]
    for blocking in gate_ids(config, methods):
        if blocking not in present:
            hint = did_you_mean(blocking, present)
            raise ConfigError(
                f"gate.variants: {blocking!r} is not among the run's variants.{hint} "
                f"They are: {', '.join(sorted(present))}; add it, or name one of these"
            )


def _check_gate_metrics(config: RunConfig, catalog: Catalog) -> None:
    stated = [getattr(catalog.suite(spec.name), "metrics", None) for spec in config.suites]
    registry: Registry[Metric] = catalog.registry("metric")
    names = {m.name for m in registry if m.bounded}
    names |= {name for metrics in stated for name in metrics or ()}
    check_satisfaction(config)
    for metric in config.gate.metrics:
        # A suite that does not state its own metrics may have any.
        if metric in names or (None in stated and metric not in registry):
            check = getattr(registry.get(metric), "ready", None) if metric in registry else None
            if check is not None:
                check()
            continue
        hint = did_you_mean(metric, names)
        raise UnknownNameError(
            f"gate.metrics: {metric!r} cannot block.{hint} Allowed, all in [0, 1]: "
            f"{', '.join(sorted(names))}; see `rsft-bench list metrics`"
        )


def check_satisfaction(config: RunConfig) -> None:
    """Raise UserError for a source of satisfaction that is no file of ratings, or is not there."""
    source = config.evaluation.satisfaction
    if source is None or source == "index":
        if PREDICTED in config.gate.metrics:
            raise ConfigError(
                f"gate.metrics: {PREDICTED!r} needs people's ratings; set evaluation.satisfaction "
                f"to a file of them, or name {INDEX!r}, an index that needs none"
            )
        return
    find_ratings(Path(source))


def known_options(spec: NamedSpec, kind: str, params: Iterable[Param]) -> dict[str, Json]:
    """The options given with a suite, policy or reward. Raises ConfigError on an undeclared one."""
    names = [p.name for p in params]
    for name in spec.given:
        if name not in names:
            names += [key for key in type(spec).model_fields if key != "name"]
            hint = did_you_mean(name, names)
            raise ConfigError(
                f"unknown option {name!r} of {kind} {spec.name!r}.{hint} "
                f"Known: {', '.join(sorted(names)) or 'none'}"
            )
    return spec.given


def check_kind(kind: Policy) -> None:
    """Raise CapabilityError for a policy that claims to be trainable and cannot be.

    Weights are trained by the engine; a policy without them must keep and restore its own fits.
    Likelihoods come from either, too.
    """
    claimed = sorted(kind.capabilities & {"trainable", "scorer"})
    if claimed and not isinstance(kind, HasWeights | OwnTrainer):
        raise CapabilityError(
            f"policy {kind.name!r} claims {claimed[0]!r} without a folder of weights or a training "
            "of its own; give it a method `folder` or `restore`, or claim only 'sampler'"
        )


def check_placed(config: RunConfig) -> None:
    """Raise ConfigError where a suite names a policy that the run has not, or one has no suite."""
    names = [spec.name for spec in config.policies]
    wanted = [spec.policies for spec in config.suites]
    for spec in config.suites:
        for name in spec.policies or ():
            if name not in names:
                hint = did_you_mean(name, names)
                raise ConfigError(
                    f"suites: {spec.key!r} lists policy {name!r}, which the run does not have."
                    f"{hint} It has: {', '.join(names)}"
                )
    for name in names:
        if not any(listed is None or name in listed for listed in wanted):
            raise ConfigError(
                f"policy {name!r} runs on no suite; list it in `policies` of one, or leave it out"
            )


def check_prompts(
    kind: Policy, options: Mapping[str, Json], spec: SuiteSpec, examples: Sequence[Example]
) -> None:
    """Ask a policy that answers only certain prompts whether it can answer these.

    Raises:
        CapabilityError: it cannot; nothing but the data has been loaded.
    """
    check = getattr(kind, "check", None)
    if check is None:
        return
    try:
        check(options, [example.prompt for example in examples])
    except UserError as error:
        raise CapabilityError(f"suite {spec.key!r}: {error}") from None


def check_capabilities(
    policy: str,
    capabilities: frozenset[Capability],
    variants: tuple[Variant, ...],
    methods: Registry[Method],
    suites: Iterable[tuple[str, frozenset[Capability]]],
) -> None:
    """Raise CapabilityError where a suite, a variant or what it builds on needs more."""
    needs = {v.id: _required(v, methods) for v in variants} | dict(suites)
    for who, required in needs.items():
        for capability in sorted(required - capabilities):
            raise CapabilityError(
                f"{who!r} needs capability {capability!r}, which policy {policy!r} lacks "
                f"(it has: {', '.join(sorted(capabilities))}); remove one of the two"
            )


def _required(variant: Variant, methods: Registry[Method]) -> frozenset[Capability]:
    """What a variant and the variants that its parameters name require."""
    method = methods.get(variant.method)
    required = method.requires
    for param in method.params:
        named = variant.params[param.name] if param.name in REFERENCES else None
        if named is None and param.name in variant.explicit:
            named = param.alias
        if isinstance(named, str) and named.partition("[")[0] in methods:
            required |= _required(parse_variant(named, methods), methods)
    return required
