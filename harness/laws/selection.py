"""L14, L15, L16, L19: coverage, prompt offsets, transforms, and rewards that know nothing."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from rsft_bench.harness.laws.enumeration import (
    TIED,
    World,
    accepted,
    draws_of,
    law_check,
    moments,
)
from rsft_bench.harness.laws.result import SIGMAS, Check, Checks, Setting, same, within
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import acceptance_draws, acceptance_laws, best_of, rejection
from rsft_bench.harness.types import FloatArray, IntArray, ScoredPool

#: Rules that look within a prompt only.
WITHIN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("argmax", {}),
    ("top_m", {"m": 3}),
    ("threshold", {"prompt_rate": 0.5}),
    ("best_and_distinct", {"m": 2}),
    ("statistical", {"m": 2, "beta": 0.5}),
)


def l14_coverage(setting: Setting) -> Checks:
    """A prompt is covered with 1 - (1 - alpha)^k: one or all of its answers weigh it unlike."""
    alphas, k = np.array([0.1, 0.5, 0.9]), 4
    covered, counts = [], []
    for alpha in alphas:
        world = World(np.array([alpha, 1 - alpha]), np.array([1.0, 0.0]), k)
        pool = draws_of(world, 1, setting.seed)
        found = moments(accepted(setting, "threshold", {"tau": 0.5}, pool), pool.text_ids, world.p)
        covered.append(float(found.covered[0, 0]))
        counts.append(float(found.counts.sum()))
    told, shares = 1 - (1 - alphas) ** k, rejection.accepted_shares(alphas, k)
    easy, hard = shares.every[2] / shares.every[0], shares.one[2] / shares.one[0]
    return (
        same("covered by the rule, 1 - (1 - alpha)^4", told, np.array(covered)),
        same("covered, closed form", told, rejection.coverage(alphas, k)),
        same("share of prompts, one each", np.array(covered) / sum(covered), shares.one),
        same("share of prompts, all kept", np.array(counts) / sum(counts), shares.every),
        within("easy to hard, all kept, less one each", 6.1, float(easy - hard), lo=1.0),
    )


def _pool(setting: Setting, change: FloatArray | float = 0.0, power: bool = False) -> ScoredPool:
    """Sampled scores in 64ths, so that offsets by whole numbers round nothing, with ties."""
    rng = stream(setting.seed, "laws-selection")
    scores = rng.integers(0, 64, size=(setting.size(200, 2000), 6)) / 64
    answers = (scores * 64).astype(np.int64) % 5
    keys = tuple(map(str, range(len(scores))))
    made = np.exp(3 * scores) if power else scores + change
    return ScoredPool(made, answers, keys, setting.seed)


def _changed(
    setting: Setting, rule: str, params: Mapping[str, Any], a: ScoredPool, b: ScoredPool
) -> float:
    """Share of prompts where the rule accepts other answers on ``b`` than on ``a``."""
    one, two = (accepted(setting, rule, params, pool) for pool in (a, b))
    return float((one != two).any(axis=1).mean())


def l15_offsets(setting: Setting) -> Checks:
    """Reward + a(x) changes nothing within prompts; a threshold over the pool moves."""
    plain = _pool(setting)
    rng = stream(setting.seed, "laws-offsets")
    moved = _pool(setting, rng.integers(-3, 4, size=(len(plain.keys), 1)).astype(np.float64))
    checks = [
        within(f"{rule}: prompts changed", 0.0, _changed(setting, rule, q, plain, moved), 0.0, 0.0)
        for rule, q in WITHIN
    ]
    cut = _changed(setting, "threshold", {"target_rate": 0.3}, plain, moved)
    sure = _changed(setting, "threshold", {"tau": 0.5}, plain, moved)
    return (
        *checks,
        within("threshold by target_rate: prompts changed", 0.2, cut, lo=0.2),
        within("threshold by tau: prompts changed", 0.2, sure, lo=0.2),
    )


def l16_transforms(setting: Setting) -> Checks:
    """A strictly monotone transform leaves best-of-n alone, not tilts, RSO or RWR."""
    plain, bent = _pool(setting), _pool(setting, power=True)
    p, r = TIED.p, TIED.r
    checks = [
        within(f"{rule}: prompts changed", 0.0, _changed(setting, rule, q, plain, bent), 0.0, 0.0)
        for rule, q in WITHIN[:4]
    ]
    law, after = best_of.best_of_n_law(p, r, 4), best_of.best_of_n_law(p, np.exp(3 * r), 4)
    tilts = [acceptance_laws.tilted_law(p, x, 0.5) for x in (r, np.exp(3 * r))]
    told = acceptance_laws.argmax_law(p, np.exp(3 * r), 4).counts
    rso = _changed(setting, *WITHIN[4], plain, bent)
    weigh = setting.catalog.registry("target").get("tilted").make
    shares = [weigh({"beta": 0.5}, x, np.zeros_like(x.text_ids)).shares for x in (plain, bent)]
    return (
        *checks,
        same("law of best-of-4", law, after),
        same("law of argmax-4", law, told),
        within("tilt: largest change", 0.05, float(np.abs(tilts[0] - tilts[1]).max()), lo=0.05),
        within("statistical: prompts changed", 0.05, rso, lo=0.05),
        within("RWR: largest change", 0.05, float(np.abs(shares[0] - shares[1]).max()), lo=0.05),
    )


def l19_blind(setting: Setting) -> Checks:
    """A reward independent of the answer: every set rule has the law of random at its counts."""
    k, p = 3, TIED.p
    pool, weight = _independent(p, k, setting)
    checks = []
    for rule, params, number in (
        ("argmax", {}, 1.0),
        ("top_m", {"m": 2}, 2.0),
        ("threshold", {"prompt_rate": 0.67}, 2.0),
        ("best_and_distinct", {"m": 1}, 1.0),
    ):
        counts = accepted(setting, rule, params, pool)
        law = acceptance_draws.matched_law(p, k, _fixed(number)).counts
        checks.append(same(f"{rule}: counts of random", law, _weighted(counts, pool, weight, p)))
    gold = np.array([0.3, 0.0, 1.0])
    best = _weighted(accepted(setting, "argmax", {}, pool), pool, weight, p)
    checks.append(same("gold of argmax: no gain", p @ gold, best @ gold))
    checks.append(_statistical(setting, p, k))
    return (*checks, *_controls(setting))


def _fixed(number: float) -> Any:
    return lambda drawn: (number, 1.0)


def _independent(p: FloatArray, k: int, setting: Setting) -> tuple[ScoredPool, FloatArray]:
    """Every ordered draw with every order of k distinct rewards, and their probabilities."""
    draws = np.array(list(itertools.product(range(len(p)), repeat=k)), dtype=np.int64)
    orders = np.array(list(itertools.permutations(range(k))), dtype=np.float64)
    answers = np.repeat(draws, len(orders), axis=0)
    scores = np.tile(orders, (len(draws), 1))
    keys = tuple(map(str, range(len(answers))))
    return ScoredPool(scores, answers, keys, setting.seed), p[answers].prod(axis=1) / len(orders)


def _weighted(counts: IntArray, pool: ScoredPool, weight: FloatArray, p: FloatArray) -> FloatArray:
    """Expected accepted copies of each answer, (m,)."""
    per = [(counts * (pool.text_ids == y)).sum(axis=1) for y in range(len(p))]
    return np.array([float(weight @ row) for row in per])


def _statistical(setting: Setting, p: FloatArray, k: int) -> Check:
    """``statistical`` draws keyed numbers: replicates under other seeds, as the largest |z|."""
    pool, weight = _independent(p, k, setting)
    found = []
    for copy in range(setting.size(40, 200)):
        again = ScoredPool(pool.scores, pool.text_ids, pool.keys, setting.seed + copy)
        taken = accepted(setting, "statistical", {"m": 2, "beta": 0.7}, again)
        found.append(_weighted(taken, pool, weight, p))
    gaps = np.array(found) - 2 * p
    z = np.abs(gaps.mean(axis=0)) / (gaps.std(axis=0, ddof=1) / len(gaps) ** 0.5)
    return Check("statistical: largest |z|", 0.0, float(z.max()), 0.0, SIGMAS)


def _controls(setting: Setting) -> tuple[Check, Check]:
    """``random`` itself, by prompt and by rate, has its exact law though scores differ."""
    p, r, k = TIED
    pool = draws_of(TIED, setting.size(40, 200), setting.seed)
    one = dict.fromkeys(pool.keys, 1)
    given = ScoredPool(r[pool.text_ids], pool.text_ids, pool.keys, setting.seed, one)
    taken = accepted(setting, "random", {}, given)
    loose = accepted(setting, "random", {"by": "rate"}, given)
    matched = acceptance_draws.matched_law(p, k, _fixed(1.0))
    rated = acceptance_laws.rate_law(p, k, len(one), len(one) * k)
    return (
        law_check("random matched to argmax", matched, moments(taken, pool.text_ids, p)),
        law_check("random by rate", rated, moments(loose, pool.text_ids, p)),
    )
