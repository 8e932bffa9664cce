"""Measured seconds and memory of a block of code, as a ``Cost``."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.types import Cost

GIB = 1024**3
CLEAR_REFS = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")


@dataclass
class Meter:
    """What a ``metered`` block took; all zero until the block has ended.

    Attributes:
        wall_s: seconds on the clock.
        cpu_s: processor seconds of this process, all threads, without child processes.
        peak_rss_gib: largest resident memory of this process during the block, GiB, including
            what was resident when it began. The kernel keeps one peak a process, which the block
            resets at its start, so an outer block sees the peak since its last inner one. Where
            it cannot be reset (no Linux, or no permission) this is the peak since the process
            started, and a block that runs after a larger one shows the larger.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_gib: float = 0.0

    def cost(self, tokens: int = 0, flops: float = 0.0) -> Cost:
        """The measured numbers together with counted tokens and FLOPs."""
        return Cost(tokens, flops, self.wall_s, self.cpu_s, self.peak_rss_gib)


@contextmanager
def metered() -> Iterator[Meter]:
    """Measure the block; the numbers are there after it ends, also when it raises."""
    meter = Meter()
    reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield meter
    finally:
        meter.wall_s = time.perf_counter() - wall
        meter.cpu_s = time.process_time() - cpu
        meter.peak_rss_gib = peak_rss_gib()


def reset_peak() -> bool:
    """Let the kernel's peak of resident memory start again from now; False where it will not.

    Source: proc_pid_clear_refs(5), value 5.
    """
    try:
        CLEAR_REFS.write_text("5")
    except OSError:
        return False
    return True


def peak_rss_gib() -> float:
    """Largest resident memory of this process since ``reset_peak`` worked or it started, GiB.

    VmHWM of proc_pid_status(5), in kB of 1024 bytes; elsewhere getrusage, which knows no reset.
    """
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / GIB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return peak * unit / GIB
