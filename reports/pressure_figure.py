"""Figure of gold and proxy against √KL, one panel a curve. Draws; computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rsft_bench.reports.findings import Analysis, SuiteAnalysis
from rsft_bench.reports.overoptimization import Band, Pressure, Step, called, root
from rsft_bench.reports.plots import BLUE, GREEN, GREY, INK, clean

ACROSS = 3


def pressed(found: Analysis, s: SuiteAnalysis) -> Figure | None:
    """One panel a curve, with a shared scale of rates; None where the run has no curve."""
    known = [p for p in s.pressures if all(np.isfinite(step.kl.value) for step in p.steps)]
    if not known:
        return None
    across = min(len(known), ACROSS)
    down = -(-len(known) // across)
    figure = Figure(figsize=(max(4.6 * across, 6.0), 3.5 * down), layout="constrained")
    axes = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    for ax, p in zip(axes, known, strict=False):
        curve(ax, p)
        ax.set_title(called(p, found.label), loc="left", fontsize=9)
    axes[0].set_ylabel("rate")
    for ax in axes[len(known) :]:
        ax.set_axis_off()
    return figure


def curve(ax: Axes, p: Pressure) -> Axes:
    """Proxy and pass rate against √KL; single bands are pointwise, so panels are not overlaid."""
    x = [root(step.kl.value) for step in p.steps]
    sides: tuple[tuple[str, str, str, Callable[[Step], Band]], ...] = (
        ("proxy", BLUE, "--", lambda step: step.proxy),
        ("pass rate", GREEN, "-", lambda step: step.gold),
    )
    if p.turning is not None:
        at = {step.size: place for step, place in zip(p.steps, x, strict=True)}
        ax.axvspan(at[p.turning.lo], at[p.turning.hi], color=GREY, alpha=0.12, lw=0)
        ax.axvline(at[p.turning.n], color=INK, lw=0.8, ls="-" if p.turning.seen else ":")
    for label, shade, line, of in sides:
        bands = [of(step) for step in p.steps]
        _line(ax, x, bands, shade, line)
        ax.annotate(
            label,
            (x[-1], bands[-1].value),
            textcoords="offset points",
            xytext=(7, 0),
            color=shade,
            fontsize=8.5,
            va="center",
        )
    _name_steps(ax, p, x)
    ax.set_xlabel(f"√KL to SFT, √nats; {'n' if p.kind == 'best_of_n' else 'rounds'} at dots")
    ax.margins(x=0.16)
    clean(ax, "y")
    return ax


def _line(ax: Axes, x: Sequence[float], bands: Sequence[Band], shade: str, line: str) -> None:
    if all(b.lo is not None for b in bands):
        limits = np.array([(b.lo, b.hi) for b in bands], dtype=float)
        ax.fill_between(x, limits[:, 0], limits[:, 1], color=shade, alpha=0.15, lw=0)
    ax.plot(x, [b.value for b in bands], color=shade, ls=line, marker="o", ms=3.5)


def _name_steps(ax: Axes, p: Pressure, x: Sequence[float]) -> None:
    """The number of each step below its pass rate; of steps that crowd, the later one's."""
    room, last = 0.05 * (max(x) - min(x)), float("inf")
    for step, place in reversed(list(zip(p.steps, x, strict=True))):
        if abs(last - place) < room:
            continue
        last = place
        ax.annotate(
            "SFT" if step.size == 0 else str(step.size),
            (place, step.gold.value),
            textcoords="offset points",
            xytext=(0, -12),
            fontsize=7.5,
            ha="center",
        )
