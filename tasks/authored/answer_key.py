"""Which answers to one request say the same: what they decide, ask for and state.

Read by the judge's own extraction, from the prompt and the answer alone. What is right is unknown
here: the decision is about the topics that the customer's words name, and a value counts whether or
not a right answer needs it.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import NamedTuple

from rsft_bench.harness.rewards import checks
from rsft_bench.harness.rewards.claims import claims
from rsft_bench.tasks.authored import conduct
from rsft_bench.tasks.authored.bank import load_bank

#: Labels of record values that say which request it is; naming them answers nothing.
_SUBJECT = frozenset(("order number", "item", "article", "product"))


class _Request(NamedTuple):
    """What a prompt shows: who or what it is about, stems of its topics, words an answer may state.

    ``states`` are the record's status values, which count only beside a decision.
    """

    about: frozenset[str]
    stems: tuple[str, ...]
    terms: frozenset[str]
    states: frozenset[str]


def answer_key(suite: str, prompt: str, text: str) -> str:
    """Equal for answers with one decision, one request and the same values; "" for an empty text.

    Values are numbers, periods, dates, days, carriers, cities, the offers and remedies that the
    policy names and the record's own words; not the order number and the item, and a status only
    beside a decision. Tone, promises and wording do not count. Pure; never raises on text.
    """
    if not text.strip():
        return ""
    asked, said = _request(suite, prompt), claims(text)
    made = checks.decision(text, asked.stems)
    terms = asked.terms if made == "none" else asked.terms | asked.states
    low = " ".join(text.lower().split())
    parts = (
        made,
        [target for target in _targets(suite) if checks.asks_for(text, target)],
        sorted(((said.numbers | said.spelled_units) - asked.about) | said.dates | said.weekdays),
        sorted(said.words & load_bank(suite).places),
        sorted(term for term in terms if checks.says(low, term)),
    )
    return json.dumps(parts)


@lru_cache(maxsize=8192)
def _request(suite: str, prompt: str) -> _Request:
    head, _, asked = prompt.lower().partition("\ncustomer:")
    rules = head.partition("\nrecord:")[0]
    values = conduct.shown(prompt).values
    about = frozenset(value for label, value in values if label in _SUBJECT)
    # Values with digits are claims already, in one spelling.
    words = [(k, v) for k, v in values if v not in about and not any(c.isdigit() for c in v)]
    states = frozenset(value for label, value in words if label.endswith("status"))
    topics = load_bank(suite).topics.values()
    named = [t.stems for t in topics if re.search(rf"\b(?:{'|'.join(t.stems)})", asked)]
    offered = frozenset(term for term in _offers(suite) if checks.says(rules, term))
    return _Request(
        about=about,
        stems=tuple(dict.fromkeys(stem for stems in named for stem in stems)),
        terms=offered | frozenset(value for _, value in words if value not in states),
        states=states,
    )


@lru_cache(maxsize=8)
def _targets(suite: str) -> tuple[str, ...]:
    """Everything that some policy of the suite lets an agent ask for."""
    families = load_bank(suite).families
    return tuple(sorted({ask for split in families.values() for f in split for ask in f.asks}))


@lru_cache(maxsize=8)
def _offers(suite: str) -> tuple[str, ...]:
    """Everything that some policy of the suite offers instead, or as a remedy; no article."""
    bank = load_bank(suite)
    offers = {offer for split in bank.entities.values() for offer in split.get("offer", ())}
    return tuple(sorted({re.sub(r"^an? ", "", o.lower()) for o in {*offers, *bank.remedies}}))
