"""Keys name every module that decides a result, found by following imports."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rsft_bench.baselines import METHODS, RULES
from rsft_bench.baselines.targets import TARGET_CODE
from rsft_bench.harness.catalog import source_modules
from rsft_bench.harness.cellspace import Cellspace
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.policies import POLICIES
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.reward_kinds import REWARDS
from rsft_bench.harness.reward_protocols import FittedReward
from rsft_bench.harness.stages import STAGES
from rsft_bench.harness.types import HasWeights
from rsft_bench.tasks import SUITES

HARNESS = "rsft_bench.harness"
#: Files move through these; what is in them they leave alone.
PLUMBING = {
    f"{HARNESS}.{name}"
    for name in (
        "catalog",
        "errors",
        "policy_kinds",
        "registry",
        "reward_kinds",
        "reward_protocols",
        "stages",
        "stages.base",
        "stages.data",
        "store",
        "learning",
        "types",
        "worker",
    )
}


def files(module: str) -> list[Path]:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin)
    return sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rsft_bench"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if is_module(whole) else str(node.module)


def missing(code: tuple[str, ...]) -> set[str]:
    """Modules that the listed ones import and that are neither listed nor plumbing."""
    found = {name for module in code for file in files(module) for name in imports(file)}
    listed = {n for n in found for c in code if n == c or n.startswith(c + ".")}
    return found - listed - PLUMBING


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_lists_what_it_imports(stage: str) -> None:
    assert missing(STAGES[stage].code) == set()


@pytest.mark.parametrize("suite", SUITES.names())
def test_a_suite_and_its_stage_list_what_the_suite_imports(suite: str) -> None:
    assert missing((*SUITES.get(suite).code, *STAGES["data"].code)) == set()


@pytest.mark.parametrize("rule", RULES.names())
def test_a_rule_and_its_stage_list_what_the_rule_imports(rule: str) -> None:
    assert missing((*source_modules(RULES.get(rule)), *STAGES["select"].code)) == set()


@pytest.mark.parametrize("reward", [r.name for r in REWARDS if isinstance(r, FittedReward)])
def test_a_reward_and_its_stages_list_what_the_reward_imports(reward: str) -> None:
    for stage in ("proxy", "score", "serve"):
        assert missing((*source_modules(REWARDS.get(reward)), *STAGES[stage].code)) == set()


def test_targets_and_their_stage_list_what_they_import() -> None:
    assert missing((*TARGET_CODE, *STAGES["target"].code)) == set()


PICKING = {m.name: m.rule for m in METHODS if hasattr(m, "rule")}


@pytest.mark.parametrize("method", PICKING)
def test_a_serving_rule_and_its_stage_list_what_the_rule_imports(method: str) -> None:
    assert missing((*source_modules(PICKING[method]), *STAGES["serve"].code)) == set()


@pytest.mark.parametrize("name", [p.name for p in POLICIES if not isinstance(p, HasWeights)])
@pytest.mark.parametrize("stage", ["fit", "sample", "score", "serve"])
def test_a_policy_and_a_stage_list_what_the_policy_imports(name: str, stage: str) -> None:
    assert missing((*source_modules(POLICIES.get(name)), *STAGES[stage].code)) == set()


def space(base: Node, rules: Registry[Any]) -> Cellspace:
    data = Node("data", {}, {})
    example = SimpleNamespace(example_id="a", prompt="b")
    return Cellspace(
        suite="s",
        label="s",
        suite_code=(),
        policy="p",
        capabilities=frozenset({"sampler"}),
        seed=0,
        settings=cast("Any", None),
        data=data,
        base=base,
        examples=cast("Any", {"confirm": (example,)}),
        k_max={},
        rules=rules,
    )


class Own:
    """A third-party rule."""

    name = "own"


def test_the_rule_joins_the_key_whatever_the_method_names() -> None:
    graph = Graph(space(Node("base", {}, {}), Registry("rule", [Own()])), cast("Any", None))
    samples = graph.sample(graph.base(), "confirm", range(1), {}, "pool")
    scored = SimpleNamespace(samples=samples, scores=())
    scored.first = lambda k: scored
    assert graph.select(cast("Any", scored), "own", {}, k=1).code == (__name__,)
    more = graph.select(cast("Any", scored), "own", {}, k=1, code=("m", __name__))
    assert more.code == (__name__, "m")


def test_what_answers_without_weights_joins_the_key_of_its_samples() -> None:
    graph = Graph(space(Node("base", {}, {}, code=("mine",)), RULES), cast("Any", None))
    (block,) = graph.sample(graph.base(), "confirm", range(1), {}, "test")
    assert block.code == ("mine",)


def test_the_policy_that_a_reward_reads_joins_the_key_of_what_it_scores() -> None:
    start = Node("base", {}, {}, code=("mine",))
    graph = Graph(space(start, RULES), cast("Any", None))
    samples = graph.sample(graph.base(), "confirm", range(1), {}, "test")
    scored = graph.score(samples, Node("proxy", {}, {"body": (start,)}))
    assert scored.inputs["body"] == (start,)
    assert "body" not in graph.score(samples, Node("proxy", {}, {})).inputs


def test_what_learns_without_weights_joins_the_key_of_its_fits() -> None:
    settings: Any = SimpleNamespace(
        training={"steps": 1, "sft_steps": 1, "batch": 1, "lr": 1.0, "checkpoints": ()}
    )
    base = Node("base", {}, {}, code=("mine",))
    trainable = frozenset({"sampler", "trainable"})
    its = replace(space(base, RULES), settings=settings, capabilities=cast("Any", trainable))
    graph = Graph(its, cast("Any", None))
    fitted = graph.sft()
    assert fitted.code == ("mine",)
    assert graph.checkpoint(fitted, 1).code == ("mine",)
    (block,) = graph.sample(fitted, "confirm", range(1), {}, "test")
    assert block.code == ("mine",)


def test_a_reward_joins_the_key_of_what_it_scores() -> None:
    graph = Graph(space(Node("base", {}, {}), RULES), cast("Any", None))
    samples = graph.sample(graph.base(), "confirm", range(1), {}, "test")
    assert graph.score(samples, Node("proxy", {}, {}, code=("theirs",))).code == ("theirs",)
    assert graph.score(samples, None).code == ()
