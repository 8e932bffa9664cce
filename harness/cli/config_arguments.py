"""Flags that choose a config, shared by `run` and `plan`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rsft_bench.harness.cli.parser import (
    env_int,
    env_number,
    non_negative,
    positive,
    positive_number,
)

if TYPE_CHECKING:
    from rsft_bench.harness.config_sources import Source


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """CONFIG, --preset, --set, --seeds, --limit, --workers and --memory-gib."""
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="YAML file")
    parser.add_argument("--preset", help="smoke, quick (default), sweep, gate or standard")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one key, such as training.steps=50 or suites.0.path=DIR; repeatable",
    )
    add_allow_code(parser)
    parser.add_argument("--seeds", metavar="LIST", help="such as 0,1,2 or 0-4")
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="at most N examples a split of every suite"
    )
    parser.add_argument(
        "--workers", type=non_negative, metavar="N", help="processes; 0 runs in this one"
    )
    parser.add_argument(
        "--memory-gib",
        type=positive_number,
        metavar="GIB",
        help="most memory of a worker (default: an equal share of the machine)",
    )


def add_allow_code(parser: argparse.ArgumentParser) -> None:
    """``--allow-code``."""
    parser.add_argument(
        "--allow-code", action="store_true", help="run the Python files that `suites` name"
    )


def read_config(args: argparse.Namespace) -> Source:
    """The config that the flags and the environment ask for. Raises UserError."""
    from rsft_bench.harness.config_sources import load_config, parse_seeds

    return load_config(
        args.config,
        preset_name=args.preset,
        sets=args.set,
        overrides={
            **({} if args.seeds is None else {"seeds": parse_seeds(args.seeds)}),
            **({"allow_code": True} if args.allow_code else {}),
        },
        limit=args.limit,
    )


def read_workers(args: argparse.Namespace) -> int | None:
    """Number of worker processes asked for; None to let cores and memory decide."""
    return env_int(args.workers, "WORKERS", 0)


def read_memory(args: argparse.Namespace) -> float | None:
    """Memory cap of a worker in GiB; None for an equal share of the machine."""
    return env_number(args.memory_gib, "MEMORY_GIB")
