"""What an objective learns from a scored pool: pure functions, no torch (protocol.md section 2).

An acceptance rule says how often an answer is accepted. The objectives here need more: answers to
move away from, weights that are no counts, a verdict with its prompt's pass rate, or pairs. Ties
are broken by keyed streams, never by gold; NaN scores are never used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rsft_bench.baselines.rules.common import within_prompt_sd
from rsft_bench.harness.registry import Registry
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import FloatArray, IntArray, Json, ScoredPool, Targets

Params: TypeAlias = Mapping[str, Json]
#: Ways to weigh an NFT prompt by its pass rate r: 1 - r, GRPO's sqrt((1 - r) / r), and 1.
OMEGAS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "1-r": lambda rates: 1 - rates,
    "grpo": lambda rates: np.sqrt((1 - rates) / np.where(rates > 0, rates, 1.0)),
    "even": np.ones_like,
}


def rejected(params: Params, pool: ScoredPool, accepted: IntArray) -> Targets:
    """The worst rejected answers of each prompt, as many as it has accepted ones.

    An answer is rejected if it was not accepted, its text is not that of an accepted one, and its
    score lies below every accepted one's. The lowest scores are taken first. With ``blind`` the
    score is not looked at: any answer whose text was not accepted may be drawn, which is what a
    random control needs. Every taken answer counts 1 / n(x).
    """
    keyed = _numbers(pool, "rejected-tie")
    counts = np.zeros_like(accepted)
    for i, scores in enumerate(pool.scores):
        kept = np.flatnonzero(accepted[i])
        texts = pool.text_ids[i]
        free = np.asarray(np.isfinite(scores) & ~np.isin(texts, texts[kept]), dtype=np.bool_)
        if not kept.size:
            continue
        if not params["blind"]:
            free = np.asarray(free & (scores < scores[kept].min()), dtype=np.bool_)
        order = np.lexsort((keyed[i], np.zeros_like(scores) if params["blind"] else scores))
        taken = [j for j in order if free[j]][: int(accepted[i].sum())]
        counts[i, taken] = 1
    covered = counts.sum(axis=1)
    shares = counts / np.maximum(covered, 1)[:, None]
    lacking = int(((accepted.sum(axis=1) > 0) & (covered == 0)).sum())
    return _targets(pool, shares, counts, left_out=lacking)


def tilted(params: Params, pool: ScoredPool, accepted: IntArray) -> Targets:
    """Every answer, with weight e^{r / (beta s)} normalised within its prompt.

    s is the pool's within-prompt SD of the score; where it is 0, and at beta = inf, all answers of
    a prompt weigh the same. Source: Peters and Schaal 2007, reward-weighted regression.
    """
    usable = np.isfinite(pool.scores)
    scale = float(params["beta"]) * within_prompt_sd(pool.scores)
    best = np.where(usable, pool.scores, -np.inf).max(axis=1, keepdims=True)
    gaps = np.where(usable, pool.scores - best, 0.0)
    raw = np.where(usable, np.exp(gaps / scale) if scale > 0 else 1.0, 0.0)
    total = raw.sum(axis=1, keepdims=True)
    shares = raw / np.where(total > 0, total, 1.0)
    return _targets(pool, shares, (shares > 0).astype(np.int64))


def verdicts(params: Params, pool: ScoredPool, accepted: IntArray) -> Targets:
    """Every answer of the prompts that have both kinds, with its verdict and the prompt's rate r.

    ``accepted`` holds the verdicts. A share is omega(r) / k for an accepted answer, ``neg_weight``
    times that for a rejected one. Prompts where nothing was accepted have no gradient, those where
    everything was have no rejected answer and, at omega 1 - r, no weight: both are left out, except
    that at omega ``even`` the accepted answers of the latter stay.

    Source: Chen et al. 2025, section 3.
    """
    usable = np.isfinite(pool.scores)
    kept = usable & (accepted > 0)
    size = usable.sum(axis=1)
    rates = kept.sum(axis=1) / np.maximum(size, 1)
    omega = np.where(rates > 0, OMEGAS[params["omega"]](rates), 0.0)
    each = (omega / np.maximum(size, 1))[:, None]
    shares = np.where(kept, each, np.where(usable, float(params["neg_weight"]) * each, 0.0))
    unused = int(((size > 0) & (shares.sum(axis=1) == 0)).sum())
    return _targets(pool, shares, kept.astype(np.int64), rates=rates, left_out=unused)


def pairs(params: Params, pool: ScoredPool, accepted: IntArray) -> Targets:
    """The best answer of each prompt, preferred to its worst.

    Prompts whose best and worst have one score or one text are left out and counted.
    """
    keyed = _numbers(pool, "pair-tie")
    shares = np.zeros(pool.scores.shape)
    others = np.full(pool.scores.shape, -1, dtype=np.int64)
    unusable = 0
    for i, scores in enumerate(pool.scores):
        places = [int(j) for j in np.lexsort((keyed[i], scores)) if np.isfinite(scores[j])]
        if not places:
            continue
        worst, best = places[0], places[-1]
        same_text = pool.text_ids[i, worst] == pool.text_ids[i, best]
        if scores[worst] == scores[best] or same_text:
            unusable += 1
            continue
        shares[i, best], others[i, best] = 1.0, worst
    counts = (shares > 0).astype(np.int64)
    return _targets(pool, shares, counts, others=others, left_out=unusable)


def _targets(
    pool: ScoredPool,
    shares: FloatArray,
    counts: IntArray,
    others: IntArray | None = None,
    rates: FloatArray | None = None,
    left_out: int = 0,
) -> Targets:
    return Targets(
        shares=shares,
        counts=counts,
        others=np.full(shares.shape, -1, dtype=np.int64) if others is None else others,
        rates=np.ones(len(pool.keys)) if rates is None else rates,
        left_out=left_out,
    )


def _numbers(pool: ScoredPool, purpose: str) -> FloatArray:
    """One keyed uniform a candidate, shape (m, k), that orders ties."""
    k = pool.scores.shape[1]
    return np.array([stream(pool.seed, purpose, key).random(k) for key in pool.keys]).reshape(-1, k)


@dataclass(frozen=True, slots=True)
class Target:
    """A way to read a pool, by name.

    ``make(params, pool, accepted)`` treats every prompt on its own but for pool-wide scales.
    ``accepted`` (m, k) are the counts of an acceptance rule, zeros where the target reads none.
    """

    name: str
    make: Callable[[Params, ScoredPool, IntArray], Targets]


TARGETS: Registry[Target] = Registry(
    "target",
    [
        Target("rejected", rejected),
        Target("tilted", tilted),
        Target("verdicts", verdicts),
        Target("pairs", pairs),
    ],
)
#: Modules whose source joins the key of every target.
TARGET_CODE: Sequence[str] = (__name__, within_prompt_sd.__module__)
