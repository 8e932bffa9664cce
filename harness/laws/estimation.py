"""L10 to L13: unbiased estimators, the root-KL law, noisy proxies and what selection overstates."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from rsft_bench.harness.laws.enumeration import accepted
from rsft_bench.harness.laws.result import Check, Checks, Setting, exact, same, simulated, within
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import (
    best_of,
    divergence,
    diversity,
    estimators,
    noisy_selection,
)
from rsft_bench.harness.types import FloatArray, ScoredPool


def l10_unbiased(setting: Setting) -> Checks:
    """Estimators against what they estimate, over all outcomes with their probabilities."""
    n, rate = setting.size(6, 12), 0.3
    sizes = range(1, n + 1)
    above = [estimators.binomial_mean(_passes(estimators.pass_at_k, n, k), n, rate) for k in sizes]
    every = [estimators.binomial_mean(_passes(estimators.pass_hat_k, n, k), n, rate) for k in sizes]
    ks = np.array(list(sizes))
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])
    k1, k3 = (divergence.kl_terms(np.log(p), np.log(q), e) for e in ("k1", "k3"))
    truth = float((p * np.log(p / q)).sum())
    return (
        same(f"pass@k of {n} draws", 1 - (1 - rate) ** ks, np.array(above)),
        same(f"pass^k of {n} draws", rate**ks, np.array(every)),
        *_best_of_checks(),
        exact("KL of a table", truth, divergence.table_kl(p, q)),
        exact("E k1", truth, float(p @ k1)),
        exact("E k3", truth, float(p @ k3)),
        within("least k3, never below 0", 0.0, float(k3.min()), lo=0.0),
        exact(
            "entropy of 4 equal answers", math.log(4), divergence.table_entropy(np.full(4, 0.25))
        ),
        *_diversity_checks(),
    )


def _passes(estimator: Callable[[int, int, int], float], n: int, k: int) -> Callable[[int], float]:
    return lambda c: estimator(n, c, k)


def _best_of_checks() -> tuple[Check, ...]:
    """Best-of-n from one pool of four draws, ranked by a proxy with ties, gold averaged."""
    p, proxy = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.8, 0.8])
    gold, sizes = np.array([0.3, 0.0, 1.0]), (1, 2, 3, 4)
    draws = np.array(list(itertools.product(range(3), repeat=4)))
    chance = p[draws].prod(axis=1)
    told = np.array([_best_gold(p, proxy, gold, n) for n in sizes])
    curve = chance @ estimators.best_of_curve(proxy[draws], gold[draws], sizes)
    means = [
        chance @ np.array([estimators.best_of_k_mean(proxy[d], n, gold[d]) for d in draws])
        for n in sizes
    ]
    return (
        same("gold of best-of-n from a pool of 4", told, np.array(means)),
        same("the whole curve from a pool of 4", told, curve),
    )


def _best_gold(p: FloatArray, proxy: FloatArray, gold: FloatArray, n: int) -> float:
    """By hand: the two tied answers share P(not all draws are the worst) as 3 to 2."""
    worst = float(p[0]) ** n
    return worst * float(gold[0]) + (1 - worst) * float(p[1:] @ gold[1:]) / float(p[1:].sum())


def _diversity_checks() -> tuple[Check, ...]:
    """Limits worked by hand: copies of one answer, and answers with no word in common."""
    copies, unlike = [("a", "b", "c", "d", "e")] * 3, [tuple("abcde"), tuple("fghij")]
    return (
        exact("Vendi score of copies", 1.0, diversity.vendi_score(diversity.ngram_kernel(copies))),
        exact("of two unlike", 2.0, diversity.vendi_score(diversity.ngram_kernel(unlike))),
        exact("self-BLEU of copies", 1.0, diversity.self_bleu(copies)),
        exact("distinct-2 of three copies", 1 / 3, diversity.distinct_n(copies, 2)),
        exact("distinct-2 of two unlike", 1.0, diversity.distinct_n(unlike, 2)),
    )


def l11_root_kl(setting: Setting) -> Checks:
    """Gaussian rewards: E max_n / sqrt(KL) is 1.28 at n = 2 and 1.34 at 10^4."""
    size, n = setting.size(20_000, 200_000), 16
    fine = np.full(size, 1 / size)
    from scipy import stats

    reward = stats.norm.ppf((np.arange(size) + 0.5) / size)
    law = best_of.best_of_n_law(fine, reward, n)
    ratio = float(law @ reward) / math.sqrt(divergence.table_kl(law, fine))
    two = 1 / math.sqrt(math.pi) / math.sqrt(math.log(2) - 0.5)
    three = 1.5 / math.sqrt(math.pi) / math.sqrt(math.log(3) - 2 / 3)
    seen = [noisy_selection.reward_per_root_kl(n) for n in (2, 4, 16, 64, 256, 1024, 10_000)]
    return (
        exact("n = 2: 1/sqrt(pi) over sqrt(log 2 - 1/2)", two, seen[0], 1e-6),
        exact("n = 3", three, noisy_selection.reward_per_root_kl(3), 1e-6),
        within("least of 2..10^4", 1.284, min(seen), 1.28, 1.35),
        within("largest of 2..10^4", 1.344, max(seen), 1.28, 1.35),
        exact("n = 16, measured on a fine table", seen[2], ratio, 5e-3),
    )


def l12_goodhart(setting: Setting) -> Checks:
    """Normal noise never turns gold down; Student-t2 noise does."""
    ns = (4, 16, 64, 256, 1024, 8192)
    light = np.array([noisy_selection.best_by_noisy_proxy(n).gold for n in ns])
    heavy = np.array([noisy_selection.best_by_noisy_proxy(n, "student_t2").gold for n in ns])
    told = np.array([noisy_selection.normal_best_of_mean(n) for n in ns]) / math.sqrt(2)
    prompts = setting.size(4000, 100_000)
    drawn = noisy_selection.simulate_picks(16, prompts, setting.seed, "student_t2")
    return (
        same("normal noise: rho E max_n", told, light, 1e-5),
        within("its least step", 0.0, float(np.diff(light).min()), lo=0.0),
        within("t2 noise: n of the highest gold", 16, ns[int(heavy.argmax())], 4, 64),
        within("t2 noise: gold at 8192 less its highest", -0.3, heavy[-1] - heavy.max(), hi=-0.3),
        simulated("t2 noise, n = 16, simulated", float(heavy[1]), drawn.gold),
    )


def l13_overstated(setting: Setting) -> Checks:
    """The best of 8 by a proxy of equal noise: proxy 2.01, gold 1.01, a fresh scoring 1.01."""
    k, prompts = 8, setting.size(3000, 30_000)
    rng = stream(setting.seed, "laws-overstated")
    gold = rng.normal(size=(prompts, k))
    proxy = gold + rng.normal(size=gold.shape)
    answers = np.tile(np.arange(k), (prompts, 1))
    pool = ScoredPool(proxy, answers, tuple(map(str, range(prompts))), setting.seed)
    chosen = accepted(setting, "argmax", {}, pool).argmax(axis=1)
    at = np.arange(prompts), chosen
    fresh = gold[at] + rng.normal(size=prompts)
    top = _largest_of(k)
    told = noisy_selection.best_by_noisy_proxy(k)
    return (
        simulated("proxy of the accepted", top * math.sqrt(2), proxy[at]),
        simulated("their gold", top / math.sqrt(2), gold[at]),
        simulated("proxy - gold", top / math.sqrt(2), proxy[at] - gold[at]),
        simulated("fresh scorer - gold", 0.0, fresh - gold[at]),
        exact("closed form of the gold", top / math.sqrt(2), told.gold, 1e-5),
    )


def _largest_of(n: int) -> float:
    """E of the largest of n standard normals by the density n phi Phi^(n-1), on a fine grid."""
    from scipy import stats

    x = np.linspace(-10, 10, 200_001)
    density = n * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1)
    return float(np.trapezoid(x * density, x))
