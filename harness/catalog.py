"""The registries a run draws on, handed in by the composition root and found again by workers.

Harness code never imports tasks or baselines; a worker process resolves the same registries from
the dotted paths that the catalog carries.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Json, Suite

DEFAULT_PATHS: Mapping[str, str] = {
    "suite": "rsft_bench.tasks:SUITES",
    "method": "rsft_bench.baselines:METHODS",
    "rule": "rsft_bench.baselines:RULES",
    "target": "rsft_bench.baselines:TARGETS",
    "policy": "rsft_bench.harness.policies:POLICIES",
    "reward": "rsft_bench.harness.reward_kinds:REWARDS",
    "metric": "rsft_bench.harness.metrics:METRICS",
}


@functools.cache
def _load(path: str) -> Registry[Any]:
    module, _, name = path.partition(":")
    registry: Registry[Any] = getattr(importlib.import_module(module), name)
    return registry


@dataclass(frozen=True, slots=True)
class Catalog:
    """Dotted paths of the registries by kind, the names of ``DEFAULT_PATHS``."""

    paths: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_PATHS))

    def registry(self, kind: str) -> Registry[Any]:
        """The registry of one kind, imported on first use."""
        return _load(self.paths[kind])

    def suite(self, name: str) -> Suite:
        """A suite by name."""
        suite: Suite = self.registry("suite").get(name)
        return suite


def source_modules(item: object) -> tuple[str, ...]:
    """Modules whose source decides what a registered object does: its ``code``, else its own."""
    stated: tuple[str, ...] = tuple(getattr(item, "code", ()))
    return stated or (type(item).__module__,)


def with_defaults(options: Mapping[str, Json], params: tuple[Any, ...]) -> dict[str, Json]:
    """Declared defaults overlaid with what was given."""
    return {p.name: p.default for p in params} | dict(options)
