"""`rsft-bench doctor`: what a bug report should say, and what would stop a run."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
from importlib import metadata
from pathlib import Path

from rsft_bench.harness.cli.parser import ENV_PREFIX, add_json

HELP = "versions, cores, memory, disk, cache and weights of this installation"
PACKAGES = (
    "rsft-bench",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pyarrow",
    "pydantic",
)
KNOWN_ENV = (
    "CACHE_DIR",
    "EXECUTOR",
    "FRESH",
    "JSON",
    "LIMIT",
    "NO_PROGRESS",
    "OUT",
    "PRESET",
    "QUIET",
    "SEEDS",
    "SET",
    "TRACEBACK",
    "WORKERS",
)
LOW_DISK_GIB = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Collect and print; problems end with exit code 4."""
    from rsft_bench.harness.cli import console
    from rsft_bench.harness.errors import InfrastructureError

    facts, problems = collect()
    if args.json:
        console.print_json({**facts, "problems": problems})
    else:
        for key, value in facts.items():
            console.say(f"{key:<16}{value}")
        for problem in problems:
            console.say(f"problem: {problem}")
    if problems:
        raise InfrastructureError(f"{len(problems)} problem(s) found; the first: {problems[0]}")
    return 0


def collect() -> tuple[dict[str, object], list[str]]:
    """Facts of this machine and what is wrong with it."""
    from rsft_bench.harness.cli.compose import packaged_weights
    from rsft_bench.harness.runner import default_cache, default_workers

    problems: list[str] = []
    cache = default_cache()
    disk = shutil.disk_usage(_existing(cache)).free / 2**30
    weights = packaged_weights()
    if weights is None:
        problems.append("the weights of nano-1 are missing from the installation")
    if disk < LOW_DISK_GIB:
        problems.append(f"{disk:.1f} GiB free under {cache}; set {ENV_PREFIX}CACHE_DIR")
    if not (_existing(cache).is_dir() and os.access(_existing(cache), os.W_OK)):
        problems.append(f"cache {cache} cannot be written; set {ENV_PREFIX}CACHE_DIR")
    facts: dict[str, object] = {"python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            facts[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            facts[name] = "missing"
            problems.append(f"package {name} is not installed")
    facts |= {
        "cores": default_workers(),
        "memory_gib": _memory_gib(),
        "cache": str(cache),
        "free_disk_gib": round(disk, 1),
        "nano-1": str(weights or "missing"),
    }
    strange = sorted(
        k for k in os.environ if k.startswith(ENV_PREFIX) and k[len(ENV_PREFIX) :] not in KNOWN_ENV
    )
    problems += [f"environment variable {name} is read by nothing" for name in strange]
    return facts, problems


def _existing(path: Path) -> Path:
    """The path or the nearest parent that exists."""
    return next(p for p in (path, *path.absolute().parents) if p.exists())


def _memory_gib() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
