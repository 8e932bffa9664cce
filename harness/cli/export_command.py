"""`rsft-bench export`: a trained variant as a Hugging Face model folder."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from rsft_bench.harness.cli.parser import non_negative

if TYPE_CHECKING:
    import pandas as pd

HELP = "copy a trained variant out of the store as a Hugging Face model folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--variant", required=True, help="variant id, or primary")
    parser.add_argument("--to", required=True, type=Path, metavar="DIR", help="new folder")
    parser.add_argument("--suite", help="default: the run's only suite")
    parser.add_argument("--policy", help="default: the run's only policy")
    parser.add_argument("--seed", type=non_negative, help="default: the run's first seed")


def run(args: argparse.Namespace) -> int:
    """Find the weights by their fingerprint and copy them."""
    from rsft_bench.harness.cli import console
    from rsft_bench.harness.cli.outputs import writable
    from rsft_bench.harness.cli.variant_ids import in_run
    from rsft_bench.harness.errors import UserError
    from rsft_bench.harness.runfolder import RunFolder

    if args.to.exists() and (not args.to.is_dir() or any(args.to.iterdir())):
        raise UserError(f"{args.to} exists and is not an empty folder; choose another --to")
    folder = RunFolder(args.run_dir)
    variant = in_run(folder.path, args.variant)
    cells = folder.cells()
    cells = cells[cells["variant"] == variant]
    for axis in ("suite", "policy", "seed"):
        cells = _narrow(cells, axis, getattr(args, axis))
    fingerprint = str(cells.iloc[0]["policy_fingerprint"])
    source = _weights(fingerprint)
    writable(args.to, "--to")
    shutil.copytree(source, args.to, dirs_exist_ok=True)
    console.say(f"{args.to}: {variant}, fingerprint {fingerprint[:12]}")
    return 0


def _narrow(cells: pd.DataFrame, axis: str, wanted: str | int | None) -> pd.DataFrame:
    """Cells at one value of the axis; a seed left out means the first. Raises UserError."""
    from rsft_bench.harness.errors import UserError

    values = sorted(set(cells[axis]))
    if wanted is None and (len(values) == 1 or axis == "seed"):
        wanted = values[0]
    if wanted not in values:
        problem = "is needed" if wanted is None else f"{wanted!r} is not in this run"
        raise UserError(f"--{axis} {problem}; the run has: {', '.join(map(str, values))}")
    return cells[cells[axis] == wanted]


def _weights(fingerprint: str) -> Path:
    """Folder with the weights of that digest. Raises UserError where the store lost them."""
    from rsft_bench.harness.errors import UserError
    from rsft_bench.harness.runner import default_cache
    from rsft_bench.harness.stages.base import weights_folder
    from rsft_bench.harness.store import Store

    store = Store(default_cache())
    for key, stage, _, _ in store.entries():
        found = store.find(key) if stage in ("fit", "base") else None
        if found is not None and found.digest == fingerprint:
            return weights_folder(found.folder)
    raise UserError(
        f"the store {store.root} no longer holds weights {fingerprint[:12]}; "
        "rerun the config to make them again, or point RSFT_BENCH_CACHE_DIR at the run's store"
    )
