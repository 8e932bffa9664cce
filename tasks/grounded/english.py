"""English for the grounded suites: negators, names nobody mentioned, bare lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rsft_bench.harness.types import Json
from rsft_bench.tasks.grounded.language import Form, Language, Token
from rsft_bench.tasks.grounded.values_en import MONTHS, known, tokens

_NEGATORS = frozenset(
    "not isnt arent wasnt werent never cannot cant wont doesnt dont didnt neither nor".split()
)
_REACH = 2
# A capitalised word after a word in lower case: a name, not the start of a sentence.
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}(?:'[A-Za-z]+)?")
_USUAL = frozenset(
    "the your you it its that this there these can could would please why what next and for into "
    "now yes yep okay check unfortunately sorry also are how here have total location".split()
) | frozenset((*MONTHS, *(m[:3] for m in MONTHS)))
_VALUES = re.compile(r"(?<=[:=] |.[:=])[^;=:()]+")


def denied(text: str, read: Sequence[Token]) -> frozenset[int]:
    """Positions just after a negator: "not Starset" does not state Starset."""
    at = [i for i, token in enumerate(read) if token.readings[0] in _NEGATORS]
    return frozenset(i + k for i in at for k in range(1, _REACH + 1))


def unknown_names(text: str, facts: Mapping[str, Json], taken: frozenset[str]) -> int:
    """Capitalised words that occurred neither in the dialogue nor in a record or the acts."""
    slots = re.findall(r"[a-z]+", facts["acts"])
    seen = frozenset((*facts["words"], *slots)) | taken | _USUAL
    unknown = 0
    for match in _NAME.finditer(text):
        parts = [t.readings[0] for t in tokens(match[0]) if not t.claim]
        unknown += any(p not in seen and p.removesuffix("s") not in seen for p in parts)
    return unknown


def _seen(form: Form, words: frozenset[str]) -> bool:
    return words.issuperset(form)


def _begins(name: str) -> str:
    # "Fit" is a car, "cars that fit" names none: a name counts as it is spelt at its start.
    return name.split()[0]


def _shown(prompt: str) -> list[str]:
    lines = [x for x in prompt.split("\n") if x.startswith(("Record:", "Acts:"))]
    return _VALUES.findall(" ".join(lines).replace("=", "= "))


def _spelt(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w$]){re.escape(value)}(?![\w]|[.,:]\d)", re.IGNORECASE)


ENGLISH = Language(
    code="en",
    tokens=tokens,
    known=known,
    seen=_seen,
    denied=denied,
    names=unknown_names,
    begins=_begins,
    shown=_shown,
    truth=None,
    policy="Policy: State every value in the acts. Do not make one up.",
    policy_words=re.compile(r"\bacts:|\bvalue in the acts\b|\bmake one up\b"),
    pieces=re.compile(r"[;!?\n]+|[.,](?!\d)"),
    asking=re.compile(r"\?"),
    spelt=_spelt,
    vague={"n": "some", "t": "at a good time", "d": "that day", "": "that one"},
    listed=(", ", "."),
)
