"""What happens inside a worker process: one node at a time into the store.

On one thread, unless the executor asked for more.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.executors.memory import return_memory, watch
from rsft_bench.harness.metering.meter import metered
from rsft_bench.harness.stages import STAGES, Work
from rsft_bench.harness.store import PARTIAL, Artifact, Store
from rsft_bench.harness.types import Cost, Json

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel
    from rsft_bench.harness.sampling.llama import LlamaWeights

#: Policies whose weights a process keeps. A walk draws the blocks of one or two at a time.
KEPT_MODELS = 2
#: Exit status of a worker that held more memory than it may.
OVER_MEMORY = 77


def thread_variables(threads: int) -> dict[str, str]:
    """Set before a worker imports torch: spinning thread pools on shared cores slow each other."""
    return {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        # Blocks have a new number of rows at nearly every step, and each is kept as a kernel: 24
        # blocks of nano held 1,016 MiB at oneDNN's own limit, 691 at this one with memory returned.
        "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "256",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
    }


@dataclass(frozen=True, slots=True)
class Task:
    """A node made concrete: everything a worker needs, picklable."""

    key: str
    stage: str
    params: Mapping[str, Json]
    inputs: Mapping[str, list[Path]]
    store: Path
    catalog: Catalog


@dataclass(slots=True)
class State:
    """What this process is: its number of threads, and the task it is at."""

    threads: int = 1
    task: Task | None = None


STATE = State()


def initialise(parent: int, threads: int, memory_gib: float | None) -> None:
    """Worker start: Ctrl-C belongs to the parent; a dead parent takes its workers along.

    A worker is born deaf to SIGTERM too; from here on it ends at one without a word.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _die_with_parent()
    if os.getppid() != parent:
        # The parent died before the line above took hold: nobody will send that signal.
        os._exit(1)
    STATE.threads = threads
    if memory_gib is not None:
        watch(memory_gib, _give_up)


def _give_up(held_gib: float) -> None:
    """Leave word of the task that took too much memory, and end this process at once."""
    if STATE.task is not None:
        mark = over_memory_mark(STATE.task)
        mark.mkdir(parents=True, exist_ok=True)
        (mark / "held_gib").write_text(str(held_gib))
    os._exit(OVER_MEMORY)


def over_memory_mark(task: Task) -> Path:
    """Folder by which a dying worker says that this task took too much memory."""
    return task.store / "tmp" / f"over-{task.key}"


def _die_with_parent() -> None:
    """Ask Linux to send SIGKILL when the parent dies; elsewhere workers end with their pipe."""
    import ctypes

    try:
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
    except (OSError, AttributeError):
        return


def execute(task: Task) -> Artifact:
    """Run one node and publish its artifact; returns at once if it is already there."""
    store = Store(task.store)
    found = store.find(task.key)
    if found is None:
        found = store.put(task.key, task.stage, functools.partial(_make, task))
    shutil.rmtree(_partial(task), ignore_errors=True)
    return found


def _partial(task: Task) -> Path:
    """Where an attempt leaves what the next one goes on from; beside the artifacts, by key."""
    return task.store / PARTIAL / task.key


def _make(task: Task, out: Path) -> tuple[Cost, str | None]:
    _pin_threads()
    function = STAGES[task.stage].function(task.inputs, task.catalog)
    work = Work(task.params, task.inputs, out, task.catalog, _partial(task))
    STATE.task = task
    try:
        with metered() as meter:
            outcome = function(work)
    finally:
        STATE.task = None
        return_memory()
    return meter.cost(outcome.tokens, outcome.flops), outcome.digest


def _pin_threads() -> None:
    """The thread variables, also where a process began without them."""
    for name, value in thread_variables(STATE.threads).items():
        os.environ.setdefault(name, value)


def set_torch_threads() -> None:
    """Let torch use the threads of this process and no more."""
    import torch

    torch.set_num_threads(STATE.threads)


@functools.lru_cache(maxsize=KEPT_MODELS)
def language_model(folder: Path) -> LanguageModel:
    """A policy's weights, kept in this process for the next block drawn from them.

    They are mapped from the file, so workers that hold one policy share its pages.
    """
    from rsft_bench.harness.policies.language_model import load

    set_torch_threads()
    return load(folder)


@functools.lru_cache(maxsize=KEPT_MODELS)
def packed_weights(folder: Path) -> LlamaWeights | None:
    """The weights of ``language_model(folder)`` as the sampler wants them, packed once.

    Packing takes 0.3 ms at nano's size. A large model's unpacked weights stay in their file.
    """
    from rsft_bench.harness.sampling import prepare

    return prepare(language_model(folder), folder)


def describe(task: Task) -> str:
    """A short name of a task for messages and the log."""
    label = task.params.get("purpose") or task.params.get("suite") or ""
    return f"{task.stage} {json.dumps(label)} [{task.key[:10]}]"
