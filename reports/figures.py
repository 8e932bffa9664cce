"""The figures of a report: an Analysis in, SVG bytes by name out. Agg only, no files."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from rsft_bench.harness.statistics import Effect
from rsft_bench.reports import plots
from rsft_bench.reports.analysis import Analysis, SuiteAnalysis
from rsft_bench.reports.comparisons import find
from rsft_bench.reports.contests import MapCell
from rsft_bench.reports.naming import Variant
from rsft_bench.reports.plots import BLUE, GREEN, GREY, ORANGE, RED, Dot, Mark

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
    if variant.method == "best_of_n":
        return GREEN
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


def cost_dots(found: Analysis, s: SuiteAnalysis) -> tuple[list[Dot], list[Dot]] | None:
    """What the cost figure shows, by panel; None where a panel has no known cost.

    A policy without weights has no FLOPs to serve, and half a figure would compare nothing.
    """
    once, serve = [], []
    for c in s.costs:
        item = s.level(c.variant)
        if item is None or item.passed is None:
            continue
        variant = found.variants.get(c.variant)
        label, shade = found.label(c.variant), colour(variant)
        dot = Dot(label, c.one_off_flops, item.passed.estimate, shade)
        if variant is not None and variant.method != "best_of_n" and variant.temperature == 1:
            once.append(dot)
        if c.variant in {"base", "sft", s.primary} or (variant and variant.method == "best_of_n"):
            serve.append(Dot(label, c.serve_flops, dot.y, shade))
    known = [[d for d in dots if np.isfinite([d.x, d.y]).all()] for dots in (once, serve)]
    return (known[0], known[1]) if all(known) else None


def _cost(found: Analysis, s: SuiteAnalysis) -> Figure | None:
    panels = cost_dots(found, s)
    if panels is None:
        return None
    once, serve = panels
    figure = Figure(figsize=(10.6, 3.9), layout="constrained")
    one, two = figure.subplots(1, 2)
    plots.cost(one, once, "FLOPs once, on top of SFT")
    one.set_ylabel("pass rate")
    plots.cost(two, serve, "FLOPs on every request")
    return figure


def _best_of_n(found: Analysis, s: SuiteAnalysis) -> Figure | None:
    if len(s.curve) < 2:
        return None
    last = s.curve[-1].n
    marks = [
        Mark(
            f"best-of-{p.n}" if p.n == last else "",
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


def _map(s: SuiteAnalysis) -> Figure | None:
    panels = [
        p
        for p in (
            _grid([c for c in s.cells if c.rule == "argmax"], by_weight=True),
            _grid([c for c in s.cells if c.target_rate is not None], by_weight=False),
        )
        if p is not None
    ]
    if not panels or len(s.cells) < 2:
        return None
    width = sum(1.6 + 1.1 * len(p[2]) for p in panels)
    height = 1.3 + 0.5 * max(len(p[1]) for p in panels)
    figure = Figure(figsize=(max(width, 4.2), height), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (values, rows, columns, title) in zip(axes, panels, strict=True):
        plots.heat_map(ax, values, rows, columns)
        ax.set_title(title, loc="left")
    return figure


def _grid(
    cells: list[MapCell], by_weight: bool
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], list[str], list[str], str] | None:
    """Rows k, columns λ or target rate; several settings in one cell keep the first."""

    def column(c: MapCell) -> float:
        return c.weight if by_weight else float(c.target_rate or 0.0)

    known = [c for c in cells if c.record["estimate"] is not None]
    if not known:
        return None
    ks, xs = sorted({c.k for c in known}), sorted({column(c) for c in known})
    values = np.full((len(ks), len(xs)), np.nan)
    for c in reversed(known):
        values[ks.index(c.k), xs.index(column(c))] = c.record["estimate"]
    sign = "λ" if by_weight else "rate"
    names = [f"{sign}={'∞' if np.isinf(x) else format(x, 'g')}" for x in xs]
    title = "best of k: k × λ" if by_weight else "threshold: k × target rate"
    return values, [f"k={k}" for k in ks], names, title
