"""The stages a node can name: what runs, which source decides its result, what its cost counts as.

Heavy imports happen inside the stage modules' ``run``, so listing stages loads no torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.store import read_rows
from rsft_bench.harness.types import Json

_HERE = "rsft_bench.harness.stages"
_SAMPLER = (
    "rsft_bench.harness.sampling",
    "rsft_bench.harness.seeding",
    "rsft_bench.harness.policies.language_model",
    "rsft_bench.harness.metering.formulas",
)
_TRAINER = (
    f"{_HERE}.learners",
    f"{_HERE}.weighing",
    "rsft_bench.harness.training",
    "rsft_bench.harness.seeding",
    "rsft_bench.harness.policies.language_model",
    "rsft_bench.harness.metering.formulas",
)
_TORCH = ("torch", "transformers.models.llama.modeling_llama")
_SKLEARN = ("sklearn.linear_model", "sklearn.feature_extraction.text")
_POLICIES = "rsft_bench.harness.policies"
_PROXY = (
    "rsft_bench.harness.rewards",
    "rsft_bench.harness.metering.formulas",
    "rsft_bench.harness.seeding",
    "rsft_bench.harness.statistics.reliability",
    "rsft_bench.harness.statistics.selection",
)
_RECORDED = "rsft_bench.harness.recorded_data"
_PICKING = ("rsft_bench.harness.serving", "rsft_bench.harness.similarity")


@dataclass(frozen=True, slots=True)
class Work:
    """What a stage gets: parameters, input artifact folders by name, an empty output folder.

    ``partial`` is where a long stage may keep what a later attempt at the same node goes on from:
    a folder of this node's key, not made yet, deleted when the node has ended.
    """

    params: Mapping[str, Json]
    inputs: Mapping[str, list[Path]]
    out: Path
    catalog: Catalog
    partial: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage reports: counted cost, and a digest where files are only a reference."""

    tokens: int = 0
    flops: float = 0.0
    digest: str | None = None


class StageFunction(Protocol):
    """Pure: equal work gives equal files."""

    def __call__(self, work: Work) -> Outcome:
        """Write the artifact's files into ``work.out``."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One kind of node.

    ``code`` lists the modules whose source joins the key; what a node's cost counts as is said by
    the arm that charges it. ``policies`` names the input whose weights need the modules of
    ``preload``; without a name they are always needed.
    """

    name: str
    code: tuple[str, ...]
    preload: tuple[str, ...] = ()
    policies: str = ""

    def function(self, inputs: Mapping[str, list[Path]], catalog: Catalog) -> StageFunction:
        """The stage's ``run``, imported now with what it needs, so that timers see only work."""
        from rsft_bench.harness.stages.base import own_modules

        own = [own_modules(folder, catalog) for folder in inputs.get(self.policies, ())]
        for modules in own or [None]:
            for module in self.preload if modules is None else modules:
                importlib.import_module(module)
        # A reward that reads the policy loads it, whatever answers here.
        for module in _TORCH if inputs.get("body") else ():
            importlib.import_module(module)
        run: StageFunction = importlib.import_module(f"{_HERE}.{self.name}").run
        return run


STAGES: Mapping[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("data", (f"{_HERE}.data", "rsft_bench.harness.seeding", _RECORDED)),
        Stage("trainset", (f"{_HERE}.trainset",)),
        Stage("base", (f"{_HERE}.base",)),
        Stage("fit", (f"{_HERE}.fit", *_TRAINER), _TORCH, "init"),
        Stage("checkpoint", (f"{_HERE}.checkpoint",)),
        Stage("sample", (f"{_HERE}.sample", *_SAMPLER), _TORCH, "policy"),
        Stage("score", (f"{_HERE}.score", f"{_POLICIES}.shape", *_PROXY), _SKLEARN),
        Stage("ratio", (f"{_HERE}.ratio", *_SAMPLER), _TORCH, "policy"),
        Stage("proxy", (f"{_HERE}.proxy", *_PROXY, _RECORDED), _SKLEARN),
        Stage("select", (f"{_HERE}.select", "rsft_bench.harness.seeding")),
        Stage(
            "target",
            (f"{_HERE}.target", f"{_HERE}.select", "rsft_bench.harness.seeding"),
        ),
        Stage(
            "online",
            (
                *(
                    f"{_HERE}.{name}"
                    for name in ("online", "continuing", "segment", "score", "select")
                ),
                f"{_POLICIES}.shape",
                "rsft_bench.harness.segments",
                *dict.fromkeys((*_TRAINER, *_SAMPLER, *_PROXY)),
            ),
            (*_TORCH, *_SKLEARN),
            "init",
        ),
        Stage("segment", (f"{_HERE}.segment",)),
        Stage("serve", (f"{_HERE}.serve", *_PICKING, *_SAMPLER, *_PROXY), _TORCH, "policies"),
    )
}


def read_all(work: Work, name: str) -> list[dict[str, Json]]:
    """Rows of all artifacts given as input ``name``, concatenated in input order."""
    return [row for folder in work.inputs[name] for row in read_rows(folder / "rows.jsonl")]
