"""`rsft-bench baseline`: save a run as the yardstick of the gate, or show one."""

from __future__ import annotations

import argparse
from pathlib import Path

from rsft_bench.harness.cli.parser import add_json, share

HELP = "save a run as a baseline of the gate, or show a saved one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="save|show")
    save = actions.add_parser("save", help="save a run as a baseline", allow_abbrev=False)
    save.add_argument("run_dir", type=Path, metavar="RUN", help="run folder")
    save.add_argument("--to", required=True, type=Path, metavar="DIR", help="baseline folder")
    save.add_argument("--margin", type=share, help="tolerated fall (default: the config's)")
    save.add_argument(
        "--accept-margin", type=share, metavar="X", help="accept a wider margin, at most .10"
    )
    show = actions.add_parser("show", help="print a baseline", allow_abbrev=False)
    show.add_argument("baseline", type=Path, metavar="DIR", help="baseline folder")
    for action in (save, show):
        add_json(action)


def run(args: argparse.Namespace) -> int:
    """Save or show."""
    from dataclasses import asdict

    from rsft_bench.harness import gate
    from rsft_bench.harness.cli import console
    from rsft_bench.harness.cli.outputs import writable

    if args.action == "show":
        facts = dict(gate.load_baseline(saved_at(args.baseline)).info)
    else:
        writable(args.to.absolute().parent, "--to")
        saved = gate.save_baseline(args.run_dir, args.to, args.margin, args.accept_margin)
        facts = asdict(saved)
    if args.json:
        console.print_json(facts)
        return 0
    for warning in facts.pop("warnings", ()):
        console.note(f"warning: {warning}")
    for key, value in facts.items():
        console.say(f"{key}: {_text(value)}")
    return 0


def saved_at(folder: Path) -> Path:
    """The folder, which must hold a baseline. Raises UserError with how to save one."""
    from rsft_bench.harness.errors import UserError
    from rsft_bench.harness.gate.baseline import FILE

    if not (folder / FILE).is_file():
        raise UserError(
            f"no baseline at {folder}; save one with `rsft-bench baseline save RUN --to {folder}`"
        )
    return folder


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    return f"{value:.3f}" if isinstance(value, float) else str(value)
