"""`rsft-bench list`: what can be named in a config."""

from __future__ import annotations

import argparse

from rsft_bench.harness.cli.parser import add_json
from rsft_bench.harness.types import Json

HELP = "list suites, methods, rules, metrics, rewards, policies or presets"
KINDS = ("suites", "methods", "rules", "metrics", "rewards", "policies", "presets")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print names, a line each, and the parameters."""
    from rsft_bench.harness.cli import compose, console
    from rsft_bench.harness.values import format_value

    entries = compose.describe(args.kind)
    if args.json:
        console.print_json(entries)
        return 0
    for entry in entries:
        console.say(f"{entry['name']:<17} {entry['doc']}")
        if args.kind == "suites":
            console.say(f"    {_facts(entry)}")
        for param in entry["params"]:
            choices = (
                f"; one of {', '.join(map(str, param['choices']))}" if param["choices"] else ""
            )
            choices += f"; in {param['range']}" if param["range"] else ""
            default = format_value(param["default"])
            console.say(f"    {param['name']:<17} {param['doc']} (default {default}{choices})")
    return 0


def _facts(entry: dict[str, Json]) -> str:
    """Language, size, licence, gold and ceiling of a suite in one line."""
    unknown = "with data" if entry["needs_data"] else "not stated"
    size = unknown if entry["size"] is None else f"{entry['size']} examples"
    ceiling = unknown if entry["ceiling"] is None else f"{entry['ceiling']:.2f}"
    return (
        f"language {entry['language'] or 'not stated'}; size {size}; licence {entry['licence']}; "
        f"gold {entry['gold_kind'] or 'not stated'}; ceiling {ceiling}"
    )
