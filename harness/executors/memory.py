"""Memory of worker processes: what the machine has, what a process holds, and a cap on it.

A limit set by the kernel would count the address space that torch reserves and never touches, so a
thread of the worker looks at what is resident instead.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

GIB = 2**30
#: Part of the machine's memory that all workers together may hold; the rest is the parent's.
SHARE = 0.9
#: Seconds between two looks; a look reads one line of /proc.
PERIOD_S = 0.1
_STATM = Path("/proc/self/statm")
_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_gib() -> float:
    """Memory this process may use, GiB: physical, or less where a control group limits it."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in _GROUP_LIMITS:
        try:
            sizes.append(int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return min(sizes) / GIB


def private_gib() -> float | None:
    """Resident memory of this process without mapped files, GiB; None where it is not told.

    Weights mapped from a file are shared by all workers and can be dropped, so they do not count.
    """
    try:
        _, resident, shared = (int(field) for field in _STATM.read_text().split()[:3])
    except (OSError, ValueError):
        return None
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE") / GIB


def watch(cap_gib: float, exceeded: Callable[[float], None]) -> None:
    """Call ``exceeded`` with the GiB held, from a thread, as soon as they are more than the cap.

    Does nothing where the system does not tell what a process holds.
    """
    if private_gib() is None:
        return

    def look() -> None:
        while (held := private_gib() or 0.0) <= cap_gib:
            time.sleep(PERIOD_S)
        exceeded(held)

    threading.Thread(target=look, name="memory cap", daemon=True).start()


def return_memory() -> None:
    """Hand freed memory back to the system where the C library can (glibc keeps it otherwise)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
