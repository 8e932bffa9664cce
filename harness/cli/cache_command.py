"""`rsft-bench cache`: what the artifact store holds, and making it smaller."""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from rsft_bench.harness.cli.parser import add_json, non_negative

if TYPE_CHECKING:
    from rsft_bench.harness.store import Store

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
    from rsft_bench.harness.cli.outputs import writable_cache
    from rsft_bench.harness.runner import default_cache
    from rsft_bench.harness.store import Store

    writable_cache()
    store = Store(default_cache())
    if args.action == "list":
        _list(store, args.json)
    else:
        _prune(store, args.older_than, args.dry_run)
    return 0


def _list(store: Store, as_json: bool) -> None:
    from rsft_bench.harness.cli import console

    sizes: dict[str, list[int]] = defaultdict(list)
    for _, stage, size, _ in store.entries():
        sizes[stage].append(size)
    total = sum(sum(s) for s in sizes.values())
    if as_json:
        by_stage = {k: {"artifacts": len(v), "bytes": sum(v)} for k, v in sizes.items()}
        console.print_json({"path": str(store.root), "bytes": total, "stages": by_stage})
        return
    rows = [(k, str(len(v)), _mib(sum(v))) for k, v in sorted(sizes.items())]
    console.print_table(("stage", "artifacts", "MiB"), rows)
    console.say(f"{store.root}: {_mib(total)} MiB")


def _prune(store: Store, days: int, dry_run: bool) -> None:
    from rsft_bench.harness.cli import console

    limit = time.time() - days * DAY_S
    old = [(key, size) for key, _, size, made in store.entries() if made < limit]
    for key, _ in [] if dry_run else old:
        store.remove(key)
    left = 0 if dry_run else store.sweep_temporary() + store.sweep_partial(limit)
    verb = "would delete" if dry_run else "deleted"
    size = _mib(sum(size for _, size in old))
    console.say(f"{verb} {len(old)} artifacts, {size} MiB, {left} leftovers of work that died")


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f}"
