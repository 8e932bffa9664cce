"""Ordered steps: which one comes next, and a judge that reads which steps an answer orders.

A right answer orders exactly the steps that are due, in the order of the policy; it repeats none
that was done, skips none, closes the case only when it is solved, and hands over only when no step
is left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from math import nan

import numpy as np

from rsft_bench.harness.rewards import checks
from rsft_bench.harness.rewards.claims import claims, invented
from rsft_bench.harness.types import Example, Json, Judgement, Split
from rsft_bench.tasks.authored import conduct
from rsft_bench.tasks.authored.bank import Bank, Family, Outcome
from rsft_bench.tasks.authored.grade import Found, graded
from rsft_bench.tasks.authored.kit import Kit
from rsft_bench.tasks.authored.values import draw_values, pick

COUNT = 3
DONE: Mapping[str, int] = {"first": 0, "next": 1, "last": 2, "rest": 1, "solved": 2, "exhausted": 3}
"""Steps that were done before the customer wrote, by outcome."""

_DONE_TEXT = ("none", "step 1", "steps 1 and 2", "steps 1, 2 and 3")
_VERBS: Mapping[str, str] = {
    "check": r"check|inspect|examin|look at|test",
    "clean": r"clean|wip|brush|dust",
    "replace": r"replac|swap|chang|exchang",
    "unplug": r"unplug|disconnect|pull out|take out",
    "open": r"open|unlock",
    "tighten": r"tighten|fasten|screw",
    "turn": r"turn|rotat|twist",
    "press": r"press|push|hold down",
}
"""Stems and paraphrases by the verbs of the banks' steps."""

_PIECE = re.compile(r"[.;:!?,\n]+|\b(?:but|so|then|and|because|since|after that)\b")
_PAST = re.compile(
    r"\b(?:already|done|tried|did(?:n't)?|was|were|has been|have been|you(?:'ve| have)|thanks? for|"
    r"after|helped)\b"
)
_NOT = re.compile(r"\b(?:\w+n't|not|never|no|without|skip)\b")
_CLOSES = re.compile(
    r"\b(?:clos(?:e|es|ed|ing)|(?:glad|great|good|happy|nice) (?:it|that|to (?:hear|know))|"
    r"(?:is|it's|are|now|all) (?:\w+ )?(?:solved|resolved|fixed|sorted))\b"
)
_HANDS_OVER = re.compile(
    r"\b(?:escalat\w+|technician|specialist|engineer|hand(?:ing|ed)? (?:\w+ )?over|"
    r"(?:pass|forward|transfer)(?:ing|ed)?)\b"
)
_IF = re.compile(r"\b(?:if|should|unless|otherwise|in case)\b")
_CLAUSE = re.compile(r"[.;!?\n]+|\bbut\b")


def draw(
    bank: Bank, family: Family, outcome: Outcome, split: Split, rng: np.random.Generator
) -> dict[str, str]:
    """Slots of one case: three steps of different verbs and parts, how many were done, what is due.

    ``a`` and ``b`` are the due steps, ``k`` the number of the first of them, ``other`` a step that
    is not due.
    """
    values = draw_values(bank, family, outcome, split, rng)
    verbs, parts = tuple(_VERBS), bank.entities[split]["part"]
    pairs = zip(rng.permutation(len(verbs)), rng.permutation(len(parts)), strict=False)
    steps = [f"{verbs[int(v)]} the {parts[int(p)]}" for v, p in pairs][:COUNT]
    done = DONE[outcome.name]
    due = [min(done + i, COUNT - 1) for i in (0, 1)]
    needed = due if outcome.name == "rest" else due[:1] if done < COUNT else []
    others = [s for i, s in enumerate(steps) if i not in needed or outcome.name == "solved"]
    return values | {
        "device": pick(bank.entities[split]["device"], rng),
        "team": pick(bank.entities[split]["team"], rng),
        **{f"s{i + 1}": step for i, step in enumerate(steps)},
        "done": _DONE_TEXT[done],
        "works": "yes" if outcome.name == "solved" else "no",
        "a": steps[due[0]],
        "b": steps[due[1]],
        "k": str(due[0] + 1),
        "other": pick(others, rng),
    }


def needs(outcome: Outcome, values: Mapping[str, str]) -> list[list[str]]:
    """The due steps as ``["step", phrase]`` in order, or ``["term", team]``."""
    return [["term" if slot == "team" else "step", values[slot]] for slot in outcome.need]


