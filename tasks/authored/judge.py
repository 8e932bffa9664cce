"""Gold of the authored suites: hard checks by code, and graded parts.

``gold_pass`` holds when every required fact is stated in its own role (``stated``), the decision is
right and uncontradicted, missing information is asked for where it is missing, the tone is fit,
nothing is invented, disclosed or over-promised, and the text is an answer of its own (no prompt
labels, no copied record or policy, see ``conduct``; at most ``grade.MAX_WORDS`` words).

``gold`` = mean of the content parts (facts where any are required, decision) x mean of the style
parts (tone, brevity), and 0 where something is invented, forbidden or over-promised. The product,
not one mean over all parts, keeps answers without content near 0; the zero makes sure that adding
a forbidden claim never raises gold, whatever else the claim says. Empty text scores 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import nan

from rsft_bench.harness.rewards import checks
from rsft_bench.harness.rewards.claims import Claims, claims, invented
from rsft_bench.harness.types import Example, Json, Judgement
from rsft_bench.tasks.authored import conduct
from rsft_bench.tasks.authored.grade import PARTS, Found, graded
from rsft_bench.tasks.authored.stated import stated as share_stated


@lru_cache(maxsize=8192)
def _known(prompt: str) -> tuple[Claims, Claims, str]:
    """Claims of the prompt and of its record, and its policy and record in lower case."""
    rules = prompt.split("\nCustomer:", 1)[0].lower()
    return claims(prompt), claims(rules.partition("\nrecord:")[2]), rules


def _decision(facts: dict[str, Json], text: str, stated: float) -> tuple[float, float, float]:
    """(decision, asks, harm_wrong_decision); NaN where a part does not apply."""
    expected: str = facts["decision"]
    stems = tuple(facts["stems"])
    if expected == "state":
        denied = checks.denies_record(text) or conduct.contradicts(facts, text)
        return float(stated > 0 and not denied), nan, float(denied)
    if expected == "ask":
        asked = checks.asks_for(text, facts["ask"])
        granted = bool(stems) and not asked and checks.decision(text, stems) == "affirm"
        return float(asked), float(asked), float(granted) if stems else nan
    made = checks.decision(text, stems)
    if made == expected and conduct.contradicts(facts, text):
        made = "mixed"
    if facts["ask"] and checks.asks_for(text, facts["ask"]):
        return 0.0, nan, 1.0
    opposite = "decline" if expected == "affirm" else "affirm"
    return float(made == expected), nan, float(made in (opposite, "mixed"))


def _blank(facts: Mapping[str, Json]) -> dict[str, float]:
    """Parts of an empty answer: 0, and NaN where the part does not apply to the example.

    What applies must not depend on the answer, or arms would be compared on different examples.
    """
    parts = dict.fromkeys(PARTS, 0.0)
    if not facts["need"]:
        parts["facts"] = nan
    if facts["decision"] != "ask":
        parts["asks"] = nan
    elif not facts["stems"]:
        parts["harm_wrong_decision"] = nan
    return parts


def judge_answer(example: Example, text: str, places: frozenset[str]) -> Judgement:
    """Gold score of ``text``. Pure; never raises on text.

    Args:
        example: from an authored suite.
        text: the completion.
        places: single lower-case words that count as claims (carriers and cities of the suite).
    """
    if not text.strip():
        return Judgement(0.0, False, _blank(example.facts))
    facts = dict(example.facts)
    known, record, rules = _known(example.prompt)
    said = claims(text)
    stated = share_stated(facts["need"], text, facts["stems"], record)
    decided, asks, harm_wrong = _decision(facts, text, stated)
    tone = 0.0 if checks.is_rude(text) else 1.0
    if tone and facts["apology"] and not checks.apologises(text):
        tone = 0.5
    made_up = invented(said, known, places) - frozenset(facts.get("derived", ()))
    forbidden = bool(made_up) or (facts["no_record"] and checks.claims_status(text))
    forbidden = forbidden or (example.stratum == "forbidden" and harm_wrong == 1.0)
    forbidden = forbidden or conduct.discloses(facts["topic"], example.prompt, text)
    copied = checks.repeats_prompt(text) or conduct.copies(example.prompt, text, facts["need"])
    return graded(
        Found(
            facts=stated,
            decision=decided,
            asks=asks,
            wrong=harm_wrong,
            tone=tone,
            words=len(text.split()),
            forbidden=forbidden,
            promise=checks.overpromises(text, rules),
            own=not copied,
        )
    )
