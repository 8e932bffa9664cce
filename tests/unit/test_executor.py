"""How a run is laid out: processes or threads, memory caps, models mapped and packed once."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rsft_bench.harness import worker
from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.executors import memory
from rsft_bench.harness.executors.local import LocalExecutor, thread_environment, without_interrupts
from rsft_bench.harness.executors.placement import place, weights_gib
from rsft_bench.harness.nodes import Node
from rsft_bench.harness.policies.language_model import load
from rsft_bench.harness.progress import Silent
from rsft_bench.harness.schedule import Walk
from rsft_bench.harness.store import Artifact, Store
from rsft_bench.harness.types import Cost
from rsft_bench.harness.worker import Task

if TYPE_CHECKING:
    from rsft_bench.harness.policies.language_model import LanguageModel


@pytest.mark.parametrize(
    ("asked", "cores", "weights", "workers", "threads"),
    [
        # 90 % of 20 GiB is 18: two workers may need 9 each, 0.5 + 6 x 1.41 = 8.96 and not 9.02.
        (None, 2, 1.41, 2, 1),
        (None, 2, 1.42, 1, 2),
        # Eight workers may need 2.25 each, 0.5 + 6 x 0.29 = 2.24 and not 2.30, which seven may.
        (None, 8, 0.29, 8, 1),
        (None, 8, 0.30, 7, 1),
        (None, 8, 1.41, 2, 1),
        (None, 8, 1.42, 1, 8),
        # One core has no second process to give up, and what was asked for is kept.
        (None, 1, 100.0, 1, 1),
        (2, 2, 100.0, 2, 1),
        (0, 2, 100.0, 0, 1),
        (None, 2, 0.0, 2, 1),
    ],
)
def test_the_model_decides_between_workers_and_threads(
    asked: int | None, cores: int, weights: float, workers: int, threads: int
) -> None:
    placed = place(asked, cores, weights, machine=20.0)
    assert (placed.workers, placed.threads) == (workers, threads)
    assert (placed.why is not None) == (asked is None and workers < cores)
    assert placed.memory_gib == pytest.approx(18.0 / max(workers, 1))


def test_a_layout_in_words() -> None:
    assert place(3, 2, 0.0, 1.5).words == "3 workers, 1 thread each, at most 1.5 GiB each"
    words = place(None, 4, 2.0, machine=10.0).words
    assert words.startswith("1 worker, 4 threads each, at most 9 GiB each: a worker may need 12.5")
    assert "keys of all work hold the thread count" in words


@pytest.mark.parametrize(
    ("config", "factor"), [({}, 1), ({"dtype": "bfloat16"}, 2), ({"torch_dtype": "float32"}, 1)]
)
def test_weights_are_counted_as_float32(
    config: dict[str, str], factor: int, tmp_path: Path
) -> None:
    big, small = tmp_path / "big", tmp_path / "small"
    for folder, size in ((big, 3000), (small, 100)):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "a.safetensors").write_bytes(b"x" * size)
        (folder / "b.safetensors").write_bytes(b"x" * size)
        (folder / "other.bin").write_bytes(b"x" * 9999)
    assert weights_gib([small, big]) * 2**30 == pytest.approx(6000 * factor)
    assert weights_gib([]) == 0.0


class Refusing:
    """Room for one task, never done."""

    free = 1

    def __init__(self) -> None:
        self.keys: list[str] = []

    def submit(self, task: Task) -> None:
        self.keys.append(task.key)

    def wait_any(self) -> list[tuple[Task, Artifact]]:
        raise KeyboardInterrupt


def test_the_thread_count_is_in_every_key(tmp_path: Path) -> None:
    executor: Any = Refusing()
    for threads in (1, 2, 2):
        walk = Walk(Store(tmp_path), Catalog(), executor, Silent(), {}, set(), "", threads=threads)
        with pytest.raises(KeyboardInterrupt):
            walk.run([Node("data", {"n": 1}, {})], "data")
    one, two, again = executor.keys
    assert one != two
    assert two == again


def test_children_see_the_threads_of_the_executor() -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    with thread_environment(3):
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "3"
        assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    assert os.environ.get("OMP_NUM_THREADS") == before
    assert LocalExecutor(2).threads == 1


@pytest.mark.skipif(memory.private_gib() is None, reason="reads /proc")
def test_private_memory_counts_what_was_touched() -> None:
    before = memory.private_gib() or 0.0
    held = np.ones(2**25)  # 256 MiB
    assert 0.24 < (memory.private_gib() or 0.0) - before < 0.30
    del held


@pytest.mark.parametrize(("sizes", "told"), [([0.5, 1.0, 1.25], 1.25), ([3.0], 3.0)])
def test_the_watch_tells_the_first_size_over_the_cap(
    sizes: list[float], told: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [0.0, *sizes]
    monkeypatch.setattr(memory, "private_gib", lambda: left.pop(0))
    monkeypatch.setattr(memory, "PERIOD_S", 0.001)
    found: list[float] = []
    over = threading.Event()
    memory.watch(1.0, lambda held: (found.append(held), over.set())[0])
    assert over.wait(10)
    assert found == [told]


def test_a_machine_has_no_more_memory_than_its_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_GROUP_LIMITS", ())
    whole = memory.machine_gib()
    (tmp_path / "limit").write_text(f"{2**28}\n")
    (tmp_path / "none").write_text("max\n")
    names = tuple(str(tmp_path / name) for name in ("limit", "none", "absent"))
    monkeypatch.setattr(memory, "_GROUP_LIMITS", names)
    assert memory.machine_gib() == 0.25 < whole


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc")
def test_weights_are_mapped_from_their_file(tiny_lm_folder: Path) -> None:
    """Workers share the pages of a policy: no tensor of the file's dtype is copied."""
    lm = load(tiny_lm_folder)
    spans = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(str(tiny_lm_folder / "model.safetensors")):
            start, _, end = line.split()[0].partition("-")
            spans.append((int(start, 16), int(end, 16)))
    parameters = list(lm.model.parameters())
    assert parameters
    for p in parameters:
        assert any(start <= p.data_ptr() < end for start, end in spans)


