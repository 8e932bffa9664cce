"""When answers are drawn: once (offline), in rounds, or again and again while training (online).

Rounds: the policy of round t - 1 draws round t's pool, from random streams of its own, the rule
accepts from it, and the round trains. Whatever the schedule, the policy that an arm serves lies as
many optimizer steps from sft as every trained arm's: with ``init=restart`` each round trains all of
them from sft, and only the last round's policy is served (STaR, Zelikman et al. 2022, and ReST-EM,
Singh et al. 2024, restart each iteration); with ``init=continue`` the rounds share them evenly, the
first ones taking what is left over, and each begins with a fresh optimizer and the schedule of its
own steps. What earlier rounds cost is the arm's to pay.

Online: every so many of the steps the policy as it is answers the next prompts, and training goes
on from what is accepted with the same optimizer (``harness.stages.online``).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

from rsft_bench.baselines.terms import losses_of, rejected, rejected_weight
from rsft_bench.harness.arms import Round, Scored
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.fitting import TrainedSet
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.proposals import Proposal
from rsft_bench.harness.seeding import pool_purpose, round_seed
from rsft_bench.harness.training.weights import coefficients
from rsft_bench.harness.types import Json, Param

Params: TypeAlias = Mapping[str, Json]
#: Of resolved parameters, a pool, the number of its round from 0, and the seed of its choices.
Select: TypeAlias = Callable[[Params, Scored, int, int], Node]
RATES = ("target_rate", "prompt_rate")
SCHEDULE_PARAMS: tuple[Param, ...] = (
    Param("rounds", 1, "pools, each drawn by the policy of the round before", least=1),
    Param(
        "init", "restart", "what a round trains: sft, or the last", choices=("restart", "continue")
    ),
    Param("pool", "fresh", "whose accepted answers it learns", choices=("fresh", "growing")),
)
ONLINE = Param("online", None, "optimizer steps between two draws of the policy so far", least=1)
_DEFAULTS = {p.name: p.default for p in SCHEDULE_PARAMS}


def check_schedule(params: Params) -> None:
    """Raise ConfigError for parameters of a schedule that do nothing or contradict each other."""
    if params["online"] is not None:
        _check_online(params)
    many = params["rounds"] > 1
    for name in ("init", "pool", "rise"):
        if not many and params[name] != _DEFAULTS.get(name):
            raise ConfigError(
                f"{name}={params[name]} does nothing with one round; give rounds=2 or more"
            )
    if params["pool"] == "growing" and params["negative"] is not None:
        raise ConfigError(
            f"pool=growing keeps what earlier rounds accepted, which a later round may reject: it "
            f"takes no negative={params['negative']}; use pool=fresh, or leave negative out"
        )
    if many and params["lambda"] == 0:
        raise ConfigError(
            f"lambda=0 learns nothing from the pools of rounds={params['rounds']}; use sft_more, "
            "or leave rounds out"
        )
    if many and params["mix"] is not None:
        raise ConfigError(
            f"mix={params['mix']} with rounds={params['rounds']}: later rounds are drawn by the "
            "arm's own policy alone; leave one of them out"
        )
    if params["rise"] is None:
        return
    if params["tau"] is not None and math.isinf(params["tau"]):
        raise ConfigError(f"tau={params['tau']} does not rise; give a number, or leave rise out")
    if params["tau"] is None and params["rise"] >= 1:
        raise ConfigError(
            f"rise={params['rise']:g} would accept nothing in round 2; a rate falls by this share "
            "each round, so give a number in (0, 1)"
        )


def _check_online(params: Params) -> None:
    """Raise ConfigError for what a fit that draws while it trains cannot have."""
    given = f"online={params['online']}"
    if params["rounds"] > 1:
        raise ConfigError(f"{given} and rounds={params['rounds']} are two schedules; leave one out")
    if params["lambda"] == 0:
        raise ConfigError(f"lambda=0 learns nothing from what {given} draws; use sft_more")
    for name in ("source", "mix"):
        if params[name] is not None:
            raise ConfigError(
                f"{given} is drawn by the policy in training, not by {name}={params[name]}; leave "
                "one of them out"
            )
    for name in ("init", "pool"):
        if params[name] != _DEFAULTS[name]:
            raise ConfigError(
                f"{name}={params[name]} is about rounds and {given} has none: it goes on with one "
                f"policy and learns what the last segment accepted; leave {name} out"
            )
    if params["negative"] is not None:
        raise ConfigError(f"{given} takes no negative={params['negative']}; leave one of them out")
    if params["match"] is not None and "[" in params["match"]:
        raise ConfigError(
            f"{given} draws other answers than match={params['match']}; match a rule, such as "
            "match=argmax"
        )


def in_round(params: Params, turn: int) -> Params:
    """Parameters of one round, counted from 0: tau + turn rise, or a rate times (1 - rise)^turn."""
    rise = params["rise"]
    if rise is None:
        return params
    if params["tau"] is not None:
        return {**params, "tau": params["tau"] + turn * rise, "rise": None}
    rates = {name: params[name] for name in RATES if params[name] is not None}
    stricter = {name: rate * (1 - rise) ** turn for name, rate in rates.items()}
    return {**params, **stricter, "rise": None}


def steps_of(params: Params, steps: int) -> list[int]:
    """Optimizer steps of each round, so that the served policy has taken ``steps``.

    Raises:
        ConfigError: fewer steps than rounds that share them.
    """
    rounds = int(params["rounds"])
    if params["init"] == "restart":
        return [steps] * rounds
    if steps < rounds:
        raise ConfigError(
            f"rounds={rounds} with init=continue share training.steps={steps}; give at least one "
            "step a round, or init=restart"
        )
    each, left = divmod(steps, rounds)
    return [each + (turn < left) for turn in range(rounds)]


def play(
    params: Params, graph: Graph, first: Scored, later: Proposal, select: Select
) -> tuple[Round, ...]:
    """Every round, the first on the pool ``first``; ``later`` is the proposal of the others.

    A round's keyed choices come from a seed of its own, so that rounds share no uniforms. With
    ``pool=growing`` a round learns what it and all earlier rounds accepted, as one set.
    """
    share_d, share_a = coefficients(float(params["lambda"]))
    weight = rejected_weight(params, share_a)
    goes_on = params["init"] == "continue"
    rounds: list[Round] = []
    accepted: list[Node] = []
    against: list[Node] = []
    for turn, steps in enumerate(steps_of(params, graph.space.settings.training["steps"])):
        seed = round_seed(graph.space.seed, turn)
        last = rounds[-1].fitted if rounds else None
        pool = first if last is None else _pool(params, graph, last, later, turn)
        selected = select(in_round(params, turn), pool, turn, seed)
        if params["pool"] == "fresh":
            accepted, against = [], []
        accepted = [*accepted, selected]
        if weight > 0:
            against = [*against, rejected(params, graph, pool, selected, seed)]
        # A policy that goes on must not meet D's rows in the same order again.
        again = f"-{turn}" if goes_on and turn else ""
        sets: list[TrainedSet] = [
            ("D", graph.train_set(), share_d, f"train-D{again}"),
            ("A", accepted, share_a, f"train-A{again}"),
            ("N", against, weight, f"train-N{again}"),
        ]
        fitted = graph.fit(
            graph.sft() if last is None or not goes_on else last,
            sets,
            steps=steps,
            normalise=params["normalise"],
            losses=losses_of(params),
        )
        rounds.append(Round(pool, selected, fitted))
    return tuple(rounds)


def _pool(params: Params, graph: Graph, policy: Node, proposal: Proposal, turn: int) -> Scored:
    sampling = graph.sampling(proposal.temperature, proposal.top_p)
    purpose, proxy = pool_purpose(turn), graph.proxy()
    drawn = graph.draw(policy, "train", params["k"], sampling, purpose, proxy=proxy)
    return dataclasses.replace(drawn, proposal=proposal.name)
