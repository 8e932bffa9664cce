"""Best of n draws by a noisy proxy: closed forms and a simulation, for gold ~ N(0, 1).

The proxy is gold plus independent noise. Gaussian noise leaves gold rising in n, at the rate of the
correlation; heavy-tailed noise turns it down, since the largest proxy is then the largest noise.
Shapes: Gao, Schulman and Hilton 2023, arXiv 2210.10760; heavy tails: Kwa, Thomas and Garriga-Alonso
2024, arXiv 2407.14503.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy import stats

from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics.best_of import best_of_n_kl_bound
from rsft_bench.harness.types import FloatArray

Noise: TypeAlias = Literal["normal", "student_t2"]
NOISES: tuple[Noise, ...] = ("normal", "student_t2")
#: Nodes over gold and over the proxy; more of them move results at scale 1 by less than 1e-6.
GOLD_NODES, PROXY_NODES = 160, 4001
#: Largest |proxy| of the grid: a Student-t2 proxy lies beyond it with probability 1e-12.
REACH = 1e6


class Selected(NamedTuple):
    """Expected scores of the draw that the proxy ranks best among n.

    ``fresh`` is what an independent scorer with the same noise gives the same draw.
    """

    proxy: float
    gold: float
    fresh: float


class Picks(NamedTuple):
    """Simulated picks, one a prompt, each of shape (prompts,); ``fresh`` is a second scoring."""

    proxy: FloatArray
    gold: FloatArray
    fresh: FloatArray


def normal_best_of_mean(n: int) -> float:
    """E of the largest of n standard normal draws, by quadrature; within 1e-6 up to n = 10^6."""
    if n < 1:
        raise ValueError(f"best of {n} needs n >= 1")
    x = np.linspace(0.0, 12.0, 24_001)
    above = 1.0 - np.exp(n * stats.norm.logcdf(x)) - np.exp(n * stats.norm.logcdf(-x))
    return float(np.trapezoid(above, x))


def reward_per_root_kl(n: int) -> float:
    """E max_n / sqrt(log n - (n-1)/n) for Gaussian rewards: 1.284 at n = 2, 1.344 at 10^4.

    Raises:
        ValueError: n < 2, where the KL divergence is 0.
    """
    if n < 2:
        raise ValueError(f"a KL divergence above 0 needs n >= 2, got {n}")
    return normal_best_of_mean(n) / sqrt(best_of_n_kl_bound(n))


def best_by_noisy_proxy(n: int, noise: Noise = "normal", scale: float = 1.0) -> Selected:
    """Expected proxy and gold of the best of n draws by gold + noise, gold ~ N(0, 1).

    For normal noise of SD s: E max_n times sqrt(1 + s^2) and over sqrt(1 + s^2). Quadrature errs by
    less than 1e-6 at scales of .2 and more.

    Args:
        n: draws a prompt.
        noise: ``normal``, or ``student_t2`` with infinite variance.
        scale: SD of normal noise, scale of Student-t noise, > 0.

    Raises:
        ValueError: n < 1, scale <= 0 or an unknown noise.
    """
    law = _law(noise, scale)
    if n < 1:
        raise ValueError(f"best of {n} needs n >= 1")
    nodes, weights = np.polynomial.hermite_e.hermegauss(GOLD_NODES)
    weights = weights / weights.sum()
    p = np.sinh(np.linspace(-np.arcsinh(REACH), np.arcsinh(REACH), PROXY_NODES))
    gap = p[:, None] - nodes
    density = law.pdf(gap) * weights
    f, weighted = density.sum(axis=1), density @ nodes
    # The share above, since the one below rounds to 1 where the best of many draws lies.
    above = np.minimum(law.sf(gap) @ weights, 1.0)
    with np.errstate(divide="ignore"):
        tilt = n * np.exp((n - 1) * np.log1p(-above)) if n > 1 else np.ones_like(above)
    total = float(np.trapezoid(tilt * f, p))
    gold = float(np.trapezoid(tilt * weighted, p)) / total
    return Selected(float(np.trapezoid(tilt * f * p, p)) / total, gold, gold)


def simulate_picks(
    n: int, prompts: int, seed: int, noise: Noise = "normal", scale: float = 1.0
) -> Picks:
    """Draw n answers a prompt, pick the best by proxy, and score the pick once more.

    ``proxy`` is the score that picked it, which the same deterministic proxy would repeat;
    ``fresh`` comes from an independent scorer with the same noise. Only the first overstates gold.

    Raises:
        ValueError: n < 1, scale <= 0 or an unknown noise.
    """
    law = _law(noise, scale)
    if n < 1:
        raise ValueError(f"best of {n} needs n >= 1")
    rng = stream(seed, "noisy-selection", n, noise, scale)
    gold = rng.normal(size=(prompts, n))
    proxy = gold + law.ppf(rng.random((prompts, n)))
    at = np.arange(prompts), np.argmax(proxy, axis=1)
    fresh = gold[at] + law.ppf(rng.random(prompts))
    return Picks(proxy[at], gold[at], fresh)


def _law(noise: Noise, scale: float) -> Any:
    # scipy has no public type of a frozen continuous law.
    if scale <= 0:
        raise ValueError(f"noise needs a scale above 0, got {scale}")
    if noise == "normal":
        return stats.norm(scale=scale)
    if noise == "student_t2":
        return stats.t(2, scale=scale)
    raise ValueError(f"noise {noise!r}: use one of {', '.join(NOISES)}")
