"""The segments of an online fit: which steps each takes and which prompts it draws for. Pure."""

from __future__ import annotations

from rsft_bench.harness.seeding import stream


def spans(steps: int, every: int) -> list[tuple[int, int]]:
    """First step of each segment and the one after its last; the last segment may be shorter."""
    return [(start, min(start + every, steps)) for start in range(0, steps, every)]


def places(prompts: int, steps: int, span: tuple[int, int]) -> range:
    """Places of a segment's prompts in the order of all, at least one.

    From start m / T to stop m / T, with m the ``prompts`` and T the ``steps``, both at least 1.
    """
    first = prompts * span[0] // steps
    return range(first, max(first + 1, prompts * span[1] // steps))


def visited(prompts: int, steps: int, span: tuple[int, int], seed: int) -> list[int]:
    """Indices of a segment's prompts, ascending.

    The order of all is keyed by the seed, so that prompts that stand together, such as those of
    one family, do not fall into one segment.
    """
    order = stream(seed, "online-prompts").permutation(prompts)
    return sorted(int(order[place]) for place in places(prompts, steps, span))


def drawn_prompts(prompts: int, steps: int, every: int) -> int:
    """Prompts that all segments draw for, one that comes up twice counted twice."""
    return sum(len(places(prompts, steps, span)) for span in spans(steps, every))
