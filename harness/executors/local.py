"""Run tasks in worker processes on this machine, one-thread ones unless asked otherwise.

At most one task a worker is in flight, so when a worker dies the lost tasks are known; each is
retried once, then named.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker

from rsft_bench.harness.errors import InfrastructureError
from rsft_bench.harness.store import Artifact
from rsft_bench.harness.worker import (
    Task,
    describe,
    execute,
    initialise,
    over_memory_mark,
    thread_variables,
)

INTERRUPTS = frozenset({signal.SIGINT, signal.SIGTERM})


@contextmanager
def thread_environment(threads: int = 1) -> Iterator[None]:
    """Children started inside see so many passive threads; our own environment is put back."""
    variables = thread_variables(threads)
    saved = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Children started inside are born deaf to Ctrl-C and SIGTERM: none complains while it imports.

    A signal that comes meanwhile reaches us at the end, when every child is known and can be ended:
    one between a child's start and its first orders would leave it to complain of missing orders.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Starting the tracker would unblock the signals again.
    resource_tracker.ensure_running()
    with _held_back():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _held_back() -> Iterator[None]:
    """Signals are handled at the end, whichever thread they came to; a mask is one thread's own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {n: signal.getsignal(n) for n in INTERRUPTS}
    ours = {n: handler for n, handler in handlers.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda n, _: came.append(n))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


class LocalExecutor:
    """``workers`` processes; 0 runs every task in this process (for debugging and tests).

    ``threads``: of each process. ``memory_gib``: most private memory of each, None for no cap;
    tasks in this process have none.
    """

    def __init__(self, workers: int, threads: int = 1, memory_gib: float | None = None) -> None:
        self.workers = workers
        self.threads = threads
        self.memory_gib = memory_gib
        self._pool: ProcessPoolExecutor | None = None
        self._running: dict[Future[Artifact], Task] = {}
        self._deaths: dict[str, int] = {}
        self._done: list[tuple[Task, Artifact]] = []

    @property
    def free(self) -> int:
        """Tasks that may be submitted now."""
        return max(1, self.workers) - len(self._running) - len(self._done)

    def submit(self, task: Task) -> None:
        """Start a task; call only while ``free`` is positive."""
        if self.workers == 0:
            self._done.append((task, execute(task)))
            return
        with thread_environment(self.threads), without_interrupts():
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self.workers,
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=initialise,
                    initargs=(os.getpid(), self.threads, self.memory_gib),
                )
            try:
                self._running[self._pool.submit(execute, task)] = task
                return
            except BrokenProcessPool:
                # A worker died since the last wait, and not at this task.
                lost = self._drop()
        self._retry(lost)
        self.submit(task)

    def wait_any(self) -> list[tuple[Task, Artifact]]:
        """Block until at least one task is done. Raises what the task raised."""
        if self._done:
            done, self._done = self._done, []
            return done
        finished, _ = wait(self._running, return_when=FIRST_COMPLETED)
        results: list[tuple[Task, Artifact]] = []
        lost: list[Task] = []
        for future in finished:
            task = self._running.pop(future)
            try:
                results.append((task, future.result()))
            except BrokenProcessPool:
                lost.append(task)
        if lost:
            self._retry(lost + self._drop())
        return results

    def _drop(self) -> list[Task]:
        """End the pool; the tasks that were in flight."""
        lost = list(self._running.values())
        self._running.clear()
        self.close()
        return lost

    def _retry(self, lost: list[Task]) -> None:
        self._refuse_greedy(lost)
        for task in lost:
            self._deaths[task.key] = self._deaths.get(task.key, 0) + 1
        # One death breaks the whole pool, so all that were in flight both times are suspects.
        suspects = sorted(describe(task) for task in lost if self._deaths[task.key] > 1)
        if suspects:
            raise InfrastructureError(
                f"a worker process died twice at {' or '.join(suspects)}; the usual cause is "
                "memory: rerun the same command with --workers 1 (finished work is kept)"
            )
        for task in lost:
            self.submit(task)

    def _refuse_greedy(self, lost: list[Task]) -> None:
        """Raise InfrastructureError if one of ``lost`` ended its worker by taking too much memory.

        It would again, so it is not retried.
        """
        for task in lost:
            mark = over_memory_mark(task)
            try:
                held = float((mark / "held_gib").read_text())
            except (OSError, ValueError):
                continue
            shutil.rmtree(mark, ignore_errors=True)
            raise InfrastructureError(
                f"{describe(task)} held {held:.2f} GiB of memory, more than the cap of "
                f"{self.memory_gib:.3g} GiB a worker; raise --memory-gib or lower --workers and "
                "rerun the same command (finished work is kept)"
            )

    def close(self) -> None:
        """End all workers now; running tasks are dropped, what they published stays."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
