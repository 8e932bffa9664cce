"""Each of our parts beside its peer, as one Markdown table.

    python tests/bench/peers.py --parts sampling-nano,training --alternations 5

Run it on a machine that does nothing else. ``docs/performance.md`` says what the columns mean.
Needs the extra ``bench``; ``make peers`` installs it.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from peer_parts import PARTS, Options, Result
from peer_table import table

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = ROOT.parent / "shared" / "peers" / "prompts.jsonl"
PACKAGES = ("torch", "transformers", "trl")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Flags."""
    parser = argparse.ArgumentParser(description="Our parts beside their peers, one table.")
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated names")
    parser.add_argument("--alternations", type=int, default=5, help="repetitions of each side")
    parser.add_argument("--pilots", type=int, default=2, help="repetitions to choose a layout by")
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="JSON lines with `prompt`")
    parser.add_argument("--smol", type=Path, help="SmolLM2-135M: safetensors or one GGUF file")
    parser.add_argument("--smol-prompts", type=int, default=8, help="prompts that SmolLM2 answers")
    parser.add_argument("--sweep-share", type=int, default=8, help="divides the sweep's size")
    parser.add_argument("--out", type=Path, help="also write the table there, part after part")
    parser.add_argument("--quick-check", action="store_true", help="tiny workload: does it run?")
    args = parser.parse_args(arguments)
    args.parts = [name for name in args.parts.split(",") if name]
    for name in args.parts:
        if name not in PARTS:
            parser.error(f"unknown part {name!r}; known: {', '.join(PARTS)}")
    if min(args.alternations, args.pilots, args.smol_prompts, args.sweep_share) < 1:
        parser.error("all counts must be at least 1")
    if not args.prompts.is_file() and not args.quick_check:
        parser.error(f"--prompts {args.prompts}: no such file; give JSON lines with `prompt`")
    if args.smol is not None and not args.smol.is_dir():
        parser.error(f"--smol {args.smol}: no such folder")
    return args


def environment() -> str:
    """What the numbers depend on beside the code."""
    ask = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return (
        f"{today}, commit {commit or 'unknown'}, {os.cpu_count()} cores ({platform.machine()}), "
        f"load at the start {load}, Python {platform.python_version()}, {versions}"
    )


def document(result: Result, where: str, alternations: int) -> str:
    """The table and the remarks below it."""
    notes = [f"{where}; {alternations} alternations.", *result.notes]
    return table(result.lines) + "\n\n" + "\n".join(f"- {text}" for text in notes) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts asked for and print one table. Returns 0 whether or not targets are met."""
    args = parse(arguments)
    options = Options(
        prompts=args.prompts if args.prompts.is_file() and not args.quick_check else None,
        smol=None if args.quick_check else args.smol,
        alternations=args.alternations,
        pilots=args.pilots,
        smol_prompts=args.smol_prompts,
        sweep_share=args.sweep_share,
        quick=args.quick_check,
    )
    where, whole = environment(), Result()
    for name in args.parts:
        sys.stderr.write(f"{name} ...\n")
        result = PARTS[name](options)
        whole.lines += result.lines
        whole.notes += result.notes
        if args.out is not None:
            args.out.write_text(document(whole, where, args.alternations), encoding="utf-8")
    sys.stdout.write(document(whole, where, args.alternations))
    return 0


if __name__ == "__main__":
    sys.exit(main())
