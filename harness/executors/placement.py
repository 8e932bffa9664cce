"""How a run is laid out on this machine: processes, threads of each, memory cap of each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rsft_bench.harness.executors.memory import GIB, SHARE, machine_gib

#: Float32 copies of the weights that a fit holds at its peak: its start, the weights, their
#: gradient, two optimizer moments, and one on the way to disk.
COPIES = 6
#: GiB of a worker before it has loaded a model.
BARE_GIB = 0.5
HALF = ("float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Placement:
    """``workers`` processes (0: this one alone) of ``threads`` each; ``memory_gib`` caps each.

    ``why`` says what keeps the number of processes below that of cores; None where nothing does.
    """

    workers: int
    threads: int
    memory_gib: float
    why: str | None = None

    @property
    def words(self) -> str:
        """The layout in one line."""
        if self.workers == 0:
            return "all work inside this process, on one thread, without a memory cap"
        count = f"{self.workers} worker{'s' if self.workers > 1 else ''}"
        each = f"{self.threads} thread{'s' if self.threads > 1 else ''} each"
        line = f"{count}, {each}, at most {self.memory_gib:.3g} GiB each"
        return line if self.why is None else f"{line}: {self.why}"


def place(
    asked: int | None,
    cores: int,
    weights_gib: float,
    memory_gib: float | None = None,
    machine: float | None = None,
) -> Placement:
    """Lay out a run.

    One one-thread process a core, or as many as can all hold the model; where two could not, one
    process with a thread a core. The machine's memory decides, not what is free just now, because
    the thread count is in every key and a resumed run must come to the same answer.

    Args:
        asked: number of workers asked for, which is kept whatever the memory; None to decide here.
        cores: cores that may be used.
        weights_gib: float32 weights of the largest policy, GiB; 0 where none has any.
        memory_gib: cap of a worker; default an equal share of the machine.
        machine: memory of the machine, GiB; default this one's.
    """
    whole = SHARE * (machine_gib() if machine is None else machine)
    workers, threads, why = cores if asked is None else asked, 1, None
    needed = BARE_GIB + COPIES * weights_gib
    room = int(whole // needed)
    if asked is None and room < cores:
        each = f"a worker may need {needed:.3g} GiB to train this model, all together {whole:.3g}"
        if room >= 2:
            workers, why = room, each
        elif cores > 1:
            workers, threads = 1, cores
            why = f"{each}; the keys of all work hold the thread count"
    cap = whole / max(workers, 1) if memory_gib is None else memory_gib
    return Placement(workers, threads, cap, why)


def weights_gib(folders: Iterable[Path]) -> float:
    """Float32 size of the largest of some model folders, GiB, from file sizes; 0 without any."""
    return max((_folder_bytes(folder) for folder in folders), default=0) / GIB


def _folder_bytes(folder: Path) -> int:
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return stored
    dtype = config.get("dtype") or config.get("torch_dtype")
    return stored * (2 if dtype in HALF else 1)
