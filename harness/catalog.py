"""The registries a run draws on, handed in by the composition root and found again by workers.

Harness code never imports tasks or baselines; a worker process resolves the same registries from
the dotted paths that the catalog carries.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
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
class SuiteFile:
    """A suite's Python file: absolute path, and SHA-256 (hex) of its content."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """Dotted paths of the registries by kind, the names of ``DEFAULT_PATHS``.

    ``suite_files`` are suites given by path, by name; see ``suite_files.with_suite_files``.
    """

    paths: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_PATHS))
    suite_files: Mapping[str, SuiteFile] = field(default_factory=dict)

    def registry(self, kind: str) -> Registry[Any]:
        """The registry of one kind, imported on first use."""
        return _load(self.paths[kind])

    def suite(self, name: str) -> Suite:
        """A suite by name; one given by path is run on first use."""
        if name in self.suite_files:
            from rsft_bench.harness.suite_files import load_suite_file

            return load_suite_file(name, self.suite_files[name])
        suite: Suite = self.registry("suite").get(name)
        return suite

    def suite_code(self, name: str) -> tuple[str, ...]:
        """Modules whose source is part of every key made from a suite: its ``code``.

        For one given by path the module of its file, whether or not it names that itself.
        """
        suite = self.suite(name)
        if name not in self.suite_files:
            return suite.code
        from rsft_bench.harness.suite_files import module_name

        file = self.suite_files[name]
        own = (Path(file.path).stem, module_name(file))
        return (*(m for m in getattr(suite, "code", ()) if m not in own), own[1])


def source_modules(item: object) -> tuple[str, ...]:
    """Modules whose source decides what a registered object does: its ``code``, else its own."""
    stated: tuple[str, ...] = tuple(getattr(item, "code", ()))
    return stated or (type(item).__module__,)


def with_defaults(options: Mapping[str, Json], params: tuple[Any, ...]) -> dict[str, Json]:
    """Declared defaults overlaid with what was given."""
    return {p.name: p.default for p in params} | dict(options)
