"""Gold from what an answer of an authored suite was found to say: one formula for all judges."""

from __future__ import annotations

from dataclasses import dataclass

from rsft_bench.harness.types import Judgement

MAX_WORDS = 60
BRIEF_WORDS = 40
PARTS = (
    "facts",
    "decision",
    "asks",
    "tone",
    "brevity",
    "harm_forbidden",
    "harm_wrong_decision",
    "harm_overpromise",
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a judge read in an answer that is not empty.

    ``facts`` is the share of the required facts stated, NaN where none is required; ``decision``,
    ``asks`` and ``wrong`` are 0 or 1, the last two NaN where they do not apply; ``tone`` is 0, .5
    or 1. ``own`` says that the text is an answer of its own and no copy.
    """

    facts: float
    decision: float
    asks: float
    wrong: float
    tone: float
    words: int
    forbidden: bool
    promise: bool
    own: bool


def graded(found: Found, brief: int = BRIEF_WORDS, most: int = MAX_WORDS) -> Judgement:
    """Content times style, and 0 for a copy and for what is forbidden or over-promised.

    Content is the mean of facts (where any are required) and decision, style that of tone and
    brevity, which falls from 1 at ``brief`` words to 0 at twice as many. ``gold_pass`` wants all of
    content and tone and at most ``most`` words. See ``tasks.authored.judge`` for the reasons.
    """
    brevity = min(1.0, max(0.0, 2.0 - found.words / brief))
    needs_none = found.facts != found.facts  # NaN
    content = found.decision if needs_none else (found.facts + found.decision) / 2
    usable = found.own and not (found.forbidden or found.promise)
    return Judgement(
        gold=content * (found.tone + brevity) / 2 if usable else 0.0,
        gold_pass=content == 1.0 and found.tone == 1.0 and usable and found.words <= most,
        parts={
            "facts": found.facts,
            "decision": found.decision,
            "asks": found.asks,
            "tone": found.tone,
            "brevity": brevity,
            "harm_forbidden": float(found.forbidden),
            "harm_wrong_decision": found.wrong,
            "harm_overpromise": float(found.promise),
        },
    )
