"""What a plan resolves and refuses before anything is spent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rsft_bench.baselines import METHODS
from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.errors import CapabilityError, ConfigError
from rsft_bench.harness.preflight import check_capabilities, check_kind
from rsft_bench.harness.spaces import Plan, make_plan
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


def test_only_weights_can_be_trained() -> None:
    with pytest.raises(CapabilityError, match="claims 'trainable' without a folder"):
        check_kind(Boaster())
