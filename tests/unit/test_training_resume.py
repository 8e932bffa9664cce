"""A fit that was killed goes on from its last state to the very weights it would have reached."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.config import TrainingConfig
from rsft_bench.harness.errors import UserError
from rsft_bench.harness.graph import Graph
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.policies.language_model import save
from rsft_bench.harness.store import Store, write_rows
from rsft_bench.harness.training import fit as fit_module
from rsft_bench.harness.training.fit import FitResult, fit
from rsft_bench.harness.training.resume import STATE
from rsft_bench.harness.types import Budget, TrainRow, WeightedSet
from rsft_bench.harness.worker import Task, execute

BUDGET = Budget(steps=7, batch=2, lr=1e-2, save_every=2)
ANSWERS = ("It has shipped.", "No.", "Yes, within 30 days.", "Please send the number.", "Hi")
ROWS = tuple(
    TrainRow(str(i), f"Customer: q{i}\nAgent:", text, 0.02 + 0.01 * i)
    for i, text in enumerate(ANSWERS)
)
D = WeightedSet("D", ROWS, 1.0, "train-D")

KILLED = """
import os, pickle, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from rsft_bench.harness.training import fit as fit_module
from rsft_bench.harness.worker import execute
task = pickle.loads(Path(sys.argv[1]).read_bytes())
plain, calls = fit_module.step_loss, []
def step_loss(forward, groups):
    calls.append(1)
    if len(calls) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(forward, groups)
fit_module.step_loss = step_loss
execute(task)
"""


def interrupt_at(monkeypatch: pytest.MonkeyPatch, call: int) -> list[int]:
    """Count the steps taken and stop as Ctrl-C would in the ``call``-th; 0 never stops."""
    plain = fit_module.step_loss
    calls: list[int] = []

    def counted(forward: Any, groups: Any) -> float:
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return plain(forward, groups)

    monkeypatch.setattr(fit_module, "step_loss", counted)
    return calls


def same(a: FitResult, b: FitResult) -> bool:
    pairs = [(a.lm, b.lm), *((a.kept[step], b.kept[step]) for step in b.kept)]
    return (a.losses == b.losses).all() and all(
        torch.equal(p, q)
        for one, other in pairs
        for p, q in zip(one.model.parameters(), other.model.parameters(), strict=True)
    )


def test_resumed_fit_is_the_uninterrupted_one_bit_for_bit(
    tiny_lm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    whole = fit(tiny_lm, [D], dataclasses.replace(BUDGET, save_every=0), 3, (2, 5))
    with monkeypatch.context() as patch:
        interrupt_at(patch, 6)
        with pytest.raises(KeyboardInterrupt):
            fit(tiny_lm, [D], BUDGET, 3, (2, 5), tmp_path / "fit")
    assert [p.name for p in (tmp_path / "fit").iterdir()] == [STATE]
    calls = interrupt_at(monkeypatch, 0)
    resumed = fit(tiny_lm, [D], BUDGET, 3, (2, 5), tmp_path / "fit")
    assert len(calls) == 3
    assert set(resumed.kept) == {2, 5}
    assert same(resumed, whole)
    assert (resumed.tokens, resumed.tokens_squared) == (whole.tokens, whole.tokens_squared)


@pytest.mark.parametrize("change", ["seed", "rows", "budget", "damage"])
def test_a_state_of_another_fit_or_a_damaged_one_is_not_taken_up(
    tiny_lm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(patch, 6)
        with pytest.raises(KeyboardInterrupt):
            fit(tiny_lm, [D], BUDGET, 3, partial=tmp_path)
    if change == "damage":
        (tmp_path / STATE).write_bytes((tmp_path / STATE).read_bytes()[:100])
    rows = dataclasses.replace(D, rows=D.rows[1:]) if change == "rows" else D
    budget = dataclasses.replace(BUDGET, lr=2e-2) if change == "budget" else BUDGET
    calls = interrupt_at(monkeypatch, 0)
    fit(tiny_lm, [rows], budget, 4 if change == "seed" else 3, partial=tmp_path)
    assert len(calls) == BUDGET.steps


def test_nothing_is_written_unless_asked(tiny_lm: Any, tmp_path: Path) -> None:
    fit(tiny_lm, [D], dataclasses.replace(BUDGET, save_every=0), 3, partial=tmp_path / "fit")
    assert not (tmp_path / "fit").exists()


def test_a_fit_that_diverged_leaves_no_state(tiny_lm: Any, tmp_path: Path) -> None:
    wild = Budget(steps=60, batch=5, lr=1e30, save_every=1)
    with pytest.raises(UserError, match="diverged at step"):
        fit(tiny_lm, [D], wild, 0, partial=tmp_path / "fit")
    assert not (tmp_path / "fit").exists()


def fit_task(lm: Any, folder: Path, store: str) -> Task:
    """A node of stage ``fit`` on files under ``folder``."""
    save(lm, folder / "init" / "weights")
    (folder / "rows").mkdir(exist_ok=True)
    rows = [{"example_id": r.example_id, "prompt": r.prompt} for r in ROWS]
    pairs = zip(rows, ANSWERS, strict=True)
    write_rows(folder / "rows" / "rows.jsonl", [{**r, "text": t, "count": 1} for r, t in pairs])
    params = {
        "sets": [{"name": "D", "coefficient": 1.0, "stream": "train-D"}],
        "budget": {"steps": 7, "batch": 2, "lr": 1e-2, "save_every": 2},
        "normalise": "prompt",
        "seed": 3,
    }
    inputs = {"init": [folder / "init"], "reference": [folder / "rows"], "D": [folder / "rows"]}
    return Task("ab" * 32, "fit", params, inputs, folder / store, Catalog())


def test_a_killed_node_is_resumed_and_its_state_deleted(
    tiny_lm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = execute(fit_task(tiny_lm, tmp_path, "whole"))
    task = fit_task(tiny_lm, tmp_path, "killed")
    (tmp_path / "task").write_bytes(pickle.dumps(task))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "task")]
    died = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert died.returncode == -signal.SIGKILL
    assert Store(task.store).find(task.key) is None
    partial = task.store / "partial" / task.key
    assert (partial / STATE).is_file()
    calls = interrupt_at(monkeypatch, 0)
    resumed = execute(task)
    assert len(calls) == 3
    assert resumed.digest == whole.digest
    assert resumed.cost.tokens == whole.cost.tokens
    assert not partial.exists()
    assert len(json.loads((resumed.folder / "fit.json").read_text())["losses"]) == 7


def fit_params(**training: Any) -> Any:
    """Params of the node that a config with these training settings plans for sft."""
    settings = TrainingConfig.model_validate(training).model_dump()
    base, data = Node("base", {}, {}), Node("data", {}, {})
    space: Any = SimpleNamespace(
        settings=SimpleNamespace(training=settings), seed=0, base=base, data=data
    )
    return Graph(space, cast("Any", None)).sft().params


def test_defaults_add_nothing_to_the_params_of_a_fit() -> None:
    assert fit_params() == {
        "sets": [{"name": "D", "coefficient": 1.0, "stream": "sft-D"}],
        "budget": {"steps": 300, "batch": 32, "lr": 1e-3},
        "normalise": "prompt",
        "seed": 0,
    }


def test_every_setting_of_the_budget_reaches_the_fit() -> None:
    asked = {
        **{"schedule": "cosine", "share_prefix": "auto", "save_every": 50},
        **{"accelerate": True, "device": "cuda"},
    }
    found = fit_params(**asked)["budget"]
    assert Budget(**found) == Budget(300, 32, 1e-3, **asked)  # type: ignore[arg-type]