def test_weights_are_packed_once_a_policy(
    tiny_lm: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rsft_bench.harness import sampling

    packed: list[object] = []
    monkeypatch.setattr(worker, "language_model", lambda folder: tiny_lm)
    monkeypatch.setattr(sampling, "prepare", lambda lm, folder: packed.append(lm) or len(packed))
    worker.packed_weights.cache_clear()
    try:
        names = ["a", "a", "b", "a", "c", "b"]
        found = [worker.packed_weights(tmp_path / name) for name in names]
        # Two are kept: c takes the place of b, which was not used for longest.
        assert found == [1, 1, 2, 1, 3, 4]
    finally:
        worker.packed_weights.cache_clear()


def test_a_task_is_known_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the watch would name; and nothing once the task is over."""
    seen: list[Task | None] = []

    class Fake:
        def function(self, inputs: Any, catalog: Any) -> Any:
            def run(work: Any) -> Any:
                seen.append(worker.STATE.task)
                raise ZeroDivisionError

            return run

    monkeypatch.setattr(worker, "STAGES", {"data": Fake()})
    task = Task("k" * 64, "data", {}, {}, tmp_path, Catalog())
    with pytest.raises(ZeroDivisionError):
        worker.execute(task)
    assert seen == [task]
    assert worker.STATE.task is None
    assert Cost().wall_s == 0.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_child_is_born_waits_until_it_is_known(number: signal.Signals) -> None:
    """And the child inherits the deafness, so that it says nothing while it imports."""

    class Told(Exception):
        pass

    def tell(*_: object) -> None:
        raise Told

    # A mask alone would not do: a signal to the process may come to this thread.
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    before = signal.signal(number, tell)
    seen: list[bool] = []

    def give_birth() -> None:
        with without_interrupts():
            os.kill(os.getpid(), number)
            time.sleep(0.05)
            seen.append(number in signal.pthread_sigmask(signal.SIG_BLOCK, set()))

    try:
        with pytest.raises(Told):
            give_birth()
    finally:
        signal.signal(number, before)
        over.set()
        other.join()
    assert seen == [True]
    assert number not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
