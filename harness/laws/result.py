"""What a law is and what it reports: checks, each an expected and a measured number with limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.types import FloatArray, Json

#: Rounding of an exact law, and the largest |z| of a statistical one.
EXACT, SIGMAS = 1e-9, 4.0


class Check(NamedTuple):
    """One comparison. It holds where ``lo <= measured <= hi``; a NaN never does."""

    what: str
    expected: float
    measured: float
    lo: float
    hi: float

    @property
    def holds(self) -> bool:
        """Whether the measured number lies within its limits."""
        return self.lo <= self.measured <= self.hi


class LawResult(NamedTuple):
    """A law's checks; ``note`` says why there are none where nothing was measured."""

    id: str
    name: str
    checks: tuple[Check, ...]
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether every check holds; None where nothing was measured."""
        return all(check.holds for check in self.checks) if self.checks else None

    @property
    def shown(self) -> Check | None:
        """The check that stands for the law on one line: the first that fails, else the first."""
        failing = [check for check in self.checks if not check.holds]
        return next(iter((*failing, *self.checks)), None)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a law is given.

    Attributes:
        catalog: registries of acceptance rules and targets, whose real objects are measured.
        seed: seed of every simulation.
        full: more replicates, larger grids, and L20.
        run: runs a config and returns its rows as a table; None where there is no runner.
    """

    catalog: Catalog
    seed: int = 0
    full: bool = False
    run: Callable[[Mapping[str, Json]], Any] | None = None

    def size(self, fast: int, full: int) -> int:
        """Replicates of this setting."""
        return full if self.full else fast


@dataclass(frozen=True, slots=True)
class Law:
    """A law by number. ``counts`` is whether the exit code depends on it."""

    id: str
    name: str
    measure: Callable[[Setting], tuple[Check, ...] | str]
    counts: bool = True

    def result(self, setting: Setting) -> LawResult:
        """Measure; a text instead of checks is the reason why nothing was measured."""
        found = self.measure(setting)
        if isinstance(found, str):
            return LawResult(self.id, self.name, (), found)
        return LawResult(self.id, self.name, found)


Checks: TypeAlias = tuple[Check, ...]


def exact(what: str, expected: float, measured: float, tolerance: float = EXACT) -> Check:
    """A number that must be met to rounding."""
    return Check(what, expected, measured, expected - tolerance, expected + tolerance)


def same(what: str, expected: FloatArray, measured: FloatArray, tolerance: float = EXACT) -> Check:
    """Arrays that must agree: the largest absolute difference, NaN where one is NaN."""
    gap = np.abs(np.asarray(measured, dtype=np.float64) - np.asarray(expected, dtype=np.float64))
    return Check(f"{what}: largest gap", 0.0, float(gap.max()), 0.0, tolerance)


def simulated(what: str, expected: float, values: FloatArray) -> Check:
    """The mean of independent replicates (n,) within four standard errors of its expectation."""
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = max(SIGMAS * error, EXACT)
    return Check(what, expected, float(np.mean(values)), expected - half, expected + half)


def counted(what: str, expected: float, hits: int, trials: int) -> Check:
    """A share within four binomial standard errors of its expectation."""
    half = SIGMAS * math.sqrt(expected * (1 - expected) / trials)
    return Check(what, expected, hits / trials, expected - half, expected + half)


def within(
    what: str, expected: float, measured: float, lo: float = -math.inf, hi: float = math.inf
) -> Check:
    """A bound or an equivalence: the measured number lies in [lo, hi].

    ``expected`` is the value that theory gives, or the bound where it gives no more than that.
    """
    return Check(what, expected, float(measured), lo, hi)


def below(what: str, p: float) -> Check:
    """A goodness-of-fit test by its p value, shown as the z of a normal tail, below 4."""
    from scipy import stats

    return Check(f"{what}: z", 0.0, float(stats.norm.isf(p)), -math.inf, SIGMAS)
