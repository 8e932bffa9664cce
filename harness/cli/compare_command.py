"""`rsft-bench compare`: the paired difference of two variants of one run."""

from __future__ import annotations

import argparse
from pathlib import Path

from rsft_bench.harness.cli.parser import add_json

HELP = "paired difference A - B of two variants of a run, with its interval"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("a", metavar="A", help="variant id, such as sft or 'rsft[...]'")
    parser.add_argument("b", metavar="B", help="variant id")
    parser.add_argument("--metric", default="gold_pass", help="column of rows (gold_pass)")
    parser.add_argument("--split", default="confirm", choices=("select", "confirm"))
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compute and print one line a suite and policy."""
    from rsft_bench.api import load
    from rsft_bench.harness.cli import console
    from rsft_bench.harness.cli.variant_ids import in_run

    loaded = load(args.run_dir)
    console.warn_if_partial(loaded.path, loaded.manifest())
    a, b = (in_run(loaded.path, text) for text in (args.a, args.b))
    found = loaded.compare(a, b, metric=args.metric, split=args.split)
    if args.json:
        console.print_json(
            [{"suite": s, "policy": p, **effect._asdict()} for (s, p), effect in found.items()]
        )
        return 0
    console.say(f"{a} - {b}, {args.metric} on {args.split}, unadjusted")
    for (suite, policy), e in found.items():
        mean = "n/a" if e.n == 0 else f"{e.estimate:+.3f}"
        band = "no interval" if e.lo is None else f"[{e.lo:+.3f}, {e.hi:+.3f}]"
        p = "n/a" if e.p is None else f"{e.p:.3g}"
        console.say(
            f"{suite}, {policy}: {mean} {band}, p {p}, n {e.n}, "
            f"{e.clusters} clusters, {e.seeds} seeds ({e.scope})"
        )
    return 0
