"""L17: the pipeline's own test under A/A, its promised power, and a sequence under peeking."""

from __future__ import annotations

import numpy as np
from scipy import stats

from rsft_bench.harness.laws.result import Check, Checks, Setting, within
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import aa_grid, effects, sequential, two_way

LEVEL = 0.05


def l17_inference(setting: Setting) -> Checks:
    """5 % error under A/A for clusters and seeds, 80 % power at the MDE, peeking included."""
    rates = {
        cell: aa_grid.measure(
            cell, setting.size(1000, aa_grid.REPLICATES[cell.seeds]), setting.seed
        )
        for cell in aa_grid.GRID
    }
    words = aa_grid.judge(rates)
    failing = [cell for cell, word in words.items() if word == aa_grid.FAILS]
    low = sum(word == aa_grid.LOW for word in words.values())
    worst = max(rates, key=lambda cell: rates[cell].share)
    where = ", ".join(f"S={c.seeds} share={c.share:g} C={c.clusters}" for c in failing)
    mean = float(np.mean([rate.share for rate in rates.values()]))
    size = min(rate.replicates for rate in rates.values())
    name = f"A/A cells above 7 %{f' ({where})' * bool(failing)}, of {len(rates)} by {size:,} runs"
    top = f"S={worst.seeds} share={worst.share:g} C={worst.clusters}"
    return (
        within(name, 0, len(failing), 0, 0),
        within(f"mean rejection rate, highest at {top}", LEVEL, mean, 0.03, 0.07),
        within("conservative cells, under 3 %: counted only", 0, low, 0, len(rates)),
        *_power(setting),
        *_peeking(setting),
    )


def _power(setting: Setting) -> tuple[Check, Check]:
    """Rejections at the median printed MDE of ten seeds, and at half of it."""
    seeds, clusters, share, count = 10, 30, 0.02, setting.size(2000, 20_000)
    x = aa_grid.draw(stream(setting.seed, "laws-mde"), count, share, (clusters, seeds))
    v = two_way(x, np.full(clusters, 1 / clusters))
    printed = [effects.minimum_detectable(se, df) for se, df in zip(v.se, v.df, strict=True)]
    mde = float(np.median(printed))
    power, half = (float((aa_grid.p_values(v, shift) < LEVEL).mean()) for shift in (mde, mde / 2))
    return (
        within("power at the MDE, 10 seeds", 0.8, power, 0.74, 0.86),
        within("power at half of it", 0.29, half, 0.2, 0.4),
    )


def _peeking(setting: Setting) -> tuple[Check, Check]:
    """Errors of the confidence sequence looked at every step, and of z = 1.96 at 20 looks."""
    runs, steps, sd = setting.size(2000, 20_000), 400, 0.5
    rng = stream(setting.seed, "laws-peeking")
    t = np.arange(1.0, steps + 1)
    radius = sequential.mixture_radius(t, sd, LEVEL)
    looks = np.arange(steps // 20 - 1, steps, steps // 20)
    wrong = naive = 0
    for _ in range(runs // 500):
        # Scores of 0 and 1, the widest that half a unit of SD covers.
        values = rng.integers(0, 2, size=(500, steps)) - 0.5
        gap = np.abs(values.cumsum(axis=1)) / t
        wrong += int((gap > radius).any(axis=1).sum())
        naive += int((gap[:, looks] > 1.96 * sd / np.sqrt(t[looks])).any(axis=1).sum())
    limit = float(stats.binom.isf(3e-5, runs, LEVEL)) / runs
    return (
        within(
            "confidence sequence, every step: errors, at most", LEVEL, wrong / runs, 1e-3, limit
        ),
        within("20 looks at z = 1.96: errors", 0.24, naive / runs, lo=0.15),
    )
