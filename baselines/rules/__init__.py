"""Acceptance rules as pure functions over a scored pool (protocol.md section 2).

``resolve`` fixes what depends on the whole pool (tau from a target rate, the unit of beta, another
rule's counts); the resolved rule then treats every prompt's row on its own: permuting or dropping
other rows changes nothing. Ties are broken by keyed streams, never by gold. NaN scores are never
accepted. Exact laws at finite k: ``harness.statistics.acceptance_laws``.
"""

from __future__ import annotations

from collections.abc import Mapping

from rsft_bench.baselines.rules.best import Argmax, BestAndDistinct, TopM
from rsft_bench.baselines.rules.chance import Random
from rsft_bench.baselines.rules.common import RULE_CODE, ResolvedRule, Rule
from rsft_bench.baselines.rules.pointwise import All, Rejection, Threshold
from rsft_bench.baselines.rules.statistical import Statistical
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Json, Param

RULES: Registry[Rule] = Registry(
    "rule",
    [
        All(),
        Argmax(),
        TopM(),
        Threshold(),
        Statistical(),
        BestAndDistinct(),
        Rejection(),
        Random(),
    ],
)
#: What methods declare beside ``accept``: each is read by the rules that name it in ``reads``.
RULE_PARAMS: tuple[Param, ...] = (
    Param("m", None, "answers accepted a prompt: top_m, statistical, best_and_distinct", least=1),
    Param("tau", None, "threshold on the calibrated proxy: threshold", least=-float("inf")),
    Param("target_rate", None, "quantile of the pool instead of tau", above=0, most=1),
    Param("prompt_rate", None, "quantile of each prompt instead of tau", above=0, most=1),
    Param("rise", None, "how much stricter threshold's cut is each round, see schedules", above=0),
    Param("beta", None, "statistical, rejection: temperature in SDs within a prompt", least=0),
    Param("match", None, "rule or variant whose counts accept=random copies"),
    Param(
        "by", "prompt", "random copies counts by prompt or their sum", choices=("prompt", "rate")
    ),
)
_DEFAULTS: Mapping[str, Json] = {p.name: p.default for p in RULE_PARAMS}


def reads(params: Mapping[str, Json]) -> tuple[str, ...]:
    """Parameters that the rule of ``params`` reads, those of a rule that it matches by name too."""
    own = RULES.get(params["accept"]).reads
    return own if (target := _matched(params)) is None else (*own, *target.reads)


def _matched(params: Mapping[str, Json]) -> Rule | None:
    """The rule that another one matches by name; None where it matches a variant or nothing."""
    target = params.get("match")
    if not isinstance(target, str) or target not in RULES or target == params["accept"]:
        return None
    return RULES.get(target) if "match" in RULES.get(params["accept"]).reads else None


def given(params: Mapping[str, Json], names: tuple[str, ...]) -> dict[str, Json]:
    """Those of the named rule parameters that are set to something else than their default."""
    return {n: params[n] for n in names if params.get(n, _DEFAULTS[n]) != _DEFAULTS[n]}


def check_rule(params: Mapping[str, Json]) -> None:
    """What can be said about a rule's parameters before there is a pool.

    ``params`` holds ``accept``, ``k`` and the rule parameters.

    Raises:
        ConfigError: a parameter is missing, contradicts another, or is set though the rule does
            not read it, so that it would silently do nothing.
    """
    rule = RULES.get(params["accept"])
    rule.check(params)
    read = reads(params)
    for name, value in given(params, tuple(_DEFAULTS)).items():
        if name not in read:
            listed = ", ".join(read) or "none"
            raise ConfigError(
                f"accept={rule.name} does not read {name}={value}; leave it out (what the rule "
                f"reads: {listed})"
            )
    matched = _matched(params)
    if matched is not None:
        matched.check(params)


__all__ = [
    "RULE_CODE",
    "RULES",
    "RULE_PARAMS",
    "ResolvedRule",
    "Rule",
    "check_rule",
    "given",
    "reads",
]
