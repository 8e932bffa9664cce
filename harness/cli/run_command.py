"""`rsft-bench run`: run a config, write the report, print the table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rsft_bench.harness.cli.config_arguments import (
    add_config_arguments,
    read_config,
    read_memory,
    read_workers,
)
from rsft_bench.harness.cli.parser import add_json, env_choice, env_path, env_true

if TYPE_CHECKING:
    from rsft_bench.harness.runfolder import RunFolder
    from rsft_bench.harness.runner import RunOutcome

HELP = "run a benchmark and write its report (resumes by default)"
EXECUTORS = ("local",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_config_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run folder itself")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--resume", action="store_true", help="go on where a run stopped (default)")
    mode.add_argument(
        "--fresh", action="store_true", help="use nothing stored by other runs; deletes nothing"
    )
    parser.add_argument("--executor", choices=EXECUTORS, help="where workers run")
    parser.add_argument("--quiet", action="store_true", help="no progress, no table")
    parser.add_argument("--no-progress", action="store_true", help="plain lines instead of bars")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run, report, print."""
    from rsft_bench.harness import runner
    from rsft_bench.harness.cli import compose, console, execute
    from rsft_bench.harness.cli.outputs import writable_cache
    from rsft_bench.harness.errors import PartialRunError

    source = read_config(args)
    out = env_path(args.out, "OUT") or execute.default_folder(source)
    args.run_folder = out
    env_choice(args.executor, "EXECUTOR", EXECUTORS)
    writable_cache()
    quiet = env_true(args.quiet, "QUIET")
    bars = not env_true(args.no_progress, "NO_PROGRESS")
    fresh = args.fresh or (not args.resume and env_true(False, "FRESH"))
    with console.watching(quiet, bars) as progress:
        outcome = runner.run(
            source.config,
            compose.catalog(source.config),
            out,
            workers=read_workers(args),
            fresh=fresh,
            preset=source.preset,
            progress=progress,
            memory_gib=read_memory(args),
        )
    folder = execute.publish(outcome.path)
    if args.json:
        console.print_json(_summary(outcome))
    elif not quiet:
        print_outcome(outcome, folder)
    if outcome.status != "complete":
        raise PartialRunError(f"{outcome.path}: the run is {outcome.status}; rerun to go on")
    return 0


def print_outcome(outcome: RunOutcome, folder: RunFolder) -> None:
    """The table, its footnotes and where the report lies."""
    from rsft_bench.harness.cli import console, execute

    print_terminal(execute.table(folder))
    if folder.manifest().get("preset") == "smoke":
        console.say("Preset smoke checks the plumbing; its numbers prove nothing.")
    how = "nothing to do, already complete" if outcome.reused else f"{outcome.wall_s:.0f} s"
    console.say(f"run: {outcome.path} ({how})")
    console.say(f"report: {outcome.path / 'report.html'}")


def print_terminal(table: object) -> None:
    """Draw a ``reports.TerminalTable``."""
    from rsft_bench.harness.cli import console
    from rsft_bench.reports import TerminalTable

    assert isinstance(table, TerminalTable)
    console.print_table(table.headers, table.rows)
    for line in table.footnotes:
        console.say(line)


def _summary(outcome: RunOutcome) -> dict[str, object]:
    from rsft_bench.harness.runfolder import RunFolder

    return {
        "path": str(outcome.path),
        "status": outcome.status,
        "reused": outcome.reused,
        "wall_s": outcome.wall_s,
        "report": str(outcome.path / "report.html"),
        "results": RunFolder(outcome.path).results(),
    }
