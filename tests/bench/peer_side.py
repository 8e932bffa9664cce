"""Sides of a comparison: processes started once, the better of two layouts, alternation.

A layout is one process with two threads, or two one-thread processes that each take half of the
work. A side runs in whichever is faster for it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("peer_worker.py")
#: (processes, threads of each).
LAYOUTS = ((1, 2), (2, 1))


class Process:
    """A worker process with one job, told what to do in a line and answering in a line."""

    def __init__(self, job: str, arguments: Mapping[str, Any], threads: int) -> None:
        count = str(threads)
        environment = os.environ | {
            "OMP_NUM_THREADS": count,
            "MKL_NUM_THREADS": count,
            "OPENBLAS_NUM_THREADS": count,
            "OMP_WAIT_POLICY": "PASSIVE",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_VERBOSITY": "error",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        }
        self.job = job
        # Progress bars and trainers' reports go to a file, whose end is shown if the process dies.
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )
        self.send(do="load", job=job, arguments=dict(arguments))

    def send(self, **request: Any) -> None:
        """Start one request; ``receive`` waits for it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """The reply to the oldest open request."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            end = "".join(self._errors.readlines()[-15:])
            raise RuntimeError(f"the process of {self.job!r} ended with {code}:\n{end}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


@dataclass(frozen=True)
class Measurement:
    """One repetition: seconds on the clock, and the processes' counts added up."""

    seconds: float
    counts: Mapping[str, float]

    def rate(self, name: str) -> float:
        """A count per second."""
        return self.counts[name] / self.seconds


def total(replies: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Sums of equal names."""
    return {name: sum(reply[name] for reply in replies) for name in replies[0]}


@dataclass
class Team:
    """All processes of one side in one layout; they start, work and finish together."""

    job: str
    arguments: Mapping[str, Any]
    layout: tuple[int, int]
    processes: list[Process] = field(default_factory=list)

    def start(self) -> None:
        """Start the processes; ``ready`` waits until they have loaded."""
        parts, threads = self.layout
        for part in range(parts):
            share = dict(self.arguments) | {"part": part, "parts": parts}
            self.processes.append(Process(self.job, share, threads))

    def ready(self) -> None:
        """Wait for the loads that ``start`` began."""
        for process in self.processes:
            process.receive()

    def ask(self, what: str) -> list[dict[str, Any]]:
        """The same request to all processes at once."""
        for process in self.processes:
            process.send(do=what)
        return [process.receive() for process in self.processes]

    def measure(self) -> Measurement:
        """Prepare, then time one repetition until the last process is done."""
        self.ask("prepare")
        begin = time.perf_counter()
        replies = self.ask("run")
        return Measurement(time.perf_counter() - begin, total(replies))

    def ceiling(self) -> dict[str, float]:
        """Matrix-product rates of the processes together, FLOP/s."""
        return total(self.ask("ceiling"))

    def close(self) -> None:
        """End all processes."""
        for process in self.processes:
            process.close()

    def __str__(self) -> str:
        parts, threads = self.layout
        return f"{parts} x {threads} thread" + ("s" if threads > 1 else "")


@dataclass(frozen=True)
class Side:
    """A job and its arguments, before a layout is chosen.

    ``warm`` is False for jobs that take minutes and load all they need in their constructor.
    """

    job: str
    arguments: Mapping[str, Any]
    layouts: tuple[tuple[int, int], ...] = LAYOUTS
    warm: bool = True


@contextmanager
def best_team(side: Side, rounds: int) -> Iterator[Team]:
    """The side's faster layout, warmed up: best of ``rounds`` alternating repetitions of each."""
    with ExitStack() as stack:
        teams = [Team(side.job, side.arguments, layout) for layout in side.layouts]
        for team in teams:
            stack.callback(team.close)
            team.start()
        for team in teams:
            team.ready()
            if side.warm:
                team.measure()
        if len(teams) > 1:
            times: dict[int, list[float]] = {i: [] for i in range(len(teams))}
            for _ in range(rounds):
                for i, team in enumerate(teams):
                    times[i].append(team.measure().seconds)
            winner = min(times, key=lambda i: min(times[i]))
            for i, team in enumerate(teams):
                if i != winner:
                    team.close()
            teams = [teams[winner]]
        yield teams[0]


def once(job: str, arguments: Mapping[str, Any], do: str = "run") -> dict[str, Any]:
    """One request to a fresh process with two threads, which then ends."""
    process = Process(job, arguments, 2)
    try:
        process.receive()
        process.send(do=do)
        return process.receive()
    finally:
        process.close()


@dataclass(frozen=True)
class Pair:
    """Alternating measurements of ours and one peer, with ours' ceiling after each."""

    ours: list[Measurement]
    peer: list[Measurement]
    ceilings: list[dict[str, float]]
    layouts: tuple[str, str]

    def ratios(self, name: str) -> list[float]:
        """Ours over the peer's rate of a count, alternation by alternation."""
        return [a.rate(name) / b.rate(name) for a, b in zip(self.ours, self.peer, strict=True)]

    def share(self, ceiling: str = "chain") -> float:
        """Median share of the ceiling that ours reached, from its count ``flops``."""
        return statistics.median(
            m.rate("flops") / c[ceiling] for m, c in zip(self.ours, self.ceilings, strict=True)
        )


def alternate(ours: Side, peer: Side, alternations: int, rounds: int) -> Pair:
    """Ours, peer, ours, peer ... in processes that stay up."""
    with best_team(ours, rounds) as a, best_team(peer, rounds) as b:
        pair = Pair([], [], [], (str(a), str(b)))
        for _ in range(alternations):
            pair.ours.append(a.measure())
            pair.ceilings.append(a.ceiling())
            pair.peer.append(b.measure())
        return pair
