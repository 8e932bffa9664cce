"""Whole runs of a preset, and how much of their time lies outside every stage."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsft_bench.harness.cli.compose import catalog
from rsft_bench.harness.cli.execute import publish
from rsft_bench.harness.config_sources import load_config
from rsft_bench.harness.runner import run
from rsft_bench.harness.stages import STAGES


def busy_seconds(cache: Path) -> float:
    """Seconds in which at least one stage ran, from the store of one run with a cold cache.

    An artifact's ``meta.json`` is written when its stage ends and holds the stage's seconds, which
    gives the stage's interval; intervals are joined. Finer than run.log, whose times are whole
    seconds.
    """
    spans = []
    for meta in cache.glob("objects/*/*/meta.json"):
        end = meta.stat().st_mtime
        spans.append((end - json.loads(meta.read_text())["cost"]["wall_s"], end))
    return joined(spans)


def joined(spans: Sequence[tuple[float, float]]) -> float:
    """Length of the union of intervals."""
    length, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        length += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return length


class WholeRun:
    """A preset from a cold cache to its report; ``workers`` 0 is one process with its threads."""

    def __init__(
        self, preset: str, sets: Sequence[str], workers: int, part: int, parts: int
    ) -> None:
        self._config = load_config(preset_name=preset, sets=list(sets), environ={}).config
        self._catalog = catalog()
        self._workers = workers
        self.home = tempfile.TemporaryDirectory(prefix="peer-run-")
        self._folder = Path(self.home.name) / "0"
        if workers == 0:
            import torch

            for stage in STAGES.values():
                stage.function({}, self._catalog)

            # Stages pin themselves to one thread, which is right in a worker and not here.
            torch.set_num_threads = lambda count: None  # type: ignore[assignment]

    def prepare(self) -> None:
        """An empty folder for run and cache; the last one goes."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self._folder.with_name(str(int(self._folder.name) + 1))

    def run(self) -> dict[str, Any]:
        """One run and its report."""
        out = self._folder / "run"
        run(
            self._config,
            self._catalog,
            out,
            workers=self._workers,
            cache=self._folder / "cache",
        )
        publish(out)
        return {"runs": 1}

    def ceiling(self) -> dict[str, float]:
        """Nothing to measure: a run is more than matrix products."""
        return {"chain": 0.0}
