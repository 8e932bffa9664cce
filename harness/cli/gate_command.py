"""`rsft-bench gate`: did this change make answers worse? Fails closed."""

from __future__ import annotations

import argparse
from pathlib import Path

from rsft_bench.harness.cli.parser import add_json, share

HELP = "compare a run with a baseline: exit 0 pass, 1 regression, 3 cannot tell"
EXIT_PASS, EXIT_REGRESSION, EXIT_CANNOT_TELL = 0, 1, 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--baseline", required=True, type=Path, metavar="DIR", help="baseline")
    parser.add_argument("--margin", type=share, help="tolerated fall (default: the baseline's)")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the summary")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Judge, print, write the summaries, pick the exit code."""
    from rsft_bench.harness import gate
    from rsft_bench.harness.cli import console
    from rsft_bench.harness.cli.baseline_command import saved_at
    from rsft_bench.harness.cli.outputs import write_output

    result = gate.run_gate(args.run_dir, saved_at(args.baseline), args.margin)
    # The verdict first: a summary that cannot be written must not swallow it.
    if args.json:
        console.print_json(result.to_dict())
    else:
        console.say(result.markdown())
    if args.markdown is not None:
        write_output(args.markdown, result.markdown(), "--markdown")
    if args.junit is not None:
        from rsft_bench.reports.junit import junit_xml

        write_output(args.junit, junit_xml(result.to_dict()), "--junit")
    if result.verdict == "regression":
        return EXIT_REGRESSION
    return EXIT_PASS if result.verdict == "pass" else EXIT_CANNOT_TELL
