"""`rsft-bench schema`: JSON Schema of a config, or the columns of a run's tables."""

from __future__ import annotations

import argparse

HELP = "print the JSON Schema of a config file, or with --rows the columns of a run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--rows", action="store_true", help="columns and types of the tables")


def run(args: argparse.Namespace) -> int:
    """Print one of the two."""
    from rsft_bench.harness.cli import console

    if args.rows:
        from rsft_bench.harness.runfolder import schema_text

        console.say(schema_text())
    else:
        from rsft_bench.harness.config import config_schema

        console.print_json(config_schema())
    return 0
