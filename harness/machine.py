"""What this machine is, for manifests and for keys of timings."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

from rsft_bench.harness.store import canonical, hash_text
from rsft_bench.harness.types import Json


@functools.cache
def machine() -> dict[str, Json]:
    """cpu, cores, platform and a fingerprint of the three; no host name, no user."""
    facts = {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "platform": f"{platform.system()} {platform.machine()}",
    }
    return {**facts, "fingerprint": hash_text(canonical(facts))[:16]}


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
