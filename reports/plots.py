"""Plots that draw on a given Axes: no data loading, no files, no global state.

Colours are Okabe–Ito, one a family of methods, so that they survive colour blindness; every mark is
labelled directly, and labels are moved apart rather than left to overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rsft_bench.harness.statistics.reliability import Bin
from rsft_bench.harness.types import FloatArray
from rsft_bench.reports.formatting import big, signed

GREY, BLUE, ORANGE, RED, GREEN, PURPLE, INK = (
    "#6b6b6b",
    "#0072B2",
    "#E69F00",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#222222",
)


@dataclass(frozen=True)
class Mark:
    """One estimate to draw: interval ends may be None, ``points`` are seeds."""

    label: str
    value: float
    lo: float | None
    hi: float | None
    colour: str
    points: tuple[float, ...] = ()
    strong: bool = False


@dataclass(frozen=True)
class Dot:
    """One method on a cost plot."""

    label: str
    x: float
    y: float
    colour: str
    group: str = ""
    strong: bool = False


def forest(ax: Axes, marks: Sequence[Mark], zero: float | None, names: bool) -> Axes:
    """Estimates with intervals, first mark on top. ``zero`` draws a reference line."""
    for i, mark in enumerate(reversed(marks)):
        if mark.points:
            ax.scatter(
                mark.points, [i - 0.28] * len(mark.points), s=9, color=mark.colour, alpha=0.35, lw=0
            )
        if mark.lo is not None and mark.hi is not None:
            ax.plot([mark.lo, mark.hi], [i, i], color=mark.colour, lw=2, solid_capstyle="butt")
        ax.scatter([mark.value], [i], s=52 if mark.strong else 30, color=mark.colour, zorder=3)
    if zero is not None:
        ax.axvline(zero, color=INK, lw=0.8, zorder=0)
    ax.set_ylim(-0.7, len(marks) - 0.3)
    ax.set_yticks(range(len(marks)))
    ax.set_yticklabels([m.label for m in reversed(marks)] if names else [])
    for text, mark in zip(ax.get_yticklabels(), reversed(marks), strict=True):
        text.set_fontweight("bold" if mark.strong else "normal")
    clean(ax, "x")
    ax.tick_params(axis="y", length=0)
    return ax


def cost(ax: Axes, dots: Sequence[Dot], xlabel: str, names: bool) -> Axes:
    """Quality against cost from 0; dots of a ``group`` are joined in order.

    ``names`` puts labels in a column on the right, joined to their dots by thin lines.
    """
    for d in dots:
        ax.scatter([d.x], [d.y], s=60 if d.strong else 34, color=d.colour, zorder=3)
    for group in sorted({d.group for d in dots} - {""}):
        part = sorted((d for d in dots if d.group == group), key=lambda d: d.x)
        ax.plot([d.x for d in part], [d.y for d in part], color=part[0].colour, lw=1, zorder=2)
    top = max(d.x for d in dots) or 1.0
    ax.set_xlim(-0.06 * top, 1.06 * top)
    if names:
        _name_dots(ax, dots)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: big(v)))
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlabel(xlabel)
    clean(ax, "y")
    return ax


def _name_dots(ax: Axes, dots: Sequence[Dot]) -> None:
    low, high = ax.get_ylim()
    heights = spread([d.y for d in dots], (high - low) / 15, low, high)
    for d, y in zip(dots, heights, strict=True):
        ax.annotate(
            d.label,
            xy=(d.x, d.y),
            xytext=(1.05, y),
            textcoords=ax.get_yaxis_transform(),
            fontsize=8.5,
            fontweight="bold" if d.strong else "normal",
            va="center",
            color=d.colour,
            arrowprops={"arrowstyle": "-", "color": d.colour, "lw": 0.5, "alpha": 0.5},
        )


def best_of(ax: Axes, curve: Sequence[Mark], lines: Sequence[Mark]) -> Axes:
    """Best-of-n against n with its band, and other methods as level lines.

    Only the curve has a band: single bands laid over each other invite reading their overlap.
    """
    n = np.arange(1, len(curve) + 1)
    bounds = [(m.lo, m.hi) for m in curve]
    if all(lo is not None for lo, _ in bounds):
        band = np.array(bounds, dtype=float)
        ax.fill_between(n, band[:, 0], band[:, 1], color=GREEN, alpha=0.18, lw=0)
    ax.plot(n, [m.value for m in curve], color=GREEN, marker="o", ms=4)
    for line in lines:
        ax.axhline(line.value, color=line.colour, lw=1.5)
    low, high = ax.get_ylim()
    labelled = [*lines, curve[-1]]
    heights = spread([m.value for m in labelled], (high - low) / 14, low, high)
    for mark, y in zip(labelled, heights, strict=True):
        where = ax.get_yaxis_transform()
        ax.text(1.02, y, mark.label, color=mark.colour, fontsize=8.5, va="center", transform=where)
    ax.set_xticks(n)
    ax.set_xlabel("n: answers drawn for each request, best by proxy served")
    ax.set_ylabel("pass rate")
    clean(ax, "y")
    return ax


def reliability(ax: Axes, bins: Sequence[Bin]) -> Axes:
    """Share that passes against mean probability, one dot a bin, beside the line of equality."""
    ax.plot([0, 1], [0, 1], color=GREY, lw=1)
    x, y = [b.mean_score for b in bins], [b.share_positive for b in bins]
    ax.plot(x, y, color=BLUE, marker="o", ms=4, lw=1)
    for b in bins:
        ax.annotate(
            str(b.n),
            (b.mean_score, b.share_positive),
            textcoords="offset points",
            xytext=(5, -9),
            fontsize=7.5,
            color=INK,
        )
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("probability by the reward")
    ax.set_ylabel("share that passes gold")
    clean(ax, "y")
    return ax


def heat_map(ax: Axes, values: FloatArray, rows: Sequence[str], columns: Sequence[str]) -> Axes:
    """Gains, shape (len(rows), len(columns)), NaN where the run has no such setting."""
    limit = max(float(np.nanmax(np.abs(values))), 0.05)
    ax.imshow(values, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
    for i in range(len(rows)):
        for j in range(len(columns)):
            value = values[i, j]
            dark = not np.isnan(value) and abs(value) > 0.65 * limit
            text = "not run" if np.isnan(value) else signed(value)
            ax.text(
                j, i, text, ha="center", va="center", fontsize=9, color="white" if dark else INK
            )
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax


def clean(ax: Axes, grid: str) -> None:
    """Quiet frame: no top and right spine, a light grid along one axis."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(visible=True, axis="x" if grid == "x" else "y", color="#dddddd", lw=0.6)
    ax.set_axisbelow(True)


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions near ``values``, in their order, at least ``gap`` apart, inside [low, high].

    The gap shrinks where they would not fit.
    """
    order = np.argsort(values, kind="stable")
    gap = min(gap, (high - low) / max(len(values) - 1, 1))
    placed = np.asarray(values, dtype=float)[order]
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    # Push down from the top whatever the pass above moved beyond it.
    top = high
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], top)
        top = placed[i] - gap
    out = np.empty(len(placed))
    out[order] = placed
    return [float(v) for v in out]
