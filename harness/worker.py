"""What happens inside a worker process: one node at a time, on one thread, into the store."""

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
from rsft_bench.harness.metering.meter import metered
from rsft_bench.harness.stages import STAGES, Work
from rsft_bench.harness.store import Artifact, Store
from rsft_bench.harness.types import Cost, Json

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel

#: Set before a worker imports torch: spinning thread pools on shared cores slow each other.
THREAD_ENVIRONMENT: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
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


def initialise(parent: int) -> None:
    """Worker start: Ctrl-C belongs to the parent; a dead parent takes its workers along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    if os.getppid() != parent:
        # The parent died before the line above took hold: nobody will send that signal.
        os._exit(1)


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
    return task.store / "partial" / task.key


def _make(task: Task, out: Path) -> tuple[Cost, str | None]:
    _pin_threads()
    function = STAGES[task.stage].function()
    work = Work(task.params, task.inputs, out, task.catalog, _partial(task))
    with metered() as meter:
        outcome = function(work)
    return meter.cost(outcome.tokens, outcome.flops), outcome.digest


@functools.cache
def _pin_threads() -> None:
    """One torch thread per process, also where the environment came too late."""
    for name, value in THREAD_ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@functools.lru_cache(maxsize=2)
def language_model(folder: Path) -> LanguageModel:
    """A policy's weights, kept in this process for the next block drawn from them."""
    import torch

    from rsft_bench.harness.policies.language_model import load

    torch.set_num_threads(1)
    return load(folder)


def describe(task: Task) -> str:
    """A short name of a task for messages and the log."""
    label = task.params.get("purpose") or task.params.get("suite") or ""
    return f"{task.stage} {json.dumps(label)} [{task.key[:10]}]"
