"""The figures of a report: an Analysis in, SVG bytes by name out. Agg only, no files."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from rsft_bench.harness.statistics import Effect
from rsft_bench.harness.types import FloatArray
from rsft_bench.reports import plots
from rsft_bench.reports.comparisons import find
from rsft_bench.reports.contests import MapCell
from rsft_bench.reports.economics import Cost, volumes
from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.formatting import count
from rsft_bench.reports.naming import SERVED, Variant
from rsft_bench.reports.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, Dot, Mark
from rsft_bench.reports.pressure_figure import pressed

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "rsft-bench",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 10,
}


def slug(s: SuiteAnalysis, name: str) -> str:
    """File name of a figure without its ending, such as ``order_status-nano-1-cost``."""
    raw = f"{s.key.suite}-{s.key.policy}-{name}"
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in raw)


def draw(found: Analysis) -> dict[str, bytes]:
    """Every figure of the report as SVG, by name; equal analyses give equal bytes."""
    makers: Mapping[str, Callable[[Analysis, SuiteAnalysis], Figure | None]] = {
        "quality": _quality,
        "cost": _cost,
        "best_of_n": _best_of_n,
        "map": lambda _, s: _map(s),
        "reliability": lambda _, s: _reliability(s),
        "overoptimization": pressed,
    }
    out = {}
    with mpl.rc_context(STYLE):
        for s in found.suites:
            for name, make in makers.items():
                figure = make(found, s)
                if figure is not None:
                    out[slug(s, name)] = _svg(figure)
    return out


def colour(variant: Variant | None) -> str:
    """Family colour of a variant."""
    if variant is None or variant.method == "base":
        return GREY
    if variant.served:
        return GREEN if variant.best_of else PURPLE
    if variant.method == "rsft":
        return ORANGE if variant.is_control else RED
    return BLUE


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": "rsft-bench"}
    figure.savefig(buffer, format="svg", metadata=metadata)
    return buffer.getvalue()


def _mark(
    found: Analysis, name: str, e: Effect | None, points: tuple[float, ...] = ()
) -> Mark | None:
    if e is None or np.isnan(e.estimate):
        return None
    strong = name == found.manifest.get("primary")
    shade = colour(found.variants.get(name))
    return Mark(found.label(name), e.estimate, e.lo, e.hi, shade, points, strong)


def _quality(found: Analysis, s: SuiteAnalysis) -> Figure | None:
    left, right = [], []
    for item in s.levels:
        seeds = tuple(v for v in item.by_seed.values() if not np.isnan(v))
        mark = _mark(found, item.variant, item.passed, seeds)
        if mark is None:
            continue
        left.append(mark)
        r = find(found.records, s.key, item.variant, s.comparator) if s.comparator else None
        value = 0.0 if r is None or r["estimate"] is None else r["estimate"]
        lo, hi = (None, None) if r is None else (r["lo"], r["hi"])
        right.append(Mark(mark.label, value, lo, hi, mark.colour, strong=mark.strong))
    if not left:
        return None
    figure = Figure(figsize=(9.4, 0.8 + 0.27 * len(left)), layout="constrained")
    one, two = figure.subplots(1, 2, width_ratios=[1.0, 1.0])
    plots.forest(one, left, None, names=True)
    one.set_title("pass rate on confirm", loc="left")
    plots.forest(two, right, 0.0, names=False)
    two.set_title(f"gain over {found.label(s.comparator or '')}", loc="left")
    return figure


def cost_arms(found: Analysis, s: SuiteAnalysis) -> dict[str, float]:
    """Pass rates of the arms whose total cost is known: what the cost figure shows."""
    volume = volumes(s.costs)[-1]
    known = {c.variant for c in s.costs if np.isfinite(c.total_flops(volume))}
    shown = {
        v: item.passed.estimate
        for v in main_arms(found, s)
        if v in known and (item := s.level(v)) is not None and item.passed is not None
    }
    # One arm alone compares nothing.
    return shown if len(shown) > 1 else {}


def _cost(found: Analysis, s: SuiteAnalysis) -> Figure | None:
    quality, at = cost_arms(found, s), volumes(s.costs)
    known = {c.variant: c for c in s.costs}
    if not quality:
        return None
    figure = Figure(figsize=(11.4, 1.6 + 0.21 * max(len(quality), 10)), layout="constrained")
    axes = figure.subplots(1, len(at), sharey=True, squeeze=False)[0]
    # All dots of a panel stand at the same heights, so the names beside the last one serve all.
    for ax, volume in zip(axes, at, strict=True):
        dots = [_dot(found, known[v], y, volume) for v, y in quality.items()]
        plots.cost(ax, dots, "total FLOPs on top of SFT", names=volume == at[-1])
        ax.set_title(f"{count(volume)} requests", loc="left")
    axes[0].set_ylabel("pass rate")
    return figure


def _dot(found: Analysis, c: Cost, quality: float, volume: int) -> Dot:
    variant = found.variants.get(c.variant)
    joined = variant is not None and variant.best_of and not variant.on_rsft
    group = "best-of-n" if joined else ""
    strong = c.variant == found.manifest.get("primary")
    total = c.total_flops(volume)
    return Dot(found.label(c.variant), total, quality, colour(variant), group, strong)


def main_arms(found: Analysis, s: SuiteAnalysis) -> list[str]:
    """The arms that a picture has room for, in reading order.

    Base, SFT and its controls at temperature 1, the primary and its matched control, the sweep's
    favourite, each side's own best temperature, and every serving rule.
    """
    chosen = {s.primary, found.manifest.get("primary_match")}
    if s.winner is not None:
        chosen.add(s.winner.favourite[0])
    if s.ladder is not None:
        chosen |= {s.ladder.mine, s.ladder.rival}
    plain = {"base", "sft", "sft_more", "sft_filtered", *SERVED}
    return [
        item.variant
        for item in s.levels
        if item.variant in chosen
        or (found.variants[item.variant].method in plain)
        and found.variants[item.variant].temperature == 1
    ]


def _best_of_n(found: Analysis, s: SuiteAnalysis) -> Figure | None:
    if len(s.curve) < 2:
        return None
    last = s.curve[-1].n
    marks = [
        Mark(
            f"best-of-{p.n} at serving" if p.n == last else "",
            p.effect.estimate,
            p.effect.lo,
            p.effect.hi,
            GREEN,
        )
        for p in s.curve
    ]
    lines = []
    for name in ("base", "sft_more", s.primary):
        item = s.level(name) if name else None
        mark = _mark(found, name, item.passed) if name and item else None
        if mark is not None:
            lines.append(mark)
    figure = Figure(figsize=(7.4, 3.6), layout="constrained")
    plots.best_of(figure.subplots(), marks, lines)
    return figure


def _reliability(s: SuiteAnalysis) -> Figure | None:
    if not s.proxy.bins:
        return None
    figure = Figure(figsize=(4.2, 3.8), layout="constrained")
    plots.reliability(figure.subplots(), s.proxy.bins)
    return figure


def _map(s: SuiteAnalysis) -> Figure | None:
    panels = [p for p in map_panels(s.cells) if not np.isnan(p.values).all()]
    # A setting that stands alone makes no map; its gain is in the table of comparisons.
    panels = [p for p in panels if p.values.size > 1] or panels
    if not panels or len(s.cells) < 2:
        return None
    across = min(len(panels), 3)
    down = -(-len(panels) // across)
    width = across * (1.8 + 1.1 * max(len(p.columns) for p in panels))
    height = down * (1.2 + 0.5 * max(len(p.rows) for p in panels))
    figure = Figure(figsize=(max(width, 4.2), height), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for ax, panel in zip(axes, panels, strict=False):
        plots.heat_map(ax, panel.values, panel.rows, panel.columns)
        ax.set_title(panel.title, loc="left", fontsize=9)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    return figure


@dataclass(frozen=True)
class Panel:
    """One heat map: gains of shape (len(rows), len(columns)), NaN where no setting ran."""

    title: str
    rows: list[str]
    columns: list[str]
    values: FloatArray


def map_panels(cells: Sequence[MapCell]) -> list[Panel]:
    """K × λ for rules that read neither; k × target rate, τ or β, one panel a λ, for the others."""
    groups: dict[tuple[str, str, str, float], list[MapCell]] = {}
    for c in cells:
        read = {"rate": c.target_rate, "τ": c.tau, "β": c.beta}
        axis = next((name for name, value in read.items() if value is not None), "λ")
        fixed = 0.0 if axis == "λ" else c.weight
        groups.setdefault((c.rule, c.rest, axis, fixed), []).append(c)
    return [_panel(*at, part) for at, part in groups.items()]


def _panel(rule: str, rest: str, axis: str, fixed: float, cells: list[MapCell]) -> Panel:
    def column(c: MapCell) -> float:
        value = {"λ": c.weight, "rate": c.target_rate, "τ": c.tau, "β": c.beta}[axis]
        return float("nan") if value is None else value

    ks, xs = sorted({c.k for c in cells}), sorted({column(c) for c in cells})
    values = np.full((len(ks), len(xs)), np.nan)
    for c in cells:
        if c.record["estimate"] is not None:
            values[ks.index(c.k), xs.index(column(c))] = c.record["estimate"]
    words = {"rate": "target rate"}.get(axis, axis)
    title = f"{'best of k' if rule == 'argmax' else rule}: k × {words}"
    title += "" if axis == "λ" else f", λ={_sign(fixed)}"
    title += f", {rest}" if rest else ""
    return Panel(title, [f"k={k}" for k in ks], [f"{axis}={_sign(x)}" for x in xs], values)


def _sign(value: float) -> str:
    return ("−" if value < 0 else "") + "∞" if np.isinf(value) else format(value, "g")
