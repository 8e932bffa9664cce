"""`rsft-bench validate`: can this suite, or every suite of this config, carry a conclusion?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsft_bench.harness.cli.config_arguments import add_allow_code
from rsft_bench.harness.cli.parser import add_json, non_negative

if TYPE_CHECKING:
    from rsft_bench.harness.types import Json

HELP = "check a suite or a config's suites; exit 3 where one cannot support a conclusion"
YAML = (".yaml", ".yml")
FAILED = "cannot support a conclusion"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "suite",
        metavar="SUITE|CONFIG.yaml",
        help="suite name, see `rsft-bench list suites`, or a config",
    )
    parser.add_argument("--path", type=Path, metavar="PATH", help="data folder or file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a suite option; with a config any key",
    )
    parser.add_argument("--seed", type=non_negative, default=0, help="seed of the train side")
    add_allow_code(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Validate and print."""
    from rsft_bench.harness.cli import console
    from rsft_bench.harness.errors import NotComparableError

    whole = args.suite.endswith(YAML)
    found = _of_config(args) if whole else [(args.suite, _of_suite(args))]
    if args.json:
        entries = [{**report.to_json(), "name": name} for name, report in found]
        console.print_json(entries if whole else entries[0])
    else:
        for _, report in found:
            _show(report)
    for name, report in found:
        if report.verdict == FAILED:
            raise NotComparableError(f"suite {name!r} {FAILED}: {report.reasons[0]}")
    return 0


def _of_suite(args: argparse.Namespace) -> Any:
    from rsft_bench.harness.cli import compose
    from rsft_bench.harness.config_sources import parse_set

    options = dict(parse_set(text) for text in args.set)
    if args.path is not None:
        options["path"] = str(args.path.resolve())
    return compose.validate_suite(args.suite, options, args.seed)


def _of_config(args: argparse.Namespace) -> list[tuple[str, Any]]:
    """Reports of a config's suites by label. ``--path`` goes to the only suite there is."""
    from rsft_bench.harness.cli import compose
    from rsft_bench.harness.config_sources import load_config
    from rsft_bench.harness.errors import ConfigError

    overrides: dict[str, Json] = {"allow_code": True} if args.allow_code else {}
    if args.path is not None:
        overrides["suites.0.path"] = str(args.path.resolve())
    config = load_config(Path(args.suite), sets=args.set, overrides=overrides).config
    if args.path is not None and len(config.suites) > 1:
        raise ConfigError(
            f"{args.suite} has {len(config.suites)} suites; set their paths one by one, such as "
            "--set suites.0.path=DIR"
        )
    return [
        (spec.key, compose.validate_suite(spec.name, spec.given, args.seed, config))
        for spec in config.suites
    ]


def _show(report: Any) -> None:
    from rsft_bench.harness.cli import console

    for key, value in report.to_json().items():
        if key not in ("reasons", "verdict") and value is not None and value != {}:
            console.say(f"{key}: {_text(value)}")
    for reason in report.reasons:
        console.say(f"- {reason}")
    console.say(f"verdict: {report.verdict}")


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    return f"{value:.3f}" if isinstance(value, float) else str(value)
