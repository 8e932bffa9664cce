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
    ("rsft", {"accept": "top_m", "m": 4}, "rsft[accept=top_m,k=16,lambda=1,m=4]"),
    (
        "rsft",
        {"accept": "threshold", "prompt_rate": 0.25},
        "rsft[accept=threshold,k=16,lambda=1,prompt_rate=0.25]",
    ),
    (
        "rsft",
        {"accept": "statistical", "m": 4, "beta": 1 / 3},
        "rsft[accept=statistical,beta=0.333333333333,k=16,lambda=1,m=4]",
    ),
    (
        "rsft",
        {"accept": "best_and_distinct", "m": 16, "tau": 1, "oracle": True},
        "rsft[accept=best_and_distinct,k=16,lambda=1,m=16,oracle=true,tau=1]",
    ),
    (
        "rsft",
        {"accept": "rejection", "beta": math.inf},
        "rsft[accept=rejection,beta=inf,k=16,lambda=1]",
    ),
    (
        "rsft",
        {"accept": "random", "match": "top_m", "m": 2, "by": "rate"},
        "rsft[accept=random,by=rate,k=16,lambda=1,m=2,match=top_m]",
    ),
    # The proposal: another source, temperature and top-p, a mixture.
    ("rsft", {"source": "sft"}, "rsft[accept=argmax,k=16,lambda=1]"),
    (
        "rsft",
        {"source": "base", "pool_temperature": 0.7, "pool_top_p": 0.9},
        "rsft[accept=argmax,k=16,lambda=1,pool_temperature=0.7,pool_top_p=0.9,source=base]",
    ),
    (
        "rsft",
        {"source": "rsft"},
        "rsft[accept=argmax,k=16,lambda=1,source=rsft[accept=argmax,k=16,lambda=1]]",
    ),
    ("rsft", {"mix": "base"}, "rsft[accept=argmax,k=16,lambda=1,mix=base]"),
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
    ("rsft", {"anchor": 0.1}, "rsft[accept=argmax,anchor=0.1,k=16,lambda=1]"),
    ("rsft", {"rounds": 1}, "rsft[accept=argmax,k=16,lambda=1]"),
    (
        "rsft",
        {"rounds": 3, "init": "continue", "pool": "growing"},
        "rsft[accept=argmax,init=continue,k=16,lambda=1,pool=growing,rounds=3]",
    ),
    ("rsft", {"online": 10}, "rsft[accept=argmax,k=16,lambda=1,online=10]"),
    (
        "rsft",
        {"accept": "threshold", "target_rate": 0.5, "rounds": 2, "rise": 0.25},
        "rsft[accept=threshold,k=16,lambda=1,rise=0.25,rounds=2,target_rate=0.5]",
    ),
    (
        "rsft",
        {"negative": "unlikelihood"},
        "rsft[accept=argmax,k=16,lambda=1,negative=unlikelihood,negative_weight=0.1]",
    ),
    ("rwr", {}, "rwr[beta=1,k=16]"),
    ("rwr", {"beta": math.inf, "lambda": 2}, "rwr[beta=inf,k=16,lambda=2]"),
    ("dpo", {}, "dpo[beta=0.1,k=16]"),
    ("dpo", {"lambda": 1}, "dpo[beta=0.1,k=16,lambda=1]"),
    ("nft", {}, "nft[k=16]"),
    ("nft", {"target_rate": 0.25, "neg_weight": 0}, "nft[k=16,neg_weight=0,target_rate=0.25]"),
    ("nft", {"tau": 0.5, "omega": "grpo"}, "nft[k=16,omega=grpo,tau=0.5]"),
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
    "best_of_n": {"n": 8, "reward": None, "source": None},
    "majority_vote": {"n": 8, "reward": None, "source": None},
    "weighted_vote": {"n": 8, "reward": None, "source": None},
    "mbr": {"n": 8, "reward": None, "source": None},
    "rsft": {
        "accept": "argmax",
        "k": 16,
        "lambda": 1.0,
        "m": None,
        "tau": None,
        "target_rate": None,
        "prompt_rate": None,
        "beta": None,
        "match": None,
        "rise": None,
        "by": "prompt",
        "pool_temperature": None,
        "pool_top_p": None,
        "source": None,
        "mix": None,
        "normalise": "prompt",
        "anchor": 0.0,
        "negative": None,
        "negative_weight": 0.1,
        "rounds": 1,
        "init": "restart",
        "pool": "fresh",
        "online": None,
        "oracle": False,
        "temperature": 1.0,
    },
    "rwr": {"beta": 1.0, "k": 16, "lambda": 1.0, "oracle": False, "temperature": 1.0},
    "dpo": {"beta": 0.1, "k": 16, "lambda": math.inf, "oracle": False, "temperature": 1.0},
    "nft": {
        "k": 16,
        "tau": None,
        "target_rate": None,
        "neg_weight": 1.0,
        "epsilon": 1.0,
        "omega": "1-r",
        "lambda": math.inf,
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
    ("rsft", {"source": "base", "pool_top_p": 0.9}, {"accept", "k", "lambda"}),
    ("rsft", {"accept": "top_m", "m": 2}, {"accept", "k", "lambda", "m"}),
    ("rsft", {"accept": "rejection", "beta": 1}, {"accept", "beta", "k", "lambda"}),
    (
        "rsft",
        {"accept": "threshold", "prompt_rate": 0.5},
        {"accept", "k", "lambda", "prompt_rate"},
    ),
    (
        "rsft",
        {"accept": "statistical", "m": 2, "beta": 1},
        {"accept", "beta", "k", "lambda", "m"},
    ),
    (
        "rsft",
        {"accept": "best_and_distinct", "m": 2, "tau": 0.5},
        {"accept", "k", "lambda", "m", "tau"},
    ),
    (
        "rsft",
        {"accept": "random", "match": "top_m", "m": 2, "by": "rate"},
        {"accept", "by", "k", "lambda", "m", "match"},
    ),
    ("rsft", {"accept": "all"}, {"accept", "k", "lambda"}),
    ("rsft", {"accept": "threshold", "tau": 0.5}, {"accept", "k", "lambda", "tau"}),
    (
        "rsft",
        {"accept": "threshold", "target_rate": 0.5},
        {"accept", "k", "lambda", "target_rate"},
    ),
    ("rsft", {"accept": "random", "match": "argmax"}, {"accept", "k", "lambda", "match"}),
    ("rsft", {"anchor": 0.5}, {"accept", "k", "lambda"}),
    (
        "rsft",
        {"negative": "unlikelihood"},
        {"accept", "k", "lambda", "negative", "negative_weight"},
    ),
    ("rwr", {}, {"beta", "k"}),
    ("dpo", {}, {"beta", "k"}),
    ("nft", {}, {"k"}),
    ("nft", {"tau": 0.7}, {"k", "tau"}),
    ("nft", {"target_rate": 0.5}, {"k", "target_rate"}),
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
    accept=st.sampled_from(
        ["argmax", "all", "threshold", "random", "top_m", "statistical", "rejection"]
    ),
    k=st.integers(1, 64),
    beta=st.floats(0, allow_nan=False),
    weight=st.floats(0, allow_nan=False),
    tau=st.floats(allow_nan=False),
    temperature=st.floats(0, 10),
    oracle=st.booleans(),
)
def test_an_id_reads_back_to_its_own_parameters(
    accept: str,
    k: int,
    beta: float,
    weight: float,
    tau: float,
    temperature: float,
    oracle: bool,
) -> None:
    params = {
        "accept": accept,
        "k": k,
        "lambda": weight,
        "tau": tau if accept == "threshold" else None,
        "m": min(k, 3) if accept in {"top_m", "statistical"} else None,
        "beta": beta if accept in {"statistical", "rejection"} else None,
        "match": "argmax" if accept == "random" else None,
        "temperature": temperature,
        "oracle": oracle,
    }
    made = resolve(METHODS.get("rsft"), params, METHODS)
    read = parse_variant(made.id, METHODS)
    assert read.id == made.id
    for name in ("accept", "k", "lambda", "match", "tau", "m", "beta", "temperature", "oracle"):
        assert read.params[name] == made.params[name]


