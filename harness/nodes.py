"""Nodes of the stage graph and their keys.

A node names a stage, JSON parameters and input nodes. Its ``uid`` is structural (equal plans share
it before anything ran); its key is made just before it runs, from the digests of its inputs, the
source of the stage's code and the versions that decide numbers.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from rsft_bench.harness.errors import InfrastructureError
from rsft_bench.harness.store import canonical, hash_text
from rsft_bench.harness.types import Json

NUMERIC_PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn", "scipy")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One stage to run once.

    ``code`` lists modules whose source joins the key beside the stage's own (a suite's, a rule's).
    ``weight`` estimates seconds, for ordering only; it is in no key.
    """

    stage: str
    params: Mapping[str, Json]
    inputs: Mapping[str, tuple[Node, ...]]
    code: tuple[str, ...] = ()
    weight: float = 0.0
    uid: str = field(init=False)

    def __post_init__(self) -> None:
        linked = {name: [n.uid for n in nodes] for name, nodes in self.inputs.items()}
        uid = hash_text(self.stage, canonical(self.params), canonical(linked), canonical(self.code))
        object.__setattr__(self, "uid", uid)

    def parents(self) -> Iterator[Node]:
        """All input nodes, in input order."""
        for nodes in self.inputs.values():
            yield from nodes


def closure(targets: list[Node]) -> dict[str, Node]:
    """Every node the targets need, themselves included, by uid, parents before children."""
    found: dict[str, Node] = {}
    stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(targets)]
    while stack:
        node, expanded = stack.pop()
        if node.uid in found:
            continue
        if expanded:
            found[node.uid] = node
        else:
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents() if parent.uid not in found)
    return found


@functools.cache
def _module_file(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise InfrastructureError(f"module {module!r} named as stage code cannot be found")
    return Path(spec.origin)


@functools.cache
def source_hash(module: str) -> str:
    """Hash of a module's source file; a package stands for all ``.py`` and data files under it."""
    path = _module_file(module)
    files = [path]
    if path.name == "__init__.py":
        files = sorted(p for p in path.parent.rglob("*") if p.suffix in {".py", ".yaml"})
    return hash_text(*(f"{file.name}\n{file.read_text(encoding='utf-8')}" for file in files))


@functools.cache
def versions() -> dict[str, str]:
    """Installed versions of the packages that decide numbers; read without importing them."""
    return {name: metadata.version(name) for name in NUMERIC_PACKAGES}


def node_key(
    node: Node,
    stage_code: tuple[str, ...],
    digests: Mapping[str, list[str]],
    salt: str = "",
    threads: int = 1,
) -> str:
    """Address of the node's artifact. ``digests`` are the input artifacts' digests by name.

    ``salt`` is empty, or what a fresh run adds so that it finds nothing that it did not make.
    ``threads``: of the process that makes it; sums of another number of threads differ in the last
    bits.
    """
    sources = {module: source_hash(module) for module in sorted({*stage_code, *node.code})}
    machine = {"versions": versions(), "threads": threads, "device": "cpu", "dtype": "float32"}
    return hash_text(
        node.stage,
        canonical(sources),
        canonical(node.params),
        canonical(digests),
        canonical(machine),
        *([salt] if salt else []),
    )
