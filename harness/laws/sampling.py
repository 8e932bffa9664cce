"""L1 to L4: classical rejection, best-of-n and the set rules, composition, thresholds."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy import stats

from rsft_bench.harness.laws.enumeration import (
    APART,
    TIED,
    World,
    accepted_law,
    draws_of,
    rule_check,
    spread,
)
from rsft_bench.harness.laws.result import (
    Checks,
    Setting,
    below,
    counted,
    exact,
    same,
    within,
)
from rsft_bench.harness.laws.tables import fitted
from rsft_bench.harness.statistics import (
    acceptance_draws,
    acceptance_laws,
    best_of,
    divergence,
    rejection,
)
from rsft_bench.harness.types import FloatArray


def l1_rejection(setting: Setting) -> Checks:
    """Acceptance 1/M and accepted law = target, classical and as the pointwise rules."""
    n = setting.size(20_000, 400_000)
    target, proposal = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.4, 0.3, 0.2, 0.1])
    table = rejection.reject_table(target, proposal, n, setting.seed)
    seen = np.bincount(table.accepted, minlength=4)
    fit = stats.chisquare(seen, target * seen.sum())
    beta = stats.beta(2, 2)
    smooth = rejection.reject(
        lambda x: np.asarray(beta.logpdf(x)),
        lambda x: np.zeros(len(x), dtype=np.float64),
        lambda rng, size: rng.random(size),
        n,
        setting.seed,
        m=1.5,
    )
    scale = 0.7 * spread(draws_of(TIED, 1, 0).scores)
    chances = np.exp((TIED.r - TIED.r.max()) / scale)
    pointwise, passes = acceptance_laws.pointwise_law, (TIED.r >= 0.8).astype(np.float64)
    return (
        counted("accepted of a table, 1/M", 0.25, len(table.accepted), n),
        below("accepted law of the table, chi-square", float(fit.pvalue)),
        counted("accepted of Beta(2,2) from U(0,1), 1/M", 2 / 3, len(smooth.accepted), n),
        below("accepted law, KS", float(stats.kstest(smooth.accepted, beta.cdf).pvalue)),
        rule_check(setting, "rejection", {"beta": 0.7}, pointwise(TIED.p, chances, TIED.k)),
        rule_check(setting, "all", {}, pointwise(TIED.p, np.ones(3), TIED.k)),
        rule_check(setting, "threshold", {"tau": 0.8}, pointwise(TIED.p, passes, TIED.k)),
    )


def l2_best_of_n(setting: Setting) -> Checks:
    """Best-of-n is F^n - F-^n, ties included; every set rule has its law at finite k."""
    p, r, k = TIED
    brute, n = _brute_best(p, r, k), 64
    law = best_of.best_of_n_law(p, r, n)
    two = best_of.best_of_n_law(np.array([0.5, 0.5]), np.array([0.0, 1.0]), n)
    fine, rising = np.full(2000, 1 / 2000), np.arange(2000.0)
    wins = best_of.win_rate(best_of.best_of_n_law(fine, rising, 4), fine, rising)
    scale = 0.5 * spread(draws_of(TIED, 1, 0).scores)
    draws = acceptance_draws
    return (
        same("F^n - F-^n against all draws, n=4", brute, best_of.best_of_n_law(p, r, k)),
        within(
            "KL to its bound, n=64",
            best_of.best_of_n_kl_bound(n),
            divergence.table_kl(law, p),
            0.0,
            math.log(n) - (n - 1) / n,
        ),
        exact("KL estimate of two answers, n=64", math.log(2), _estimate(two, n), 1e-6),
        exact("win rate without ties, n=4", 0.8, wins, 1e-3),
        exact("win rate, ties one half", _brute_wins(brute, p, r), best_of.win_rate(brute, p, r)),
        rule_check(setting, "argmax", {}, acceptance_laws.argmax_law(p, r, k)),
        rule_check(setting, "top_m", {"m": 2}, acceptance_laws.top_m_law(p, r, k, 2)),
        rule_check(
            setting, "threshold", {"prompt_rate": 0.7}, acceptance_laws.top_m_law(p, r, k, 3)
        ),
        rule_check(
            setting,
            "statistical",
            {"m": 2, "beta": 0.5},
            draws.statistical_law(p, r, k, 2, scale),
        ),
        rule_check(setting, "best_and_distinct", {"m": 2}, draws.distinct_law(p, r, k, 2)),
    )


def l3_composition(setting: Setting) -> Checks:
    """T rounds of exact argmax-k are best-of-n with n = k^T."""
    rounds = setting.size(3, 5)
    checks = []
    for k in (2, 3):
        p = TIED.p
        for _ in range(rounds):
            p = fitted(p, acceptance_laws.argmax_law(p, TIED.r, k).counts)
        told = best_of.best_of_n_law(TIED.p, TIED.r, k**rounds)
        checks.append(same(f"{rounds} rounds of argmax-{k} and best of {k**rounds}, ties", told, p))
    p = APART.p
    for _ in range(rounds):
        p = fitted(p, accepted_law(setting, "argmax", {}, World(p, APART.r, 2)))
    told = best_of.best_of_n_law(APART.p, APART.r, 2**rounds)
    checks.append(same(f"{rounds} rounds of the rule itself and best of {2**rounds}", told, p))
    return tuple(checks)


def l4_threshold(setting: Setting) -> Checks:
    """KL = -log alpha, cost 1/alpha; at equal cost it beats best-of-n, at equal KL it loses."""
    worlds = (APART, World(np.array([0.7, 0.1, 0.1, 0.1]), APART.r, 3))
    divergences, alphas = [], []
    for world in worlds:
        law = accepted_law(setting, "threshold", {"tau": 0.5}, world)
        divergences.append(divergence.table_kl(law, world.p))
        alphas.append(float(world.p[world.r >= 0.5].sum()))
    size, n = 10_000, 4
    fine, quantile = np.full(size, 1 / size), (np.arange(size) + 0.5) / size
    best = float(best_of.best_of_n_law(fine, quantile, n) @ quantile)
    budget = best_of.best_of_n_kl_bound(n)
    cost, kl = _over(quantile, 1 - 1 / n), _over(quantile, 1 - math.exp(-budget))
    paid = rejection.coverage(np.array(alphas[:1]), 1)[0]
    return (
        exact("KL of one prompt, -log alpha", -math.log(alphas[0]), divergences[0]),
        exact("mean KL of two prompts", -float(np.log(alphas).mean()), float(np.mean(divergences))),
        exact("draws for one accepted, 1/alpha", 1 / alphas[0], 1 / float(paid)),
        exact("mean quantile of best of 4", n / (n + 1), best, 1e-3),
        exact("threshold at its cost", 1 - 1 / (2 * n), cost, 1e-3),
        exact("threshold at its KL", 1 - math.exp(-budget) / 2, kl, 1e-3),
        within("threshold above best of 4 at equal cost", 0.075, cost - best, lo=0.01),
        within("best of 4 above threshold at equal KL", 0.065, best - kl, lo=0.01),
    )


def _over(quantile: FloatArray, cut: float) -> float:
    return float(quantile[quantile >= cut].mean())


def _estimate(law: FloatArray, n: int) -> float:
    """The better estimator of KL averaged over the best-of-n law of two equal answers."""
    return float(law @ best_of.best_of_n_kl_terms(np.log([0.5, 0.5]), n))


def _brute_best(p: FloatArray, r: FloatArray, n: int) -> FloatArray:
    """Law of the best of n over all ordered draws, a tie going to any tied draw evenly."""
    law = np.zeros(len(p))
    for draw in itertools.product(range(len(p)), repeat=n):
        top = [y for y in draw if r[y] == max(r[list(draw)])]
        for y in top:
            law[y] += float(np.prod(p[list(draw)])) / len(top)
    return law


def _brute_wins(law: FloatArray, p: FloatArray, r: FloatArray) -> float:
    return float(
        sum(
            law[i] * p[j] * (1.0 if r[i] > r[j] else 0.5 * (r[i] == r[j]))
            for i in range(len(p))
            for j in range(len(p))
        )
    )
