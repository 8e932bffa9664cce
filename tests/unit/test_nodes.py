"""Keys: what changes them, what does not, and that an edit reruns exactly its descendants."""

from __future__ import annotations

import pytest

from rsft_bench.harness import nodes
from rsft_bench.harness.nodes import Node, closure, node_key
from rsft_bench.harness.schedule import ranks


def chain() -> tuple[Node, Node, Node]:
    a = Node("data", {"n": 1}, {}, weight=1)
    b = Node("trainset", {}, {"data": (a,)}, weight=2)
    c = Node("fit", {}, {"init": (a,), "D": (b,)}, weight=4)
    return a, b, c


def test_uid_is_structural() -> None:
    assert chain()[2].uid == chain()[2].uid
    assert Node("data", {"n": 2}, {}).uid != Node("data", {"n": 1}, {}).uid


def test_closure_puts_parents_first_and_once() -> None:
    a, b, c = chain()
    assert [n.stage for n in closure([c, b]).values()] == ["data", "trainset", "fit"]
    assert list(closure([c])) == [a.uid, b.uid, c.uid]


def test_longest_path_ranks() -> None:
    a, b, c = chain()
    children = {a.uid: [b.uid, c.uid], b.uid: [c.uid]}
    assert ranks(closure([c]), children) == {a.uid: 7, b.uid: 6, c.uid: 4}


def test_key_follows_parameters_inputs_and_source(monkeypatch: pytest.MonkeyPatch) -> None:
    code = ("rsft_bench.harness.stages.data",)
    node = Node("data", {"n": 1}, {})
    key = node_key(node, code, {"data": ["d1"]})
    assert node_key(node, code, {"data": ["d1"]}) == key
    assert node_key(node, code, {"data": ["d2"]}) != key
    assert node_key(Node("data", {"n": 1.5}, {}), code, {"data": ["d1"]}) != key
    monkeypatch.setattr(nodes, "source_hash", lambda module: "edited")
    assert node_key(node, code, {"data": ["d1"]}) != key
