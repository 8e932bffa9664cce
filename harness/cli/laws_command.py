"""`rsft-bench laws`: measure the sanity laws of this installation, a line each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rsft_bench.harness.cli.parser import add_json, non_negative
from rsft_bench.harness.types import Json

if TYPE_CHECKING:
    from rsft_bench.harness.laws import Law, LawResult

HELP = "measure the sanity laws L1 to L20; exit 4 unless L1 to L19 hold"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--full", action="store_true", help="more replicates, and L20 on nano-1 (many minutes)"
    )
    parser.add_argument("--only", metavar="IDS", help="laws to measure, with commas: L3,L7")
    parser.add_argument("--seed", type=non_negative, default=0, help="seed of the simulations")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print law, expected, measured, interval, verdict; 0 if no law of L1 to L19 fails."""
    from rsft_bench.harness.cli import compose, console
    from rsft_bench.harness.errors import InfrastructureError
    from rsft_bench.harness.laws import Setting, chosen, measured

    ids = None if args.only is None else [word.strip().upper() for word in args.only.split(",")]
    setting = Setting(compose.catalog(), args.seed, args.full, _rows)
    chosen(ids)
    found, broken = [], []
    if not args.json:
        console.say(_line("law", "expected", "measured", "interval", "holds"))
    for law, result in measured(setting, ids):
        found.append(_entry(law, result))
        if law.counts and result.holds is not True:
            broken.append(law.id)
        if not args.json:
            console.say(_told(result))
    if args.json:
        console.print_json({"laws": found, "full": args.full, "seed": args.seed, "broken": broken})
    if broken:
        raise InfrastructureError(
            f"{len(broken)} law(s) do not hold: {', '.join(broken)}; see every check with "
            f"`rsft-bench laws --json --only {','.join(broken)}`"
        )
    return 0


def _rows(config: Mapping[str, Json]) -> Any:
    """Rows of a run of ``config`` in the run folder that the config names."""
    from rsft_bench.api import load
    from rsft_bench.harness.cli.execute import run_and_report

    return load(run_and_report(config)).rows()


def _line(law: str, expected: str, measured: str, interval: str, holds: str) -> str:
    return f"{law:<56} {expected:>10} {measured:>10}  {interval:<24} {holds}"


def _told(result: LawResult) -> str:
    title = f"{result.id:<4}{result.name}"
    check = result.shown
    if check is None:
        return f"{title:<56} {result.note}"
    word = "holds" if result.holds else "DOES NOT HOLD"
    held = sum(c.holds for c in result.checks)
    where = f"[{check.lo:.4g}, {check.hi:.4g}]"
    about = f"{word} ({held} of {len(result.checks)} checks; shown: {check.what})"
    return _line(title, f"{check.expected:.5g}", f"{check.measured:.5g}", where, about)


def _entry(law: Law, result: LawResult) -> dict[str, Json]:
    return {
        "id": result.id,
        "name": result.name,
        "counts": law.counts,
        "holds": result.holds,
        "note": result.note,
        "checks": [{**c._asdict(), "holds": c.holds} for c in result.checks],
    }
