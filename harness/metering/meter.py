"""Measured seconds and memory of a block of code, as a ``Cost``."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rsft_bench.harness.types import Cost

GIB = 1024**3


@dataclass
class Meter:
    """What a ``metered`` block took; all zero until the block has ended.

    Attributes:
        wall_s: seconds on the clock.
        cpu_s: processor seconds of this process, all threads, without child processes.
        peak_rss_gib: largest resident memory of this process since it started, GiB. The kernel
            keeps one peak a process, so a block that runs after a larger one shows the larger.
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
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield meter
    finally:
        meter.wall_s = time.perf_counter() - wall
        meter.cpu_s = time.process_time() - cpu
        meter.peak_rss_gib = peak_rss_gib()


def peak_rss_gib() -> float:
    """Largest resident memory of this process so far, GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return peak * unit / GIB
