"""Policies without weights in the stages: what is imported, kept loaded, refused and required."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.errors import CapabilityError, UserError
from rsft_bench.harness.gate.baseline import _arms
from rsft_bench.harness.gate.data import Arm
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.stages import STAGES
from rsft_bench.harness.stages.base import has_weights, own_policy, sampler, weights_folder


@dataclass
class Heavy:
    """A kind that counts its loads and wants a module imported before it is timed."""

    name: str = "heavy"
    preload: tuple[str, ...] = ("this_is_late",)
    loads: int = 0

    def load(self, options: Any) -> Any:
        self.loads += 1
        return SimpleNamespace(sample=lambda *_: [])


HEAVY = Heavy()
POLICIES: Registry[Any] = Registry("policy", [HEAVY])
CATALOG = Catalog({**DEFAULT_PATHS, "policy": f"{__name__}:POLICIES"})


@pytest.fixture
def artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "policy.json").write_text(json.dumps({"policy": "heavy", "options": {}}))
    (tmp_path / "this_is_late.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "this_is_late", raising=False)
    HEAVY.loads = 0
    return tmp_path


def test_its_own_modules_are_imported_instead_of_the_stages(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[str] = []
    monkeypatch.setattr(
        "rsft_bench.harness.stages.importlib",
        SimpleNamespace(import_module=lambda m: imported.append(m) or SimpleNamespace(run=None)),
    )
    STAGES["sample"].function({"policy": [artifact]}, CATALOG)
    assert imported == ["this_is_late", "rsft_bench.harness.stages.sample"]
    del imported[:]
    (artifact / "weights").mkdir()
    (artifact / "weights" / "config.json").write_text("{}")
    STAGES["sample"].function({"policy": [artifact]}, CATALOG)
    assert imported == [*STAGES["sample"].preload, "rsft_bench.harness.stages.sample"]
    del imported[:]
    # A stage without policies needs its modules always.
    STAGES["proxy"].function({}, CATALOG)
    assert imported[:-1] == list(STAGES["proxy"].preload)
    # A reward that reads a policy's weights needs torch, and its import is no time of scoring.
    del imported[:]
    STAGES["score"].function({"body": [artifact]}, CATALOG)
    assert imported[:-1] == [*STAGES["score"].preload, *STAGES["sample"].preload]


def test_it_stays_loaded_for_the_next_block(artifact: Path) -> None:
    assert sampler(artifact, CATALOG) is sampler(artifact, CATALOG)
    assert HEAVY.loads == 1


def test_it_has_no_weights_and_cannot_be_trained(artifact: Path) -> None:
    assert not has_weights(artifact)
    with pytest.raises(UserError, match="policy 'heavy' is no Hugging Face model"):
        weights_folder(artifact)
    with pytest.raises(CapabilityError, match="policy 'heavy' cannot be trained"):
        own_policy(artifact, CATALOG)


def test_a_gate_wants_each_policy_where_it_runs() -> None:
    """A suite with policies of its own misses no rows of the others."""
    frame = pd.DataFrame(
        {"example_id": ["a", "b"], "seed": [0, 0], "weight": [1.0, 1.0], "gold_pass": [1.0, 0.0]}
    )
    rows = {Arm("s", "p", "sft"): frame, Arm("t", "q", "sft"): frame}
    data = SimpleNamespace(values=frame, arm=lambda arm: rows.get(arm, frame[:0]))
    both = [{"name": "p"}, {"name": "q"}]
    suites = [{"name": "s", "policies": ["p"]}, {"name": "t", "policies": ["q"]}]
    manifest = {"suites": suites, "policies": both, "seeds": [0]}
    assert _arms(manifest, cast("Any", data), ["gold_pass"], ["sft"]) == list(rows)
    # A run of an earlier version says nothing and runs all of them everywhere.
    manifest["suites"] = [{"name": "s"}, {"name": "t"}]
    with pytest.raises(UserError, match="no rows of 'sft' on suite 's', policy 'q'"):
        _arms(manifest, cast("Any", data), ["gold_pass"], ["sft"])
