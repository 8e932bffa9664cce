"""Gold of a suite with its own content checks: what all answers are judged by, put together.

``gold`` and ``gold_pass`` are made as in ``authored.judge``: content times style, and 0 where
something is invented, leaked, over-promised or copied.
"""

from __future__ import annotations

from math import nan
from typing import NamedTuple

from rsft_bench.harness.rewards import checks
from rsft_bench.harness.types import Example, Judgement
from rsft_bench.tasks.authored import conduct
from rsft_bench.tasks.authored.grade import Found, graded


class Content(NamedTuple):
    """What an answer says: facts stated (share, NaN where none is needed), the right thing done.

    ``wrong`` is 1 for harm by the decision; ``forbidden`` for what is invented or leaked; ``kind``
    for fit manners where the situation asks for more than no rudeness.
    """

    share: float
    decided: float
    wrong: float
    forbidden: bool
    kind: bool = True


def blank(example: Example) -> Judgement:
    """An empty answer: 0, and NaN where a part does not apply to the example."""
    names = ("decision", "tone", "brevity", "harm_forbidden", "harm_wrong_decision")
    zeros = dict.fromkeys((*names, "harm_overpromise"), 0.0)
    asks = 0.0 if example.facts["decision"] == "ask" else nan
    facts = 0.0 if example.facts["need"] else nan
    return Judgement(0.0, False, {"facts": facts, "asks": asks, **zeros})


def echoes(prompt: str, text: str) -> bool:
    """Whether the text stands in what the customer said, case and marks aside."""
    said = f" {' '.join(conduct.words(text))} "
    lines = (line.partition(":")[2] for line in prompt.split("\n") if line.startswith("Customer:"))
    return any(said in f" {' '.join(conduct.words(line))} " for line in lines)


def judged(example: Example, text: str, content: Content) -> Judgement:
    """Gold of a text that is not empty, from what it says. Pure.

    Args:
        example: from an authored suite; its ``facts`` hold decision and need.
        text: the completion.
        content: what the suite's own checks found in it.
    """
    rules = example.prompt.partition("\nCustomer:")[0].lower()
    copied = checks.repeats_prompt(text) or echoes(example.prompt, text)
    copied = copied or conduct.copies(example.prompt, text, example.facts["need"])
    return graded(
        Found(
            facts=content.share,
            decision=content.decided,
            asks=content.decided if example.facts["decision"] == "ask" else nan,
            wrong=content.wrong,
            tone=0.0 if checks.is_rude(text) else 1.0 if content.kind else 0.5,
            words=len(text.split()),
            forbidden=content.forbidden,
            promise=checks.overpromises(text, rules),
            own=not copied,
        )
    )
