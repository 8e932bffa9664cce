"""`rsft-bench report`: write the report of finished runs again, without a model."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write report files of one or more runs and print their tables"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder")
    parser.add_argument(
        "--format", default="html,md,json", help="comma-separated: html, md, json (default all)"
    )
    parser.add_argument("--to", type=Path, metavar="DIR", help="where to write; one RUN only")
    parser.add_argument("--quiet", action="store_true", help="print no table")


def run(args: argparse.Namespace) -> int:
    """Write and print each run."""
    from rsft_bench.harness.cli import console
    from rsft_bench.harness.cli.outputs import writable
    from rsft_bench.harness.cli.run_command import print_terminal
    from rsft_bench.harness.errors import UserError
    from rsft_bench.harness.runfolder import RunFolder
    from rsft_bench.reports import terminal_table, write

    if args.to is not None and len(args.runs) > 1:
        raise UserError("--to takes one RUN; leave it out to write into each run folder")
    formats = [word.strip() for word in args.format.split(",") if word.strip()]
    if not formats:
        raise UserError("--format is empty; allowed: html, md, json")
    for path in args.runs:
        folder = RunFolder(path)
        console.warn_if_partial(path, folder.manifest())
        writable(args.to or path, "RUN" if args.to is None else "--to")
        written = write(folder, formats, args.to)
        if not args.quiet:
            print_terminal(terminal_table(folder))
        for file in written:
            console.say(str(file))
    return 0
