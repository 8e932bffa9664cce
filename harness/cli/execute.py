"""Run a config and write its report; shared by the `run` command and ``rsft_bench.api``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rsft_bench.harness.cli import compose
from rsft_bench.harness.types import Json

if TYPE_CHECKING:
    from rsft_bench.harness.config import RunConfig
    from rsft_bench.harness.config_sources import Source
    from rsft_bench.harness.runfolder import RunFolder
    from rsft_bench.reports import TerminalTable

REPORT_FILES = ("results.json", "report.html", "report.md")
ROOT = Path("runs")


def run_and_report(
    config: str | Path | Mapping[str, Json] | RunConfig,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    fresh: bool = False,
) -> Path:
    """Run whatever names a config, write the reports and return the run folder.

    Raises:
        UserError: a bad config, or an ``out`` that holds something else.
    """
    from rsft_bench.harness import runner
    from rsft_bench.harness.cli.outputs import writable_cache

    writable_cache()
    source = as_source(config)
    folder = Path(out) if out is not None else default_folder(source)
    runner.run(
        source.config,
        compose.catalog(source.config),
        folder,
        workers=workers,
        fresh=fresh,
        preset=source.preset,
    )
    publish(folder)
    return folder


def as_source(config: str | Path | Mapping[str, Json] | RunConfig) -> Source:
    """A config from a YAML path, a preset's name, a mapping (``preset`` allowed) or itself."""
    from rsft_bench.harness.config import RunConfig
    from rsft_bench.harness.config_sources import Source, from_mapping, load_config
    from rsft_bench.harness.presets import names

    if isinstance(config, RunConfig):
        return Source(config, config.name or "run")
    if isinstance(config, Mapping):
        return from_mapping(config)
    if isinstance(config, str) and config in names():
        return load_config(preset_name=config, environ={})
    return load_config(Path(config), environ={})


def default_folder(source: Source) -> Path:
    """``runs/<stem>-<8 hex of the resolved config>``."""
    return ROOT / f"{source.stem}-{source.config.config_hash()}"


def publish(folder: Path) -> RunFolder:
    """Write results.json and the reports, unless they are newer than the run they describe.

    Returns the reader, which remembers its analysis for ``table``.
    """
    from rsft_bench.harness.runfolder import RunFolder

    run = RunFolder(folder)
    if not current(folder):
        from rsft_bench.reports import write

        write(run, ("json", "html", "md"))
    return run


def current(folder: Path) -> bool:
    """Whether every report file exists and none is older than the manifest."""
    made = (folder / "manifest.json").stat().st_mtime_ns
    files = [folder / name for name in REPORT_FILES]
    return all(file.exists() and file.stat().st_mtime_ns >= made for file in files)


def table(run: RunFolder) -> TerminalTable:
    """The table printed after a run."""
    from rsft_bench.reports import terminal_table

    return terminal_table(run)
