"""Ids are frozen, read back to the same parameters, and mistakes name what was meant."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsft_bench.baselines import METHODS
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.errors import ConfigError, UnknownNameError
from rsft_bench.harness.types import Param
from rsft_bench.harness.values import allowed_range, coerce, format_value
from rsft_bench.harness.variants import expand, gate_ids, parse_variant, resolve, split_id

FROZEN = [
    ("base", {}, "base"),
    ("sft", {"temperature": 0.5}, "sft[temperature=0.5]"),
    ("sft", {"temperature": 1}, "sft"),
    ("sft_more", {}, "sft_more"),
    ("sft_flops", {}, "sft_flops"),
    ("sft_filtered", {}, "sft_filtered"),
    ("sft_filtered", {"keep": 0.5}, "sft_filtered[keep=0.5]"),
    ("best_of_n", {"n": 2}, "best_of_n[n=2]"),
    ("best_of_n", {}, "best_of_n[n=8]"),
    ("majority_vote", {}, "majority_vote[n=8]"),
    ("majority_vote", {"n": 4, "source": "base"}, "majority_vote[n=4,source=base]"),
    ("weighted_vote", {"source": "sft"}, "weighted_vote[n=8]"),
    ("mbr", {"n": 2}, "mbr[n=2]"),
    ("rsft", {}, "rsft[accept=argmax,k=16,lambda=1]"),
    ("rsft", {"lambda": math.inf}, "rsft[accept=argmax,k=16,lambda=inf]"),
    ("rsft", {"lambda": 0.25, "k": 4}, "rsft[accept=argmax,k=4,lambda=0.25]"),
    ("rsft", {"temperature": 0}, "rsft[accept=argmax,k=16,lambda=1,temperature=0]"),
    (
        "rsft",
        {"accept": "threshold", "tau": -math.inf},
        "rsft[accept=threshold,k=16,lambda=1,tau=-inf]",
    ),
    (
        "rsft",
        {"accept": "threshold", "target_rate": 0.1},
        "rsft[accept=threshold,k=16,lambda=1,target_rate=0.1]",
    ),
    (
        "rsft",
        {"accept": "random", "match": "argmax"},
        "rsft[accept=random,k=16,lambda=1,match=argmax]",
    ),
    ("rsft", {"accept": "all", "k": 1}, "rsft[accept=all,k=1,lambda=1]"),
    ("rsft", {"oracle": True}, "rsft[accept=argmax,k=16,lambda=1,oracle=true]"),
    (
        "best_of_n",
        {"n": 4, "source": "rsft[lambda=1,k=16]"},
        "best_of_n[n=4,source=rsft[accept=argmax,k=16,lambda=1]]",
    ),
    # Another spelling of the default has the default's id; a bare method is written out.
    ("best_of_n", {"source": "sft"}, "best_of_n[n=8]"),
    ("best_of_n", {"source": "sft[temperature=1]"}, "best_of_n[n=8]"),
    ("best_of_n", {"source": None}, "best_of_n[n=8]"),
    ("best_of_n", {"source": "base"}, "best_of_n[n=8,source=base]"),
    (
        "best_of_n",
        {"source": "rsft"},
        "best_of_n[n=8,source=rsft[accept=argmax,k=16,lambda=1]]",
    ),
    (
        "rsft",
        {"accept": "random", "match": "rsft"},
        "rsft[accept=random,k=16,lambda=1,match=rsft[accept=argmax,k=16,lambda=1]]",
    ),
    ("sft_more2", {}, "sft_more2"),
    ("sft_labelled", {"temperature": 0}, "sft_labelled[temperature=0]"),
    ("sft_clean", {}, "sft_clean"),
]

DEFAULTS = {
    "base": {"temperature": 1.0},
    "sft": {"temperature": 1.0},
    "sft_more": {"temperature": 1.0},
    "sft_more2": {"temperature": 1.0},
    "sft_flops": {"match": None, "temperature": 1.0},
    "sft_filtered": {"keep": None, "temperature": 1.0},
    "sft_labelled": {"temperature": 1.0},
    "sft_clean": {"temperature": 1.0},
    "best_of_n": {"n": 8, "source": None},
    "majority_vote": {"n": 8, "source": None},
    "weighted_vote": {"n": 8, "source": None},
    "mbr": {"n": 8, "source": None},
    "rsft": {
        "accept": "argmax",
        "k": 16,
        "lambda": 1.0,
        "tau": None,
        "target_rate": None,
        "match": None,
        "pool_temperature": None,
        "normalise": "prompt",
        "oracle": False,
        "temperature": 1.0,
    },
}


PLAIN = (
    *("base", "sft", "sft_more", "sft_more2", "sft_flops"),
    *("sft_filtered", "sft_labelled", "sft_clean"),
)
#: Parameters always shown, by method and by what else is set.
IDENTITY: list[tuple[str, dict[str, Any], set[str]]] = [
    *((method, {}, set()) for method in PLAIN),
    ("best_of_n", {}, {"n"}),
    ("majority_vote", {}, {"n"}),
    ("weighted_vote", {}, {"n"}),
    ("mbr", {"source": "base"}, {"n"}),
    ("best_of_n", {"source": "base"}, {"n"}),
    ("rsft", {}, {"accept", "k", "lambda"}),
    ("rsft", {"tau": 0.5, "match": "argmax"}, {"accept", "k", "lambda"}),
    ("rsft", {"accept": "all"}, {"accept", "k", "lambda"}),
    ("rsft", {"accept": "threshold", "tau": 0.5}, {"accept", "k", "lambda", "tau"}),
    (
        "rsft",
        {"accept": "threshold", "target_rate": 0.5},
        {"accept", "k", "lambda", "target_rate"},
    ),
    ("rsft", {"accept": "random", "match": "argmax"}, {"accept", "k", "lambda", "match"}),
]


def test_every_registered_method_is_frozen() -> None:
    names = set(METHODS.names())
    assert set(DEFAULTS) == names
    assert {method for method, _, _ in IDENTITY} == names
    assert {method for method, _, _ in FROZEN} == names


@pytest.mark.parametrize(("method", "params", "shown"), IDENTITY)
def test_identity_parameters_are_frozen(
    method: str, params: Mapping[str, Any], shown: set[str]
) -> None:
    made = resolve(METHODS.get(method), params, METHODS)
    assert METHODS.get(method).identity(made.params) == shown


@pytest.mark.parametrize(("method", "params", "expected"), FROZEN)
def test_ids_are_frozen(method: str, params: Mapping[str, Any], expected: str) -> None:
    made = resolve(METHODS.get(method), params, METHODS)
    assert made.id == expected
    read = parse_variant(expected, METHODS)
    assert read.id == expected
    assert dict(read.params) == dict(made.params)


@pytest.mark.parametrize("method", sorted(DEFAULTS))
def test_defaults_are_frozen(method: str) -> None:
    assert {p.name: p.default for p in METHODS.get(method).params} == DEFAULTS[method]


@given(
    accept=st.sampled_from(["argmax", "all", "threshold", "random"]),
    k=st.integers(1, 64),
    weight=st.floats(0, allow_nan=False),
    tau=st.none() | st.floats(allow_nan=False),
    temperature=st.floats(0, 10),
    oracle=st.booleans(),
)
def test_an_id_reads_back_to_its_own_parameters(
    accept: str, k: int, weight: float, tau: float | None, temperature: float, oracle: bool
) -> None:
    params = {
        "accept": accept,
        "k": k,
        "lambda": weight,
        "tau": -math.inf if accept == "threshold" and tau is None else tau,
        "match": "argmax" if accept == "random" else None,
        "temperature": temperature,
        "oracle": oracle,
    }
    made = resolve(METHODS.get("rsft"), params, METHODS)
    read = parse_variant(made.id, METHODS)
    assert read.id == made.id
    for name in ("accept", "k", "lambda", "match", "temperature", "oracle"):
        assert read.params[name] == made.params[name]


def test_nested_ids_split_at_the_outer_commas_only() -> None:
    name, given_ = split_id(
        "best_of_n[n=2,source=rsft[accept=random,k=2,match=sft[temperature=0]]]"
    )
    assert name == "best_of_n"
    assert given_ == {"n": "2", "source": "rsft[accept=random,k=2,match=sft[temperature=0]]"}


@pytest.mark.parametrize(
    "text", ["rsft[k=2", "rsft]", "rsft[k]", "rsft[k=]", "[k=2]", "rsft[k=2,k=3]", "a[b=c[d=1]", ""]
)
def test_malformed_ids_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="variant"):
        split_id(text)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("rsfd", UnknownNameError, "'rsft'"),
        ("rsft[lamda=1]", ConfigError, "Did you mean 'lambda'"),
        ("rsft[accept=argmx]", ConfigError, "Did you mean 'argmax'"),
        ("rsft[k=2.5]", ConfigError, "whole number"),
        ("rsft[k=many]", ConfigError, "must be a number"),
        ("rsft[lambda=nan]", ConfigError, "nan"),
        ("rsft[oracle=maybe]", ConfigError, "true or false"),
    ],
)
def test_mistakes_name_what_was_meant(text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        parse_variant(text, METHODS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (16, "16"), (0.1, "0.1"), (1e-7, "1e-07"), (math.inf, "inf"), (-math.inf, "-inf")],
)
def test_numbers_have_twelve_significant_digits(value: float, text: str) -> None:
    assert format_value(value) == text


def test_numbers_are_rounded_to_what_the_id_shows() -> None:
    third = Param("x", 1.0, "")
    assert coerce(third, 1 / 3) == 0.333333333333
    assert math.copysign(1, coerce(third, -0.0)) == 1


@pytest.mark.parametrize(
    ("param", "span", "inside", "outside"),
    [
        (Param("x", 1.0, "", least=0.0, most=10.0), "[0, 10]", [0, 10], [-1, 10.5, math.inf]),
        (Param("x", None, "", above=0.0, most=1.0), "(0, 1]", [None, 1, 0.1], [0, 2, "much"]),
        (Param("x", 8, "", least=1), "[1, inf]", [1, "9"], [0, -3]),
        (Param("x", None, "", least=-math.inf), "[-inf, inf]", ["-inf", 3], ["low", True]),
    ],
)
def test_a_range_is_kept_and_named(
    param: Param, span: str, inside: list[Any], outside: list[Any]
) -> None:
    assert allowed_range(param) == span
    for value in inside:
        coerce(param, value)
    for value in outside:
        with pytest.raises(ValueError, match=re.escape(span)):
            coerce(param, value)
    assert allowed_range(Param("x", 1.0, "")) is None


def test_a_method_without_check_is_resolved() -> None:
    plain = SimpleNamespace(name="plain", params=(), identity=lambda params: frozenset())
    assert resolve(plain, {}, METHODS).id == "plain"


def _config(**changes: Any) -> Any:
    base = {"suites": ["order_status"], "variants": ["sft"]}
    return parse_config({**base, **changes})


def test_a_grid_unrolls_in_order_and_duplicates_collapse() -> None:
    grid = {"method": "rsft", "k": [4, 16], "lambda": [1, math.inf]}
    config = _config(variants=["sft", grid, "rsft[lambda=1,k=4]", "sft[temperature=1.0]"])
    assert [v.id for v in expand(config, METHODS)] == [
        "sft",
        "rsft[accept=argmax,k=4,lambda=1]",
        "rsft[accept=argmax,k=4,lambda=inf]",
        "rsft[accept=argmax,k=16,lambda=1]",
        "rsft[accept=argmax,k=16,lambda=inf]",
    ]


def test_temperatures_are_added_for_sft_and_the_primary_only() -> None:
    config = _config(
        variants=["sft", "sft_more", "rsft[k=4]"],
        primary="rsft[k=4]",
        evaluation={"temperatures": [0, 0.5, 1]},
    )
    assert [v.id for v in expand(config, METHODS)] == [
        "sft",
        "sft_more",
        "rsft[accept=argmax,k=4,lambda=1]",
        "sft[temperature=0]",
        "sft[temperature=0.5]",
        "rsft[accept=argmax,k=4,lambda=1,temperature=0]",
        "rsft[accept=argmax,k=4,lambda=1,temperature=0.5]",
    ]


def test_a_primary_outside_the_variants_is_refused() -> None:
    with pytest.raises(ConfigError, match="not among the variants"):
        expand(_config(primary="rsft"), METHODS)


def test_an_empty_list_in_a_grid_is_refused() -> None:
    with pytest.raises(ConfigError, match="'k' is an empty list"):
        expand(_config(variants=[{"method": "rsft", "k": []}]), METHODS)


def test_gate_alias_needs_a_primary() -> None:
    config = _config(variants=["sft", "rsft"], primary="rsft")
    assert gate_ids(config, METHODS) == ("sft", "rsft[accept=argmax,k=16,lambda=1]")
    with pytest.raises(ConfigError, match="no `primary`"):
        gate_ids(_config(), METHODS)
