"""Which of N draws is served when n answer a request, averaged over every n of the N. numpy only.

Each function gives weights of shape (N,) that sum to 1: the probability that a draw is the one
served when n of the N are taken without replacement. The n are then n independent draws of the
policy, so any weighted mean over the N is an unbiased estimate of what serving n would give, by the
argument of pass@k (Chen et al. 2021, arXiv 2107.03374, appendix A). Ties are split evenly, never
broken by order.

Votes without weights have a closed form. The others go over all C(N, n) subsets up to
``ENUMERATED``; beyond that over ``SUBSETS`` random ones of the caller's stream, which stays
unbiased and adds at most 0.5/sqrt(SUBSETS) = .0055 of standard error to an example's weighted mean
of values in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from rsft_bench.harness.types import FloatArray, IntArray

#: Largest number of subsets that is gone through one by one; C(16, 8) is 12,870.
ENUMERATED = 20_000
#: Random subsets where there are more.
SUBSETS = 8_192
#: Sums closer than this, in units of the larger, tie: their rounding must not decide.
TIE = 1e-9


def majority_vote_weights(classes: IntArray, n: int) -> FloatArray:
    """Weights of serving a member of the class that most of n draws belong to. Exact.

    Tied classes are equally likely, and so are the members of a class. With one draw a class, or
    with n of 1 or 2, all weights are 1/N.

    Args:
        classes: the class of each draw, shape (N,); equal numbers mean equivalent answers.
        n: draws a request takes.

    Raises:
        ValueError: not 1 <= n <= N.

    Source: self-consistency, Wang et al. 2023, arXiv 2203.11171; the average over subsets is ours.
    """
    _check(n, classes.size)
    _, group, sizes = np.unique(classes, return_inverse=True, return_counts=True)
    shares = _member_shares(tuple(sorted(sizes.tolist())), n)
    return np.array([shares[int(sizes[g])] for g in group.ravel()])


@lru_cache(maxsize=4096)
def _member_shares(sizes: Sequence[int], n: int) -> Mapping[int, float]:
    """By the size of a class, the probability that one given member of it is served."""
    shares = {}
    for size in set(sizes):
        rest = list(sizes)
        rest.remove(size)
        won = 0.0
        for votes in range(1, min(size, n) + 1):
            tied = _tied_ways(rest, n - votes, votes)
            won += comb(size, votes) * sum(ways / (1 + t) for t, ways in enumerate(tied))
        shares[size] = won / comb(sum(sizes), n) / size
    return shares


def _tied_ways(sizes: Sequence[int], left: int, votes: int) -> list[int]:
    """Ways to take ``left`` draws, no class more than ``votes``, by how many have just as many."""
    # ways[t][j]: j draws taken so far, t classes with as many as the winner.
    ways = [[1] + [0] * left]
    for size in sizes:
        grown = [[0] * (left + 1) for _ in range(len(ways) + 1)]
        for t, row in enumerate(ways):
            for j, count in enumerate(row):
                if count:
                    for i in range(min(size, votes, left - j) + 1):
                        grown[t + (i == votes)][j + i] += count * comb(size, i)
        ways = grown if any(grown[-1]) else grown[:-1]
    return [row[left] for row in ways]


def weighted_vote_weights(
    classes: IntArray, votes: FloatArray, n: int, rng: np.random.Generator
) -> FloatArray:
    """Weights of serving a member of the class with the largest sum of votes among n draws.

    Members of the served class among the n are equally likely, tied classes too. A vote that is NaN
    or below 0 counts 0. Equal votes give ``majority_vote_weights``; one draw a class gives
    ``best_of_n_weights`` where votes differ.

    Args:
        classes: the class of each draw, shape (N,).
        votes: what each draw's vote counts, shape (N,): the calibrated proxy.
        n: draws a request takes.
        rng: used only where there are more than ``ENUMERATED`` subsets.

    Raises:
        ValueError: not 1 <= n <= N.

    Source: weighted best-of-n of Li et al. 2023, arXiv 2206.02336 (verifier-weighted voting).
    """
    _check(n, classes.size)
    _, group = np.unique(classes, return_inverse=True)
    member = np.eye(int(group.max()) + 1)[group.ravel()]
    heard = np.where(np.isnan(votes), 0.0, np.maximum(votes, 0.0))
    drawn = _subsets(classes.size, n, rng)
    counts = drawn @ member
    sums = np.where(counts > 0, drawn @ (member * heard[:, None]), -np.inf)
    share = _tied_shares(sums) / np.maximum(counts, 1)
    return np.asarray((share[:, group.ravel()] * drawn).mean(axis=0))


def mbr_weights(similarity: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    """Weights of serving the draw with the highest mean similarity to the n - 1 others.

    The minimum-Bayes-risk answer with the draws themselves as the references. With n of 1 or 2 all
    weights are 1/N where ``similarity`` is symmetric. A similarity of 1 within a class and 0
    outside gives ``majority_vote_weights``.

    Args:
        similarity: of each answer (row) to each reference (column), shape (N, N); the diagonal is
            not read.
        n: draws a request takes.
        rng: used only where there are more than ``ENUMERATED`` subsets.

    Raises:
        ValueError: not 1 <= n <= N.

    Source: Kumar & Byrne 2004 (N04-1022); Bertsch et al. 2023, arXiv 2310.01387.
    """
    _check(n, len(similarity))
    others = np.where(np.eye(len(similarity), dtype=bool), 0.0, similarity)
    drawn = _subsets(len(similarity), n, rng)
    sums = np.where(drawn > 0, drawn @ others.T, -np.inf)
    return np.asarray(_tied_shares(sums).mean(axis=0))


def _tied_shares(scores: FloatArray) -> FloatArray:
    """For each row, 1 over the number of entries that tie for its maximum, at these; 0 elsewhere.

    Every row has a finite entry.
    """
    top = scores.max(axis=1, keepdims=True)
    tied = scores >= top - TIE * np.maximum(np.abs(top), 1.0)
    return np.asarray(tied / tied.sum(axis=1, keepdims=True))


def _subsets(total: int, n: int, rng: np.random.Generator) -> FloatArray:
    """Subsets of n of ``total`` draws as rows of 0 and 1: all of them, or ``SUBSETS`` at random."""
    if comb(total, n) <= ENUMERATED:
        return np.asarray(_every_subset(total, n), dtype=np.float64)
    chosen = np.argsort(rng.random((SUBSETS, total)), axis=1)[:, :n]
    return _rows(chosen, total)


@lru_cache(maxsize=16)
def _every_subset(total: int, n: int) -> NDArray[np.float64]:
    chosen = np.array(list(combinations(range(total), n)), dtype=np.int64)
    rows = _rows(chosen, total)
    rows.flags.writeable = False
    return rows


def _rows(chosen: IntArray, total: int) -> FloatArray:
    rows = np.zeros((len(chosen), total))
    np.put_along_axis(rows, chosen, 1.0, axis=1)
    return rows


def _check(n: int, total: int) -> None:
    if not 1 <= n <= total:
        raise ValueError(f"serving one of {n} needs 1 <= n <= {total} draws")
