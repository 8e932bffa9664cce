"""How good the yardsticks are: the ceiling of a suite's gold, and the proxy on both test splits."""

from __future__ import annotations

from collections.abc import Mapping

from rsft_bench.harness.types import Json
from rsft_bench.reports.analysis import Analysis
from rsft_bench.reports.diagnostics import ProxyQuality
from rsft_bench.reports.document import Table
from rsft_bench.reports.formatting import NA, interval, rate
from rsft_bench.reports.verdicts import place


def ceiling(info: Mapping[str, Json]) -> tuple[str, float] | None:
    """(whose answers, their pass rate on ``confirm``, or over all turns where that is not told).

    None where the suite states no ceiling.
    """
    stated = (info.get("report") or {}).get("ceiling")
    if not isinstance(stated, Mapping):
        return None
    level = (stated.get("confirm") or {}).get("gold_pass", stated.get("gold_pass"))
    if level is None:
        return None
    return str(stated.get("answers", "reference answers")), float(level)


def ceiling_lines(manifest: Mapping[str, Json]) -> list[str]:
    """One line a suite that has a ceiling, for the top of the report."""
    lines = []
    for info in manifest.get("suites", []):
        found = ceiling(info)
        if found is not None:
            who, level = found
            lines.append(
                f"Ceiling of {info.get('name')}: {who} pass {rate(level)} on confirm; read every "
                "pass rate of this suite against that."
            )
    return lines


def fixed_training(manifest: Mapping[str, Json]) -> list[str]:
    """One line a suite whose training answers no seed redraws: what its intervals leave out."""
    return [
        f"{info.get('name')}: D is the same for every seed, so its intervals hold for this "
        "training set, not for a redrawn one."
        for info in manifest.get("suites", [])
        if str((info.get("report") or {}).get("training_set", "")).startswith("fixed")
    ]


def proxy_table(found: Analysis) -> Table:
    """AUC, Brier and ECE of the proxy on the draws of SFT, on select and on confirm."""
    rows = []
    for s in found.suites:
        for split, q in (("select", s.proxy_select), ("confirm", s.proxy)):
            pairs = ((q.overall, q.overall_range), (q.within, q.within_range))
            words = (_spread(mean, ends) for mean, ends in pairs)
            calibrated = (_spread(q.brier, q.brier_range), _error(q))
            rows.append((place(found, s), split, *words, *calibrated))
    note = (
        "From the test draws of SFT, mean over seeds with the range in brackets. Brier is the mean "
        "squared error of the calibrated probability: 0 is perfect, .25 is a constant one half. "
        "ECE is the mean distance of forecast and pass rate in ten bins of equal size, with its "
        "95 % interval over clusters; few answers raise the estimate, and the interval allows for "
        "that, so it may lie below."
    )
    head = ("suite", "split", "AUC", "AUC in prompt", "Brier", "ECE")
    return Table("The proxy reward", head, tuple(rows), note)


def _error(q: ProxyQuality) -> str:
    if q.ece is None:
        return NA
    return f"{rate(q.ece)} {interval(*(q.ece_interval or (None, None)))}"


def _spread(mean: float | None, ends: tuple[float, float] | None) -> str:
    return f"{rate(mean)} [{rate(ends[0])}, {rate(ends[1])}]" if ends else NA
