"""Exact laws of acceptance rules that need the draws themselves: enumeration over multisets.

Arguments as in ``acceptance_laws``. Every function visits all C(k+m-1, m-1) multisets of k draws of
m answers, each with its multinomial probability, so keep m and k small (5 and 8 take seconds).
Numpy only.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from math import comb, factorial, nan

import numpy as np

from rsft_bench.harness.statistics.acceptance_laws import Law, chances, check, check_number
from rsft_bench.harness.types import FloatArray, IntArray


def statistical_law(p: FloatArray, r: FloatArray, k: int, m: int, beta: float) -> Law:
    """``statistical``: passes over the remaining draws until m are accepted.

    A pass accepts each remaining draw of y independently with exp((r(y) - r_max)/beta), r_max the
    best remaining, and where that exceeds what is still wanted keeps an even subset of it (it stops
    in the middle of a random order); the accepted leave before the next pass. Enumerates multisets
    of draws and, within each, the numbers accepted of each answer in every pass. ``beta`` is in
    units of r (the rule's is in SDs).

    Raises:
        ValueError: as ``top_m_law``, or beta < 0.

    Source: Liu et al. 2024, arXiv 2309.06657, algorithm 1, with candidates kept apart by draw.
    """
    check(p, r, k)
    check_number(m, k)
    if not beta >= 0:
        raise ValueError(f"beta={beta} must be at least 0")
    rewards = tuple(float(x) for x in r)

    @functools.cache
    def accepted(left: tuple[int, ...], wanted: int) -> tuple[float, ...]:
        if wanted >= sum(left):
            return tuple(float(c) for c in left)
        total = np.zeros(len(left))
        for hits, weight in _passes(left, rewards, beta):
            number = sum(hits)
            if number >= wanted:
                total += weight * wanted * np.array(hits) / number
            else:
                rest = tuple(c - h for c, h in zip(left, hits, strict=True))
                total += weight * (np.array(hits) + np.array(accepted(rest, wanted - number)))
        return tuple(total.tolist())

    counts = sum(
        (weight * np.array(accepted(tuple(drawn.tolist()), m)) for drawn, weight in _drawn(p, k)),
        start=np.zeros(p.shape),
    )
    return Law(counts, counts / m, 1.0)


def distinct_law(p: FloatArray, r: FloatArray, k: int, m: int, tau: float = nan) -> Law:
    """``best_and_distinct``: the best m distinct answers among the draws, each once.

    Levels are filled from the best; a level with more distinct answers than places is filled one
    answer after the other, each in proportion to its draws (successive sampling without
    replacement). ``tau`` leaves out answers below it; NaN leaves out none. Enumerates multisets.

    Raises:
        ValueError: as ``top_m_law``.

    Source: Yuan et al. 2023, arXiv 2308.01825 (de-duplication).
    """
    check(p, r, k)
    check_number(m, k)
    able = np.ones(p.shape, dtype=bool) if np.isnan(tau) else r >= tau
    counts, answer, covered = np.zeros(p.shape), np.zeros(p.shape), 0.0
    for drawn, weight in _drawn(p, k):
        kept = np.zeros(p.shape)
        for level in np.unique(r)[::-1]:
            places = np.flatnonzero((r == level) & able & (drawn > 0))
            room = m - round(float(kept.sum()))
            copies = tuple(int(c) for c in drawn[places])
            kept[places] = _successive(copies, min(room, places.size))
        if kept.any():
            counts += weight * kept
            answer += weight * kept / kept.sum()
            covered += weight
    return Law(counts, _given(answer, covered), covered)


def matched_law(p: FloatArray, k: int, number: Callable[[IntArray], tuple[float, float]]) -> Law:
    """``random[match=V]``: as many draws as V accepted, evenly without replacement.

    ``number`` maps the numbers of draws of each answer, (m,), to (E[n], P(n > 0)) of V's count n
    given them; see ``pointwise_number`` and ``distinct_number``, and (j, 1) for a rule that always
    accepts j. Given the draws c the expected counts are E[n] c / k. Where n does not depend on the
    draws the law is p; else it leans to what is drawn when V accepts much. Enumerates multisets.

    Raises:
        ValueError: p is no law or k < 1.
    """
    check(p, p, k)
    counts, answer, covered = np.zeros(p.shape), np.zeros(p.shape), 0.0
    for drawn, weight in _drawn(p, k):
        expected, some = number(drawn)
        counts += weight * expected * drawn / k
        answer += weight * some * drawn / k
        covered += weight * some
    return Law(counts, _given(answer, covered), covered)


def pointwise_number(accept: FloatArray) -> Callable[[IntArray], tuple[float, float]]:
    """(E[n], P(n > 0)) of a pointwise rule given the draws: sum c A and 1 - prod (1 - A)^c."""

    def number(drawn: IntArray) -> tuple[float, float]:
        return float(drawn @ accept), 1.0 - float(np.prod((1.0 - accept) ** drawn))

    return number


def distinct_number(able: Sequence[bool], m: int) -> Callable[[IntArray], tuple[float, float]]:
    """(n, 1 if n > 0) of ``best_and_distinct``: the distinct answers drawn that are able, to m."""

    def number(drawn: IntArray) -> tuple[float, float]:
        n = min(m, int(((drawn > 0) & np.asarray(able)).sum()))
        return float(n), float(n > 0)

    return number


def _passes(
    left: tuple[int, ...], rewards: tuple[float, ...], beta: float
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Numbers accepted of each answer in one pass over what is left, with their probabilities."""
    best = max(x for x, c in zip(rewards, left, strict=True) if c)
    gaps = np.array([min(x - best, 0.0) for x in rewards])
    accept = chances(gaps, beta).tolist()
    for hits in itertools.product(*(range(c + 1) for c in left)):
        weight = 1.0
        for c, h, a in zip(left, hits, accept, strict=True):
            weight *= comb(c, h) * a**h * (1 - a) ** (c - h)
        if weight > 0:
            yield hits, weight


def _drawn(p: FloatArray, k: int) -> Iterator[tuple[IntArray, float]]:
    """Numbers of draws of each answer, (m,), with their multinomial probabilities."""
    size = len(p)
    for bars in itertools.combinations(range(k + size - 1), size - 1):
        edges = np.array([-1, *bars, k + size - 1])
        drawn = np.diff(edges) - 1
        ways = factorial(k)
        for c in drawn:
            ways //= factorial(int(c))
        weight = ways * float(np.prod(np.asarray(p, dtype=np.float64) ** drawn))
        if weight > 0:
            yield drawn.astype(np.int64), weight


@functools.cache
def _successive(copies: tuple[int, ...], places: int) -> tuple[float, ...]:
    """Chance of each answer to be among ``places`` drawn one by one in proportion to copies."""
    if places == 0:
        return (0.0,) * len(copies)
    total, chances = sum(copies), np.zeros(len(copies))
    for i, own in enumerate(copies):
        if own:
            chances[i] += own / total
            rest = (*copies[:i], 0, *copies[i + 1 :])
            chances += own / total * np.array(_successive(rest, places - 1))
    return tuple(chances.tolist())


def _given(joint: FloatArray, covered: float) -> FloatArray:
    return joint / covered if covered > 0 else np.full(joint.shape, nan)
