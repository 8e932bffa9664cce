"""The Python interface: run a config, load a run, compare two variants.

``run`` takes a path to a YAML file, a preset's name, a mapping or a ``RunConfig``; ``load`` reads a
finished run folder without importing torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rsft_bench.harness.types import Json

if TYPE_CHECKING:
    import pandas as pd

    from rsft_bench.harness.config import RunConfig
    from rsft_bench.harness.runfolder import RunFolder
    from rsft_bench.harness.statistics import Effect


@dataclass(frozen=True)
class LoadedRun:
    """A run folder for reading."""

    path: Path

    def manifest(self) -> dict[str, Json]:
        """What ran, on what, with which versions."""
        return self._folder().manifest()

    def rows(self) -> pd.DataFrame:
        """One row a test draw."""
        return self._folder().rows()

    def cells(self) -> pd.DataFrame:
        """One row a suite, policy, variant and seed, with costs."""
        return self._folder().cells()

    def compare(
        self, a: str, b: str, *, metric: str = "gold_pass", split: str = "confirm"
    ) -> Mapping[tuple[str, str], Effect]:
        """Paired difference a - b by (suite, policy), with the two-way interval.

        Raises:
            UserError: a variant, metric or split that the run does not have.
            NotComparableError: the two were not answered on the same examples and seeds.
        """
        from rsft_bench.reports.pairwise import pairwise

        return pairwise(self._folder(), a, b, metric=metric, split=split)

    def _folder(self) -> RunFolder:
        from rsft_bench.harness.runfolder import RunFolder

        return RunFolder(self.path)


def load(path: str | Path) -> LoadedRun:
    """Open a run folder. Raises UserError if there is none."""
    from rsft_bench.harness.runfolder import RunFolder

    return LoadedRun(RunFolder(Path(path)).path)


def run(
    config: str | Path | Mapping[str, Json] | RunConfig,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    fresh: bool = False,
) -> LoadedRun:
    """Run a benchmark, write its report and return it for reading.

    Args:
        config: path of a YAML file, name of a preset, mapping or RunConfig.
        out: run folder; default ``runs/<name>-<hash of the config>``.
        workers: one-thread processes; default one a core.
        fresh: ignore stored artifacts.

    Raises:
        UserError: a bad config; one line that names the value and the allowed set.
    """
    from rsft_bench.harness.cli.execute import run_and_report

    return LoadedRun(run_and_report(config, out=out, workers=workers, fresh=fresh))
