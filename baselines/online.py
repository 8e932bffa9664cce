"""The node and the rounds of an RSFT arm that draws its answers while it trains."""

from __future__ import annotations

from collections.abc import Mapping

from rsft_bench.baselines.rules import RULES, given
from rsft_bench.baselines.terms import losses_of
from rsft_bench.harness.arms import Charge, Round, Scored
from rsft_bench.harness.catalog import source_modules
from rsft_bench.harness.cellspace import body_of
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.fitting import TrainedSet, budget_of, checkpoints_of, set_specs
from rsft_bench.harness.graph import BLOCK_DRAWS, BLOCK_PROMPTS, Graph
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.proposals import Proposal
from rsft_bench.harness.segments import drawn_prompts, spans
from rsft_bench.harness.training.weights import coefficients
from rsft_bench.harness.types import Json


def online_fit(params: Mapping[str, Json], graph: Graph, drawn: Proposal) -> Node:
    """The one node that draws, scores, accepts and trains.

    Raises:
        ConfigError: the config trains in several processes.
    """
    space, proxy = graph.space, graph.proxy()
    training = space.settings.training
    if training["accelerate"]:
        raise ConfigError("online trains in one process; set training.accelerate to false")
    share_d, share_a = coefficients(float(params["lambda"]))
    sets: list[TrainedSet] = [
        ("D", graph.train_set(), share_d, "train-D"),
        ("A", (), share_a, "train-A"),
    ]
    kept = [entry for entry in sets if entry[2] > 0]
    budget = budget_of(training, training["lr"] * graph.rate)
    rule = RULES.get(params["accept"])
    stated: dict[str, Json] = {
        "sets": set_specs(space, kept, losses_of(params)),
        "budget": budget,
        "normalise": params["normalise"],
        "seed": space.seed,
        **checkpoints_of(training, budget["steps"]),
        "every": min(params["online"], budget["steps"]),
        "suite": space.suite,
        "prompts": [[e.example_id, e.prompt] for e in space.examples["train"]],
        "k": params["k"],
        "sampling": graph.sampling(drawn.temperature, drawn.top_p),
        "block": [BLOCK_PROMPTS, BLOCK_DRAWS],
        "rule": rule.name,
        "rule_params": given(params, tuple(name for name in rule.reads if name != "match")),
        "match": _copied(params),
        "reward": "gold" if params["oracle"] else "proxy",
    }
    inputs: dict[str, tuple[Node, ...]] = {
        "init": (graph.sft(),),
        "reference": (graph.train_set(),),
    }
    inputs |= {"D": (graph.train_set(),)} if share_d > 0 else {}
    inputs |= {"data": (space.data,), "proxy": (proxy,), **body_of(proxy)}
    used = [params["accept"], *([] if params["match"] is None else [params["match"]])]
    rules = [source_modules(RULES.get(name)) for name in used]
    code = (*graph.sft().code, *space.suite_code, *proxy.code, *(m for own in rules for m in own))
    weight = 0.02 * budget["steps"] * budget["batch"]
    return Node("online", stated, inputs, code=tuple(dict.fromkeys(code)), weight=weight)


def _copied(params: Mapping[str, Json]) -> Json:
    """The rule whose counts are copied, with what it reads; None where none are."""
    if params["match"] is None:
        return None
    rule = RULES.get(params["match"])
    return {"rule": rule.name, "rule_params": given(params, rule.reads)}


def segments_of(params: Mapping[str, Json], fitted: Node, proposal: str) -> tuple[Round, ...]:
    """What each segment drew and accepted, as rounds of the arm."""
    steps = fitted.params["budget"]["steps"]
    rounds = []
    for number in range(len(spans(steps, params["online"]))):
        samples, scores, accepted = (
            Node("segment", {"number": number, "part": part}, {"online": (fitted,)})
            for part in ("samples", "scores", "accepted")
        )
        pool = Scored(((0, (samples,), scores),), params["k"], proposal)
        rounds.append(Round(pool, accepted, fitted))
    return tuple(rounds)


def online_charges(fitted: Node, *, scored: bool) -> tuple[Charge, ...]:
    """Drawing and scoring inside the node, beside its training; see ``Artifact.parts``."""
    charges = [Charge("sample", fitted), *([Charge("score", fitted)] if scored else [])]
    return tuple(charges)


def judged(params: Mapping[str, Json], graph: Graph) -> int:
    """Answers that all segments draw."""
    prompts, steps = len(graph.space.examples["train"]), graph.space.settings.training["steps"]
    return drawn_prompts(prompts, steps, params["online"]) * int(params["k"])