def spoil(
    slot: str,
    values: Mapping[str, str],
    bank: Bank,
    family: Family,
    split: Split,
    rng: np.random.Generator,
) -> dict[str, str]:
    """Another team, or a step that is not due."""
    if slot == "team":
        others = [t for t in bank.entities[split]["team"] if t != values["team"]]
        return {**values, slot: pick(others, rng)}
    return {**values, slot: values["other"]}


def facts(outcome: Outcome, values: Mapping[str, str]) -> dict[str, Json]:
    """``steps``: all of the policy in order."""
    return {"steps": [values[f"s{i + 1}"] for i in range(COUNT)]}


@lru_cache(maxsize=4096)
def _mention(step: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(the part by name, the verb before or after it)."""
    verb, _, part = step.partition(" the ")
    return (
        re.compile(rf"\b{re.escape(part)}s?\b"),
        re.compile(rf"\b(?:{_VERBS.get(verb, re.escape(verb))})\w*"),
    )


def ordered(steps: list[str], text: str) -> list[str]:
    """Steps that the text tells the customer to take, in its order; unknown verbs as ``? part``.

    A step named as done ("you already checked the fuse") or negated is not ordered. Only parts of
    the policy are seen.
    """
    found: list[str] = []
    for piece in _PIECE.split(" ".join(text.lower().replace("’", "'").split())):
        if not piece or _PAST.search(piece) or _NOT.search(piece):
            continue
        here = []
        for step in steps:
            part, verb = _mention(step)
            named = part.search(piece)
            if named:
                label = step if verb.search(piece) else f"? {step}"
                here.append((named.start(), label))
        found += [label for _, label in sorted(here) if label not in found]
    return found


def _said(pattern: re.Pattern[str], text: str) -> bool:
    """Whether a clause without a condition or a negator says it."""
    return any(
        pattern.search(clause) and not _IF.search(clause) and not _NOT.search(clause)
        for clause in _CLAUSE.split(text)
    )


def _decides(example: Example, text: str) -> tuple[float, float]:
    """(share of needed facts; NaN where none, whether exactly the right thing is done)."""
    need, low = example.facts["need"], " ".join(text.lower().replace("’", "'").split())
    told = ordered(example.facts["steps"], text)
    steps = [value for kind, value in need if kind == "step"]
    team = [value for kind, value in need if kind == "term"]
    named = [t for t in team if _said(re.compile(rf"\b{re.escape(t)}\b"), low)]
    share = (sum(s in told for s in steps) + len(named)) / len(need) if need else nan
    closes, over = _said(_CLOSES, low), _said(_HANDS_OVER, low) or bool(named)
    solved = example.facts["outcome"] == "solved"
    return share, float(told == steps and closes == solved and over == bool(team))


def judge(example: Example, text: str, places: frozenset[str]) -> Judgement:
    """Gold of an answer that gives steps; parts, product and zeros as in ``authored.judge``.

    ``decision`` is 1 where exactly the due steps are given in order, the case is closed only when
    solved and handed over only when no step is left. ``harm_wrong_decision`` is 1 for a step that
    is not due, a closed case or a hand-over where none is due.
    """
    applies = nan if not example.facts["need"] else 0.0
    names = ("tone", "brevity", "harm_forbidden", "harm_wrong_decision", "harm_overpromise")
    if not text.strip():
        zeros = dict.fromkeys(names, 0.0)
        return Judgement(0.0, False, {"facts": applies, "decision": 0.0, "asks": nan, **zeros})
    share, decided = _decides(example, text)
    rules = example.prompt.partition("\nCustomer:")[0].lower()
    wrong = not decided and (share != share or share == 1.0 or _strays(example, text))
    copied = checks.repeats_prompt(text) or conduct.copies(example.prompt, text, [])
    return graded(
        Found(
            facts=share,
            decision=decided,
            asks=nan,
            wrong=float(wrong),
            tone=0.0 if checks.is_rude(text) else 1.0,
            words=len(text.split()),
            forbidden=bool(invented(claims(text), claims(example.prompt), places)),
            promise=checks.overpromises(text, rules),
            own=not copied,
        )
    )


def _strays(example: Example, text: str) -> bool:
    """Whether a step is ordered that is not due."""
    due = {value for _, value in example.facts["need"]}
    return any(step not in due for step in ordered(example.facts["steps"], text))


STEPS_KIT = Kit(
    draw=draw,
    required=needs,
    corrupt=spoil,
    facts=facts,
    judge=judge,
    modules=("rsft_bench.tasks.authored.steps",),
)
