"""The walk over nodes: what may run beside what."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.executors.local import LocalExecutor
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.progress import Silent
from rsft_bench.harness.schedule import Walk
from rsft_bench.harness.store import Artifact, Store
from rsft_bench.harness.types import Cost
from rsft_bench.harness.worker import Task


class Stub:
    """Two slots; remembers how many tasks were in flight at once."""

    def __init__(self) -> None:
        self.running: list[Task] = []
        self.most = 0

    @property
    def free(self) -> int:
        return 2 - len(self.running)

    def submit(self, task: Task) -> None:
        self.running.append(task)
        self.most = max(self.most, len(self.running))

    def wait_any(self) -> list[tuple[Task, Artifact]]:
        task = self.running.pop(0)
        return [(task, Artifact(task.key, task.store, task.key, task.stage, Cost()))]


@pytest.mark.parametrize(("alone", "most"), [(True, 1), (False, 2)])
def test_timed_nodes_run_one_at_a_time(tmp_path: Path, alone: bool, most: int) -> None:
    stub = Stub()
    executor = cast("LocalExecutor", stub)
    walk = Walk(Store(tmp_path), Catalog(), executor, Silent(), {}, set())
    timed = [Node("serve", {"suite": name}, {}) for name in ("a", "b", "c")]
    walk.run(timed, "latency", alone=alone)
    assert stub.most == most
    assert set(walk.artifacts) == {node.uid for node in timed}


def test_the_runner_times_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of the phases of a run, latency and nothing else has the machine to itself."""
    from toy_suite import SUITES

    from rsft_bench.harness import runner
    from rsft_bench.harness.catalog import DEFAULT_PATHS
    from rsft_bench.harness.config import parse_config

    asked: dict[str, bool] = {}

    def record(self: Walk, targets: list[Node], phase: str, *, alone: bool = False) -> None:
        asked[phase] = alone
        for node in targets:
            self.artifacts[node.uid] = Artifact("", tmp_path, "", node.stage, Cost())

    monkeypatch.setattr(Walk, "run", record)
    monkeypatch.setattr(runner, "collect", lambda made, out: None)
    monkeypatch.setattr(runner, "finished", lambda made, facts, out: {})
    toy = SUITES.get("toy")
    options = {p.name: p.default for p in toy.options}
    monkeypatch.setattr(runner, "read_examples", lambda folder: toy.load(options, 0).examples)
    config = parse_config({"suites": ["toy", "toy_b"], "variants": ["base"], "seeds": [0]})
    catalog = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
    runner.run(config, catalog, tmp_path / "out", workers=0, cache=cast("Any", tmp_path / "c"))
    assert asked.pop("latency")
    assert asked
    assert not any(asked.values())
