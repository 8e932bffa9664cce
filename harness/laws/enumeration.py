"""A registered acceptance rule on every possible pool of one prompt, against its exact law.

All m^k ordered draws, each with its probability, are the prompts of one pool; where a rule is
random (keyed ties among them) copies under other keys are the replicates of |z| < 4.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from rsft_bench.harness.laws.result import EXACT, SIGMAS, Check, Setting
from rsft_bench.harness.statistics import acceptance_laws
from rsft_bench.harness.types import FloatArray, IntArray, Json, ScoredPool


class World(NamedTuple):
    """One prompt: probabilities (m,) and rewards (m,) of its answers, and the candidates drawn."""

    p: FloatArray
    r: FloatArray
    k: int


#: Two answers tie; no two do.
TIED = World(np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.8, 0.8]), 4)
APART = World(np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.2, 0.9, 0.1, 0.6]), 3)


class Moments(NamedTuple):
    """A rule's law measured: one row a copy. Expected counts, P(answer, covered), P(covered)."""

    counts: FloatArray
    joint: FloatArray
    covered: FloatArray


def draws_of(world: World, copies: int, seed: int) -> ScoredPool:
    """Every ordered draw of the world, ``copies`` times, as one pool; text ids are the answers."""
    draws = np.array(list(itertools.product(range(len(world.p)), repeat=world.k)), dtype=np.int64)
    answers = np.tile(draws, (copies, 1))
    keys = tuple(f"{copy}/{i}" for copy in range(copies) for i in range(len(draws)))
    return ScoredPool(world.r[answers], answers, keys, seed)


def accepted(setting: Setting, rule: str, params: Mapping[str, Json], pool: ScoredPool) -> IntArray:
    """Counts (m, k) that the registered rule gives on a pool."""
    resolved = setting.catalog.registry("rule").get(rule).resolve(params, pool)
    counts: IntArray = resolved.select(pool.scores, pool.text_ids, pool.keys)
    return counts


def moments(counts: IntArray, answers: IntArray, p: FloatArray) -> Moments:
    """Average counts of ``draws_of`` over the draws, weighted by their probabilities."""
    size, rows = len(p), len(p) ** answers.shape[1]
    per = np.stack([(counts * (answers == y)).sum(axis=1) for y in range(size)], axis=1)
    total = per.sum(axis=1, keepdims=True)
    share = np.divide(per, total, out=np.zeros(per.shape), where=total > 0)
    table = np.hstack([per, share, total > 0]).reshape(-1, rows, 2 * size + 1)
    means = np.einsum("r,crj->cj", p[answers[:rows]].prod(axis=1), table)
    return Moments(means[:, :size], means[:, size:-1], means[:, -1:])


def distance(found: FloatArray, expected: FloatArray) -> float:
    """Largest |z| of copies (c, j) against (j,); infinite where a fixed entry is wrong."""
    worst = 0.0
    for values, target in zip(found.T, expected, strict=True):
        gap = abs(float(values.mean()) - float(target))
        error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        if error > EXACT:
            worst = max(worst, gap / error)
        elif not gap <= EXACT:
            worst = math.inf
    return worst


def law_check(what: str, law: acceptance_laws.Law, found: Moments) -> Check:
    """Counts, answers and coverage of a rule against its law, as the largest |z|."""
    joint = np.nan_to_num(law.answer) * law.covered
    worst = max(
        distance(found.counts, law.counts),
        distance(found.joint, joint),
        distance(found.covered, np.array([law.covered])),
    )
    return Check(f"{what}: largest |z|", 0.0, worst, 0.0, SIGMAS)


def rule_check(
    setting: Setting,
    rule: str,
    params: Mapping[str, Json],
    law: acceptance_laws.Law,
    world: World = TIED,
) -> Check:
    """A rule's finite-k law measured by enumeration against ``law``."""
    pool = draws_of(world, setting.size(40, 200), setting.seed)
    counts = accepted(setting, rule, params, pool)
    name = rule + "".join(f",{key}={value:g}" for key, value in params.items())
    return law_check(f"{name} at k={world.k}", law, moments(counts, pool.text_ids, world.p))


def accepted_law(
    setting: Setting, rule: str, params: Mapping[str, Json], world: World
) -> FloatArray:
    """E[counts] / sum, (m,), of a rule that is not random on this world."""
    pool = draws_of(world, 1, setting.seed)
    found = moments(accepted(setting, rule, params, pool), pool.text_ids, world.p).counts[0]
    return np.asarray(found / found.sum())


def spread(scores: FloatArray) -> float:
    """Pooled SD of complete rows (m, k) around their means: the unit of beta, written anew."""
    gaps: Any = scores - scores.mean(axis=1, keepdims=True)
    return math.sqrt(float((gaps**2).sum()) / (scores.shape[0] * (scores.shape[1] - 1)))
