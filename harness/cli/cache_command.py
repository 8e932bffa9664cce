"""`rsft-bench cache`: what the artifact store holds, and making it smaller."""

from __future__ import annotations

import argparse
import time
from collections import defaultdict

from rsft_bench.harness.cli.parser import add_json, non_negative

HELP = "list or prune the artifact store"
DAY_S = 86400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|prune")
    listing = actions.add_parser("list", help="size by stage", allow_abbrev=False)
    add_json(listing)
    prune = actions.add_parser("prune", help="delete old artifacts", allow_abbrev=False)
    prune.add_argument(
        "--older-than", type=non_negative, required=True, metavar="DAYS", help="age to delete"
    )
    prune.add_argument("--dry-run", action="store_true", help="say what would go, delete nothing")


def run(args: argparse.Namespace) -> int:
    """List or prune."""
    from rsft_bench.harness.cli import console
    from rsft_bench.harness.runner import default_cache
    from rsft_bench.harness.store import Store

    store = Store(default_cache())
    return _list(store, args, console) if args.action == "list" else _prune(store, args, console)


def _list(store, args, console):  # type: ignore[no-untyped-def]
    sizes: dict[str, list[int]] = defaultdict(list)
    for _, stage, size, _ in store.entries():
        sizes[stage].append(size)
    total = sum(sum(s) for s in sizes.values())
    if args.json:
        by_stage = {k: {"artifacts": len(v), "bytes": sum(v)} for k, v in sizes.items()}
        console.print_json({"path": str(store.root), "bytes": total, "stages": by_stage})
        return 0
    rows = [(k, str(len(v)), _mib(sum(v))) for k, v in sorted(sizes.items())]
    console.print_table(("stage", "artifacts", "MiB"), rows)
    console.say(f"{store.root}: {_mib(total)} MiB")
    return 0


def _prune(store, args, console):  # type: ignore[no-untyped-def]
    limit = time.time() - args.older_than * DAY_S
    old = [(key, size) for key, _, size, made in store.entries() if made < limit]
    for key, _ in [] if args.dry_run else old:
        store.remove(key)
    left = 0 if args.dry_run else store.sweep_temporary()
    verb = "would delete" if args.dry_run else "deleted"
    size = _mib(sum(size for _, size in old))
    console.say(f"{verb} {len(old)} artifacts, {size} MiB, {left} leftovers of dead processes")
    return 0


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f}"
