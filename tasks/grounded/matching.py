"""Where a text states wanted values: forms placed on tokens, whatever the language."""

from __future__ import annotations

from collections.abc import Sequence

from rsft_bench.tasks.grounded.language import Form, Token


def locate(
    text: Sequence[Token],
    wanted: Sequence[Sequence[Form]],
    rivals: Sequence[Sequence[Form]] = (),
    barred: frozenset[int] = frozenset(),
) -> tuple[list[bool], frozenset[int]]:
    """Which wanted values a text states, each mention counting for one value only.

    Longer values are placed first, so that the 1 of "1 Hotel Central Park" does not also state a
    number of rooms. ``rivals`` (one list a wanted value, or none at all) are other values that
    contain the wanted one: "Premium Economy" does not state "Economy". ``barred`` positions state
    nothing. Returns a flag per wanted value and the token positions that were used.
    """
    used: set[int] = set()
    stated = [False] * len(wanted)
    order = sorted(range(len(wanted)), key=lambda i: -max((len(f) for f in wanted[i]), default=0))
    for i in order:
        taken = used | barred
        for rival in rivals[i] if rivals else ():
            while (span := _find(text, rival, taken)) is not None:
                taken.update(span)
        found = (_find(text, f, taken) for f in wanted[i])
        span = next((s for s in found if s is not None), None)
        if span is not None:
            stated[i] = True
            used.update(span)
    return stated, frozenset(used)


def claims(text: Sequence[Token]) -> list[tuple[int, Token]]:
    """Positions and tokens of the numbers, times and dates that a text claims."""
    return [(i, t) for i, t in enumerate(text) if t.claim]


def spans(text: Sequence[Token], wanted: Form) -> list[range]:
    """Every run of tokens that reads as ``wanted``."""
    return [
        range(i, i + len(wanted))
        for i in range(len(text) - len(wanted) + 1)
        if all(f in text[i + k].readings for k, f in enumerate(wanted))
    ]


def _find(text: Sequence[Token], wanted: Form, used: set[int]) -> range | None:
    for start in range(len(text) - len(wanted) + 1):
        span = range(start, start + len(wanted))
        if all(i not in used and w in text[i].readings for i, w in zip(span, wanted, strict=True)):
            return span
    return None
