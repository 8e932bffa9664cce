"""What ``select`` rows choose: tuned parameters and learning rates of an arm.

A variant with an open choice is planned as trials that answer ``select`` alone; once their rows
exist it is planned again with the best of them, answers every split, and pays for all.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rsft_bench.harness.arms import Arm, Charge, Serving
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.method import Method
from rsft_bench.harness.types import Json
from rsft_bench.harness.values import format_value
from rsft_bench.harness.variants import Variant

Combination = tuple[dict[str, Json], float]


def combinations(
    method: Method, params: Mapping[str, Json], rates: Sequence[float]
) -> dict[str, Combination]:
    """Every (parameters, learning rate factor) among which ``select`` chooses, by name.

    One entry where nothing is open: no tuned parameter left None, and one learning rate or nothing
    to train.
    """
    tuned: Mapping[str, Sequence[Json]] = getattr(method, "tuned", {})
    axes = {name: values for name, values in tuned.items() if params[name] is None}
    rates = rates if "trainable" in method.requires else (1.0,)
    found = {}
    for *values, rate in itertools.product(*axes.values(), rates):
        given = dict(zip(axes, values, strict=True))
        parts = [f"{name}={format_value(value)}" for name, value in given.items()]
        parts += [f"lr={format_value(rate)}"] if len(rates) > 1 else []
        found[",".join(parts)] = ({**params, **given}, rate)
    return found


def plan_variant(
    method: Method, variant: Variant, graph: Graph, serving: Serving, choice: str | None
) -> Arm:
    """The arm of one variant: its trials while the choice is open, else the chosen one.

    Trials answer at temperature 1, so that all temperatures of a variant share one checkpoint.
    """
    rates = graph.space.settings.training["lr_factors"]
    combined = combinations(method, variant.params, rates)
    trials = _trials(method, combined, graph) if len(combined) > 1 else {}
    if len(trials) < 2:
        params, rate = next(iter(combined.values()))
        return _final(method, params, graph.at_rate(rate), serving)
    first = next(iter(trials.values()))
    if choice is None:
        selections = {t.selected.uid for t in trials.values() if t.selected is not None}
        selected = first.selected if len(selections) == 1 else None
        return Arm(
            first.policy, (), first.charges, selected=selected, pool=first.pool, trials=trials
        )
    params, rate = combined[choice]
    arm = _final(method, params, graph.at_rate(rate), serving)
    own = {_place(c) for c in arm.charges}
    others = {_place(c): c for name, t in trials.items() if name != choice for c in t.charges}
    tuning = tuple(c for at, c in others.items() if at not in own)
    return replace(arm, tuning=tuning, trials=trials, choice=choice)


def _trials(method: Method, combined: Mapping[str, Combination], graph: Graph) -> dict[str, Arm]:
    """Trials with policies of their own; combinations that train the same count once."""
    # As many draws for every variant, so that a variant's temperatures choose alike.
    asked = Serving(graph.space.settings.evaluation["draws"], ("select",))
    found: dict[str, Arm] = {}
    seen: set[str] = set()
    for name, (params, rate) in combined.items():
        hot = {"temperature": 1.0} if "temperature" in params else {}
        arm = method.plan({**params, **hot}, graph.at_rate(rate), asked)
        if arm.policy.uid not in seen:
            seen.add(arm.policy.uid)
            found[name] = arm
    return found


def _final(method: Method, params: Mapping[str, Json], graph: Graph, serving: Serving) -> Arm:
    """An arm on all its splits, with its tuned values and the checkpoints its fit keeps."""
    arm = method.plan(params, graph, serving)
    tuned = {name: float(params[name]) for name in getattr(method, "tuned", {})}
    steps: Sequence[int] = () if arm.fitted is None else arm.fitted.params.get("checkpoints", ())
    if arm.temperature != 1 or "select" not in serving.splits:
        steps = ()
    earlier = {
        step: graph.evaluate(graph.checkpoint(arm.fitted, step), serving.draws, 1.0, ("select",))
        for step in steps
        if arm.fitted is not None
    }
    return replace(arm, tuned=tuned, checkpoints=earlier)


def _place(charge: Charge) -> tuple[str, str, int | None]:
    """What a charge is for; equal plans give equal uids though not the same node."""
    return (charge.category, charge.node.uid, charge.draws)
