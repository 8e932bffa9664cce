"""One side of a comparison in a process of its own: loads a job once, runs it when told to.

Requests and replies are JSON, one a line, on standard input and output. The thread count comes
with the environment, so this file imports nothing heavy before a job is named.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, Protocol

#: Jobs by name: the module that builds them and its function.
JOBS = {
    "sample-packed": ("peer_sampling", "Packed"),
    "sample-generate": ("peer_generate", "Generate"),
    "model": ("peer_models", "Prepare"),
    "train-fit": ("peer_training", "Fit"),
    "train-trl": ("peer_trl", "Sft"),
    "train-data": ("peer_training", "Data"),
    "run": ("peer_runs", "WholeRun"),
    "sweep": ("peer_sweep", "Sweep"),
}


class Job(Protocol):
    """Work that can be repeated; its constructor loads what is not to be timed."""

    def prepare(self) -> None:
        """Whatever one repetition needs and that is not part of the work."""

    def run(self) -> dict[str, Any]:
        """The work. Returns counts, never times: the clock is the caller's."""

    def ceiling(self) -> dict[str, float]:
        """Rates of the matrix products of this job's shapes, now, on this process's threads."""


def build(name: str, arguments: dict[str, Any]) -> Job:
    """Load a job by name."""
    module, function = JOBS[name]
    job: Job = getattr(importlib.import_module(module), function)(**arguments)
    return job


def resident_kib(field: str) -> int:
    """``VmRSS`` (now) or ``VmHWM`` (peak) of this process, KiB. Linux only."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")


def measured_memory(job: Job) -> dict[str, Any]:
    """Run once; ``peak_kib`` is the most resident memory above what was resident before."""
    before = resident_kib("VmRSS")
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123
        # 5 sets the peak back to the present.
        file.write("5")
    counts = job.run()
    return counts | {"peak_kib": resident_kib("VmHWM") - before}


def set_threads() -> None:
    """As many torch threads as the environment says, and no pool beside them."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_num_interop_threads(1)


def serve() -> None:
    """Answer requests until standard input ends."""
    # Libraries and their children may print; replies go where they cannot.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    set_threads()
    job: Job | None = None
    for line in sys.stdin:
        request = json.loads(line)
        reply: dict[str, Any] = {}
        if request["do"] == "load":
            job = build(request["job"], request["arguments"])
        elif job is None:
            raise RuntimeError("the first request must load a job")
        elif request["do"] == "prepare":
            job.prepare()
        elif request["do"] == "run":
            reply = job.run()
        elif request["do"] == "memory":
            reply = measured_memory(job)
        elif request["do"] == "ceiling":
            reply = job.ceiling()
        replies.write(json.dumps(reply) + "\n")


if __name__ == "__main__":
    serve()
