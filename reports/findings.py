"""What the analysis of a run found, for the questions, tables and plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsft_bench.harness.runfolder import WINNER
from rsft_bench.harness.statistics import Effect
from rsft_bench.harness.types import Json
from rsft_bench.reports.audit import AcceptAudit, ArmFacts
from rsft_bench.reports.comparisons import Record
from rsft_bench.reports.contests import Ladder, MapCell, Signs, Winner
from rsft_bench.reports.diagnostics import Harm, Headroom, ProxyQuality
from rsft_bench.reports.diversity import Diversity
from rsft_bench.reports.economics import BreakEven, Cost, CurvePoint
from rsft_bench.reports.means import Key
from rsft_bench.reports.naming import Variant
from rsft_bench.reports.overoptimization import Pressure
from rsft_bench.reports.pools import PoolStudy
from rsft_bench.reports.rounds import RoundFacts
from rsft_bench.reports.satisfaction import Levels


@dataclass(frozen=True)
class Level:
    """Quality of one variant: pass rate and graded gold with intervals, and each seed's value."""

    variant: str
    passed: Effect | None
    gold: Effect | None
    by_seed: Mapping[int, float]


@dataclass(frozen=True)
class SuiteAnalysis:
    """Everything about one suite and policy. None or empty where the run has no data for it."""

    key: Key
    info: Mapping[str, Json]
    comparator: str | None
    primary: str | None
    levels: tuple[Level, ...]
    headroom: Headroom | None
    proxy: ProxyQuality
    audits: tuple[AcceptAudit, ...]
    arms: tuple[ArmFacts, ...]
    costs: tuple[Cost, ...]
    curve: tuple[CurvePoint, ...]
    break_even: BreakEven | None
    harms: Mapping[str, list[Harm]]
    strata: Mapping[str, Mapping[str, Effect]]
    ladder: Ladder | None
    winner: Winner | None
    signs: Signs | None
    cells: tuple[MapCell, ...]
    proxy_select: ProxyQuality = ProxyQuality(None, None, None, None)
    diversity: tuple[Diversity, ...] = ()
    rounds: tuple[RoundFacts, ...] = ()
    pressures: tuple[Pressure, ...] = ()

    def level(self, variant: str) -> Level | None:
        """Quality of one variant, or None."""
        return next((item for item in self.levels if item.variant == variant), None)


@dataclass(frozen=True)
class Analysis:
    """One run, analysed.

    ``margin`` is the equivalence margin in pass rate; ``left_out`` says what a partial run lacks.
    """

    manifest: Mapping[str, Json]
    variants: Mapping[str, Variant]
    records: tuple[Record, ...]
    suites: tuple[SuiteAnalysis, ...]
    margin: float
    left_out: tuple[str, ...]
    pools: tuple[PoolStudy, ...] = ()
    satisfaction: Levels = ()

    def label(self, variant: str) -> str:
        """Short words for a variant id or a side of a comparison."""
        if variant == WINNER:
            return "sweep winner"
        return self.variants[variant].label if variant in self.variants else variant
