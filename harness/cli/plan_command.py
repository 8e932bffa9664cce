"""`rsft-bench plan`: what a run would take, before anything is spent."""

from __future__ import annotations

import argparse
import math

from rsft_bench.harness.cli.config_arguments import (
    add_config_arguments,
    read_config,
    read_memory,
    read_workers,
)
from rsft_bench.harness.cli.parser import add_json

HELP = "cells, tokens, FLOPs, minutes and smallest detectable effect of a run, before it runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_config_arguments(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Estimate and print."""
    from dataclasses import asdict

    from rsft_bench.harness.cli import compose, console, execute
    from rsft_bench.harness.estimate import plan
    from rsft_bench.harness.runner import placement
    from rsft_bench.harness.spaces import make_plan

    source = read_config(args)
    catalog = compose.catalog(source.config)
    placed = placement(make_plan(source.config, catalog), read_workers(args), read_memory(args))
    workers = placed.workers * placed.threads
    found = plan(source.config, catalog, workers)
    folder = execute.default_folder(source)
    if args.json:
        layout = {"workers": placed.workers, "threads": placed.threads}
        console.print_json({**asdict(found), "folder": str(folder), **layout})
        return 0
    left_out = ", ".join(found.uncounted)
    beside = f", {left_out} left out: its size is not known" if left_out else ""
    rows = [
        ("run folder", str(folder)),
        ("cells", f"{found.cells} ({len(found.variants)} variants)"),
        ("stages", ", ".join(f"{n} {stage}" for stage, n in sorted(found.nodes.items()))),
        ("completions", f"{found.completions:,}"),
        ("sampled tokens", f"about {found.sampled_tokens:,.0f}"),
        ("trained tokens", f"about {found.trained_tokens:,.0f}"),
        ("FLOPs", f"about {found.flops:.2g}{beside}"),
        ("time", f"about {found.wall_s / 60:.0f} min, nothing reused{beside}"),
        ("layout", placed.words),
    ]
    for suite, effect in found.mde.items():
        text = "no interval at this size" if math.isnan(effect) else f"about {effect:.3f}"
        rows.append((f"detectable on {suite}", f"{text} of gold_pass"))
    console.print_table(("what", "estimate"), rows)
    for variant in found.variants:
        console.say(f"  {variant}")
    return 0
