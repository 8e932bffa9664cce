"""`rsft-bench validate`: can this suite, with this data, carry a conclusion?"""

from __future__ import annotations

import argparse
from pathlib import Path

from rsft_bench.harness.cli.parser import add_json, non_negative

HELP = "check a suite: splits, clusters, ceiling, floors, overlap; exit 2 when unusable"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("suite", metavar="SUITE", help="suite name, see `rsft-bench list suites`")
    parser.add_argument("--path", type=Path, metavar="PATH", help="data folder or file")
    parser.add_argument(
        "--set", action="append", default=[], metavar="OPTION=VALUE", help="a suite option"
    )
    parser.add_argument("--seed", type=non_negative, default=0, help="seed of the train side")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Validate and print."""
    from rsft_bench.harness.cli import compose, console
    from rsft_bench.harness.config_sources import parse_set
    from rsft_bench.harness.errors import DataError

    options = dict(parse_set(text) for text in args.set)
    if args.path is not None:
        options["path"] = str(args.path.resolve())
    report = compose.validate_suite(args.suite, options, args.seed)
    if args.json:
        console.print_json(report.to_json())
    else:
        for key, value in report.to_json().items():
            if key not in ("reasons", "verdict") and value is not None and value != {}:
                console.say(f"{key}: {_text(value)}")
        for reason in report.reasons:
            console.say(f"- {reason}")
        console.say(f"verdict: {report.verdict}")
    if report.verdict == "cannot support a conclusion":
        raise DataError(f"suite {args.suite!r} cannot support a conclusion: {report.reasons[0]}")
    return 0


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    return f"{value:.3f}" if isinstance(value, float) else str(value)
