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
    """Judge, write the summaries, pick the exit code."""
    from rsft_bench.harness import gate
    from rsft_bench.harness.cli import console
    from rsft_bench.harness.runfolder import write_text

    result = gate.run_gate(args.run_dir, args.baseline, args.margin)
    if args.markdown is not None:
        write_text(args.markdown, result.markdown())
    if args.junit is not None:
        from rsft_bench.reports.junit import junit_xml

        write_text(args.junit, junit_xml(result.to_dict()))
    if args.json:
        console.print_json(result.to_dict())
    else:
        console.say(result.markdown())
    if result.verdict == "regression":
        return EXIT_REGRESSION
    return EXIT_PASS if result.verdict == "pass" else EXIT_CANNOT_TELL
