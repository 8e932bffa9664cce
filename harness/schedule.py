"""Walk a node graph: reuse what the store holds, run the rest, longest path first."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.executors.local import LocalExecutor
from rsft_bench.harness.nodes import Node, closure, node_key
from rsft_bench.harness.progress import Progress
from rsft_bench.harness.stages import STAGES
from rsft_bench.harness.store import Artifact, Store
from rsft_bench.harness.worker import Task, describe


@dataclass(slots=True)
class Walk:
    """Artifacts made or found so far, by node uid; grows over the phases of one run.

    ``salt`` and ``threads`` join every key; a fresh run has a salt of its own.
    """

    store: Store
    catalog: Catalog
    executor: LocalExecutor
    progress: Progress
    artifacts: dict[str, Artifact]
    reused: set[str]
    salt: str = ""
    threads: int = 1

    def run(self, targets: list[Node], phase: str, *, alone: bool = False) -> None:
        """Make every target and what it needs. Raises what a stage raised.

        ``alone``: one node at a time, whatever the number of workers, for what is timed.
        """
        nodes = {uid: node for uid, node in closure(targets).items() if uid not in self.artifacts}
        self.progress.phase(phase, len(nodes))
        waiting = {
            uid: {p.uid for p in node.parents() if p.uid not in self.artifacts}
            for uid, node in nodes.items()
        }
        children: dict[str, list[str]] = {}
        for uid, parents in waiting.items():
            for parent in parents:
                children.setdefault(parent, []).append(uid)
        rank = ranks(nodes, children)
        ready = [(-rank[uid], i, uid) for i, uid in enumerate(nodes) if not waiting[uid]]
        heapq.heapify(ready)
        place = {uid: i for i, uid in enumerate(nodes)}
        running: dict[str, list[str]] = {}
        while ready or running:
            finished: list[tuple[str, Artifact]] = []
            while ready and not finished and self._room(running, alone):
                _, _, uid = heapq.heappop(ready)
                found = self._start(nodes[uid], running)
                if found is not None:
                    finished.append((uid, found))
            if not finished:
                finished = self._wait(running)
            for uid, artifact in finished:
                self.artifacts[uid] = artifact
                for child in children.get(uid, []):
                    waiting[child].discard(uid)
                    if not waiting[child]:
                        heapq.heappush(ready, (-rank[child], place[child], child))
                self.progress.advance(nodes[uid].stage, uid in self.reused)

    def _room(self, running: Mapping[str, list[str]], alone: bool) -> bool:
        return self.executor.free > 0 and not (alone and running)

    def _start(self, node: Node, running: dict[str, list[str]]) -> Artifact | None:
        """Submit a node unless its artifact exists or an equal one is being made already."""
        inputs = {
            name: [self.artifacts[n.uid] for n in nodes] for name, nodes in node.inputs.items()
        }
        digests = {name: [a.digest for a in found] for name, found in inputs.items()}
        key = node_key(node, STAGES[node.stage].code, digests, self.salt, self.threads)
        found = self.store.find(key)
        if found is not None:
            self.reused.add(node.uid)
            return found
        if key in running:
            running[key].append(node.uid)
            return None
        running[key] = [node.uid]
        folders = {name: [a.folder for a in found] for name, found in inputs.items()}
        task = Task(key, node.stage, node.params, folders, self.store.root, self.catalog)
        self.executor.submit(task)
        return None

    def _wait(self, running: dict[str, list[str]]) -> list[tuple[str, Artifact]]:
        done = []
        for task, artifact in self.executor.wait_any():
            self.progress.message(f"made {describe(task)} in {artifact.cost.wall_s:.2f} s")
            done += [(uid, artifact) for uid in running.pop(task.key)]
        return done


def ranks(nodes: Mapping[str, Node], children: Mapping[str, list[str]]) -> dict[str, float]:
    """Estimated seconds from a node's start to the end of the longest path below it."""
    rank: dict[str, float] = {}
    for uid in reversed(list(nodes)):
        below = max((rank[child] for child in children.get(uid, [])), default=0.0)
        rank[uid] = nodes[uid].weight + below
    return rank
