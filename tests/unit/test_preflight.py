"""What a plan resolves and refuses before anything is spent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rsft_bench.baselines import METHODS
from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.config import config_schema, parse_config
from rsft_bench.harness.errors import CapabilityError, ConfigError
from rsft_bench.harness.inputs import suite_options
from rsft_bench.harness.preflight import check_capabilities, check_kind
from rsft_bench.harness.spaces import Plan, make_plan, make_space, plan_cells
from rsft_bench.harness.types import Capability, Json, Param
from rsft_bench.harness.variants import parse_variant

ARGMAX = "rsft[accept=argmax,k=4,lambda=1]"
TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})


def plan(catalog: Catalog | None = None, **changes: Any) -> Plan:
    base = {"suites": ["order_status"], "variants": ["sft"], "seeds": [0]}
    return make_plan(parse_config({**base, **changes}), catalog or Catalog())


RATE = "rsft[accept=threshold,k=4,lambda=1,target_rate=0.1]"
TAU = "rsft[accept=threshold,k=4,lambda=1,tau=0.5]"
TOP = "rsft[accept=top_m,k=4,lambda=1,m=2]"
RSO = "rsft[accept=statistical,beta=0.5,k=4,lambda=1,m=2]"


@pytest.mark.parametrize(
    ("primary", "control", "found"),
    [
        (ARGMAX, "rsft[accept=random,k=4,lambda=1,match=argmax]", True),
        (ARGMAX, f"rsft[accept=random,k=4,lambda=1,match={ARGMAX}]", True),
        (TOP, "rsft[accept=random,k=4,lambda=1,m=2,match=top_m]", True),
        (TOP, "rsft[accept=random,k=4,lambda=1,m=3,match=top_m]", False),
        (TOP, f"rsft[accept=random,k=4,lambda=1,match={TOP}]", True),
        (RSO, f"rsft[accept=random,k=4,lambda=1,match={RSO}]", True),
        # Counts anywhere are another control, and so is another proposal.
        (TOP, f"rsft[accept=random,by=rate,k=4,lambda=1,match={TOP}]", False),
        (TOP, f"rsft[accept=random,k=4,lambda=1,match={TOP},source=base]", False),
        (RATE, f"rsft[accept=random,k=4,lambda=1,match={RATE}]", True),
        (TAU, f"rsft[accept=random,k=4,lambda=1,match={TAU}]", True),
        # By rule they decide what is copied.
        (RATE, "rsft[accept=random,k=4,lambda=1,match=threshold,target_rate=0.1]", True),
        (RATE, "rsft[accept=random,k=4,lambda=1,match=threshold,target_rate=0.3]", False),
        (TAU, "rsft[accept=random,k=4,lambda=1,match=threshold,tau=0.5]", True),
        (TAU, "rsft[accept=random,k=4,lambda=1,match=threshold,tau=0.6]", False),
        (RATE, "rsft[accept=random,k=4,lambda=1,match=argmax]", False),
        (RATE, f"rsft[accept=random,k=4,lambda=1,match={TAU}]", False),
        (ARGMAX, "rsft[accept=random,k=8,lambda=1,match=argmax]", False),
        (ARGMAX, "rsft[accept=random,k=4,lambda=2,match=argmax]", False),
    ],
)
def test_the_matched_control_is_found(primary: str, control: str, found: bool) -> None:
    made = plan(variants=["sft", primary, control], primary=primary)
    matched = made.matched()
    assert (matched is not None) == found
    if matched is not None:
        assert matched.id == parse_variant(control, METHODS).id


@pytest.mark.parametrize(
    ("setting", "control"),
    [
        (ARGMAX, "rsft[accept=random,k=4,lambda=1,match=argmax]"),
        (TOP, f"rsft[accept=random,k=4,lambda=1,match={TOP}]"),
        (RSO, f"rsft[accept=random,k=4,lambda=1,match={RSO}]"),
        (
            "rsft[accept=argmax,k=16,lambda=1,mix=base,pool_top_p=0.9]",
            "rsft[accept=random,k=16,lambda=1,match=argmax,mix=base,pool_top_p=0.9]",
        ),
        ("rsft[accept=all,k=4,lambda=1]", None),
        ("rsft[accept=random,by=rate,k=4,lambda=1,match=argmax]", None),
        ("rsft[accept=argmax,k=4,lambda=0]", None),
    ],
)
def test_a_setting_of_a_sweep_names_its_control(setting: str, control: str | None) -> None:
    variant = parse_variant(setting, METHODS)
    assert variant.id == setting
    found = METHODS.get("rsft").control(variant.params, variant.id)
    assert found == control
    if found is not None:
        assert parse_variant(found, METHODS).id == found
        made = plan(variants=["sft", setting, found], primary=setting)
        matched = made.matched()
        assert matched is not None
        assert matched.id == found


def test_extra_prompts_need_a_suite_that_has_them(tmp_path: Path) -> None:
    assert plan(pool={"extra_prompts": 3})
    with pytest.raises(ConfigError, match="pool.extra_prompts cannot be 3"):
        plan(TOY, suites=["toy"], pool={"extra_prompts": 3})


def test_a_suite_that_states_no_metrics_may_have_any() -> None:
    assert plan(TOY, suites=["toy"], gate={"metrics": ["letters"]})


def test_the_default_gate_needs_no_primary() -> None:
    assert plan(variants=["base"], gate={"variants": ["sft", "primary"]}).primary is None


SAMPLER: frozenset[Capability] = frozenset({"sampler"})


@pytest.mark.parametrize(
    ("variant", "fits"),
    [
        ("base", True),
        ("best_of_n", True),
        ("best_of_n[source=base]", True),
        ("best_of_n[source=none]", True),
        ("majority_vote", True),
        ("weighted_vote[source=base]", True),
        ("mbr[source=rsft]", False),
        ("sft", False),
        # Its id is that of the default, which would be base here; what was asked for is sft.
        ("best_of_n[source=sft]", False),
        ("best_of_n[source=rsft]", False),
    ],
)
def test_a_variant_needs_what_its_source_needs(variant: str, fits: bool) -> None:
    variants = (parse_variant(variant, METHODS),)
    if fits:
        check_capabilities("p", SAMPLER, variants, METHODS, [])
        return
    with pytest.raises(CapabilityError, match="needs capability 'trainable', which policy 'p'"):
        check_capabilities("p", SAMPLER, variants, METHODS, [])


@dataclass(frozen=True)
class Boaster:
    """Claims to be trainable without weights."""

    name: str = "boaster"
    version: str = "1"
    options: tuple[Param, ...] = ()
    capabilities: frozenset[Capability] = frozenset({"sampler", "trainable"})

    def fingerprint(self, options: Json) -> str:
        return ""

    def load(self, options: Json) -> None:
        return None


class OwnTraining(Boaster):
    """Keeps and restores its own fits."""

    def restore(self, options: Json, folder: Path) -> None:
        return None


def test_only_weights_or_an_own_trainer_can_be_trained() -> None:
    with pytest.raises(CapabilityError, match="claims 'trainable' without a folder"):
        check_kind(Boaster())
    check_kind(OwnTraining())


TWO: dict[str, Any] = {"policies": ["categorical", "nano-1"], "suites": ["synthetic_choices"]}


def placed(*suites: Any, **changes: Any) -> Plan:
    return plan(**{**TWO, "suites": list(suites), **changes})


def test_a_suite_may_name_its_policies() -> None:
    made = placed({"name": "synthetic_choices", "policies": ["categorical"]}, "order_status")
    assert [p.name for p in made.policies_of("synthetic_choices")] == ["categorical"]
    assert [p.name for p in made.policies_of("order_status")] == ["categorical", "nano-1"]


@pytest.mark.parametrize(
    ("suites", "words"),
    [
        (
            [{"name": "synthetic_choices", "policies": ["categorcal"]}],
            "lists policy 'categorcal', which the run does not have. Did you mean 'categorical'",
        ),
        # Registered, but not in this run.
        ([{"name": "order_status", "policies": ["recorded"]}], "lists policy 'recorded', which"),
        (
            [{"name": "order_status", "policies": ["nano-1"]}],
            "policy 'categorical' runs on no suite",
        ),
    ],
)
def test_policies_without_a_place_are_refused(suites: list[Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        placed(*suites)


def test_capabilities_are_asked_for_where_a_policy_runs(tmp_path: Path) -> None:
    """Replayed answers beside a trained policy, each on its own suite with its own variants."""
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"prompt": "a", "answers": ["b"]}')
    policies = ["categorical", {"name": "recorded", "path": str(answers)}]
    own = {"name": "synthetic_choices", "policies": ["categorical"]}
    replayed = {"name": "order_status", "policies": ["recorded"], "variants": ["base"]}
    variants = ["base", "sft", "best_of_n"]
    made = placed(own, replayed, policies=policies, variants=variants)
    assert [v.id for v in made.variants_of("order_status")] == ["base"]
    with pytest.raises(CapabilityError, match="'sft' needs capability 'trainable', which policy"):
        placed(own, {**replayed, "variants": ["sft"]}, policies=policies, variants=variants)
    # Best-of-n reweights what each policy starts from: sft of one, base of the other.
    by_name = {p.name: made.sources(p.capabilities) for p in made.policies}
    assert by_name == {"categorical": {"sft"}, "recorded": {"base"}}


def test_a_suite_for_all_policies_changes_no_hash() -> None:
    raw: dict[str, Any] = {"suites": ["order_status"], "variants": ["sft"]}
    config = parse_config(raw)
    assert "policies" not in config.resolved()["suites"][0]
    named = parse_config({**raw, "suites": [{"name": "order_status", "policies": ["nano-1"]}]})
    assert named.config_hash() != config.config_hash()
    assert parse_config(named.resolved()) == named
    assert "policies" in config_schema()["$defs"]["SuiteSpec"]["properties"]


def test_a_blocking_variant_that_the_run_lacks_is_refused_before_anything_is_spent() -> None:
    with pytest.raises(ConfigError, match="'base' is not among the run's variants"):
        plan(variants=["sft"], gate={"variants": ["base"]})
    with pytest.raises(ConfigError, match="no `primary`"):
        plan(variants=["sft"], gate={"variants": ["primary"]})
    # Written with a default, it is still the variant that the run has.
    plan(variants=["sft"], gate={"variants": ["sft[temperature=1]"]})


def test_a_run_that_says_nothing_of_the_gate_need_not_have_its_default_variants() -> None:
    plan(policies=[{"name": "recorded", "path": __file__}], variants=["base"])


# rewards


def test_options_of_a_reward_are_typed_and_have_defaults() -> None:
    made = plan(reward={"name": "noisy", "scale": 2})
    assert made.settings("nano-1").reward == {
        **{"name": "noisy", "n_label": 400},
        "options": {"inner": "proxy", "scale": 2.0, "law": "gaussian", "key": "text"},
    }
    assert plan().settings("nano-1").reward == {"name": "proxy", "n_label": 400, "options": {}}
    config = made.config
    assert parse_config(config.resolved()) == config
    assert config.config_hash() != plan(reward={"name": "noisy"}).config.config_hash()


@pytest.mark.parametrize(
    ("reward", "words"),
    [
        ({"n_lable": 400}, "unknown option 'n_lable' of reward 'proxy'. Did you mean 'n_label'"),
        ({"name": "noisy", "scael": 2}, "Did you mean 'scale'"),
        ({"name": "noisy", "scale": -1}, r"reward 'noisy', option 'scale': -1 is outside \[0"),
        ({"name": "noisy", "law": "gausian"}, "Did you mean 'gaussian'"),
        ({"name": "noisy", "inner": "noisy"}, "cannot carry noise"),
        ({"name": "random", "key": "words"}, "Allowed: text, draw"),
        ({"name": "body_head", "pooling": 3}, "option 'pooling'"),
        ({"name": "gold"}, "oracle: true"),
    ],
)
def test_a_bad_reward_is_refused(reward: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plan(reward=reward)


@pytest.mark.parametrize("reward", [{"name": "body_head"}, {"name": "noisy", "inner": "body_head"}])
def test_a_reward_that_reads_weights_needs_them(reward: dict[str, Any], tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"example_id": "a", "answers": ["b"]}\n')
    recorded = [{"name": "recorded", "path": str(answers)}]
    with pytest.raises(CapabilityError, match="needs capability 'body'.* policy 'recorded' lacks"):
        plan(policies=recorded, variants=["base"], reward=reward)
    # A policy that trains itself has no weights to read, either.
    with pytest.raises(CapabilityError, match="'body'.* policy 'categorical' lacks"):
        plan(policies=["nano-1", "categorical"], suites=["synthetic_choices"], reward=reward)
    assert plan(reward=reward)
    assert plan(policies=recorded, variants=["base"])


def test_pairs_need_two_answers_to_a_prompt() -> None:
    pairs = {"name": "bradley_terry", "n_label": 100}
    made = plan(reward=pairs, variants=[ARGMAX])
    spec = made.config.suites[0]
    examples = made.catalog.suite(spec.name).load({**defaults(made), "n_proxy_label": 100}, 0)
    space = make_space(made, spec, made.policies[0], 0, list(examples.examples))
    with pytest.raises(ConfigError, match="n_label = 100 over 100 prompts is one answer each"):
        plan_cells(made, space, {})
    enough = plan(reward={**pairs, "n_label": 101}, variants=[ARGMAX])
    space = make_space(enough, spec, enough.policies[0], 0, list(examples.examples))
    graph, _ = plan_cells(enough, space, {})
    assert graph.proxy().params["options"] == {"grades": "pass"}
    assert "body" not in graph.proxy().inputs


def test_the_body_is_the_policy_that_every_arm_starts_from() -> None:
    made = plan(reward={"name": "body_head", "pooling": "last"}, variants=[ARGMAX])
    spec = made.config.suites[0]
    examples = list(made.catalog.suite(spec.name).load(defaults(made), 0).examples)
    graph, cells = plan_cells(made, make_space(made, spec, made.policies[0], 0, examples), {})
    proxy = graph.proxy()
    assert [node.uid for node in proxy.inputs["body"]] == [graph.sft().uid]
    assert proxy.params["options"] == {"pooling": "last"}
    assert "rsft_bench.harness.policies.body" in proxy.code
    (test,) = [e.draws for e in cells[0].arm.evaluations if e.split == "confirm"]
    assert {n.uid for s in test.scores for n in s.inputs["body"]} == {graph.sft().uid}


def defaults(made: Plan) -> dict[str, Json]:
    """Options of the first suite of a plan."""
    return suite_options(made.config, made.config.suites[0], made.catalog)
