"""A toy suite whose loading kills its own worker process a given number of times."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toy_suite import Toy

from rsft_bench.harness.registry import Registry
from rsft_bench.harness.types import Json, Param, Suite, SuiteData


@dataclass(frozen=True)
class Dying(Toy):
    """As the toy, once its worker has died often enough."""

    name: str = "dying"
    options: tuple[Param, ...] = (
        *Toy().options,
        Param("deaths", 1, "workers to lose"),
        Param("graves", "", "folder that counts them"),
    )
    code: tuple[str, ...] = ("toy_suite",)

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Die, or load. Never kills the process of the tests."""
        graves = Path(str(options["graves"]))
        dead = len(list(graves.glob(f"{seed}-*")))
        if dead < options["deaths"] and multiprocessing.parent_process() is not None:
            (graves / f"{seed}-{dead}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().load(options, seed)


@dataclass(frozen=True)
class Slow(Toy):
    """As the toy, after two seconds: in flight while others die."""

    name: str = "slow"

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Wait, then load."""
        time.sleep(2)
        return super().load(options, seed)


@dataclass(frozen=True)
class Greedy(Toy):
    """As the toy, after it has held memory for a while."""

    name: str = "greedy"
    options: tuple[Param, ...] = (*Toy().options, Param("gib", 1.0, "memory to hold"))

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """Take memory, wait until anyone can have seen it, then load."""
        held = b"x" * int(options["gib"] * 2**30)
        time.sleep(1)
        del held
        return super().load(options, seed)


SUITES: Registry[Suite] = Registry("suite", [Toy(), Dying(), Slow(), Greedy()])