@pytest.mark.parametrize(
    ("variant", "control"),
    [
        (
            "rsft[k=4,anchor=0.5]",
            "rsft[accept=random,anchor=0.5,k=4,lambda=1,match=argmax]",
        ),
        (
            "rsft[k=4,negative=unlikelihood]",
            "rsft[accept=random,k=4,lambda=1,match=argmax,negative=unlikelihood,"
            "negative_weight=0.1]",
        ),
        ("rwr[beta=0.5,k=4,lambda=2]", "rsft[accept=all,k=4,lambda=2]"),
        ("rwr[lambda=0]", None),
        ("rwr[temperature=0]", None),
    ],
)
def test_controls_differ_in_the_choice_of_answers_alone(variant: str, control: str | None) -> None:
    made = parse_variant(variant, METHODS)
    method: Any = METHODS.get(made.method)
    found = method.control(made.params, made.id)
    assert found == control
    assert control is None or parse_variant(control, METHODS).id == control


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
        ("rsft[beta=1]", ConfigError, "does not read beta=1"),
        ("rsft[accept=top_m]", ConfigError, "needs m="),
        ("rsft[source=sft[temperature=0.5]]", ConfigError, "use pool_temperature=0.5"),
        ("rsft[mix=sft]", ConfigError, "already"),
        ("rsft[k=8,mix=base]", ConfigError, "multiple of 16"),
        ("rsft[negative_weight=1]", ConfigError, "weighs nothing"),
        ("rsft[accept=all,negative=unlikelihood]", ConfigError, "rejects nothing"),
        ("rsft[negative=unlikelyhood]", ConfigError, "Did you mean 'unlikelihood'"),
        ("dpo[k=1]", ConfigError, "at least 2"),
        ("dpo[beta=inf]", ConfigError, "finite beta"),
        ("nft[k=1]", ConfigError, "at least 2"),
        ("nft[tau=0.5,target_rate=0.5]", ConfigError, "one cut"),
        ("nft[epsilon=inf]", ConfigError, "finite"),
        ("rwr[beta=0]", ConfigError, "outside"),
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
