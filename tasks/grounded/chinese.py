"""Chinese for the grounded suites: negation, names nobody mentioned, yes and no, bare lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rsft_bench.harness.types import Json
from rsft_bench.tasks.grounded.language import Form, Language, Token
from rsft_bench.tasks.grounded.values_zh import known, pairs, tokens

_NOT = "没有|没|无(?!论|线|比|疑)|不(?!错|过|好意思|客气|用|如|知|仅|但|远|同|少)|未|并非|查不到"
_NEGATOR = re.compile(_NOT)
# 不是故宫 does not state 故宫; what follows further on is another clause more often than not.
_DENIES = re.compile("(?:不是|并非|没有|没)")
_REACH = 1
_AFFIRMS = re.compile("有|是|提供|可以|能|包含|包括|没问题|放心|满足|对")
_CLAUSE = re.compile(r"[,，。；;！!？?\n、]|但|不过|而且|然后")
# A kind of place after a character that is no part of a name: 这家酒店, 周边的餐馆.
_NAME = re.compile(
    "([\u3400-\u9fff])(酒店|宾馆|饭店|餐厅|餐馆|公园|博物馆|地铁站|景区|古镇|大厦|公寓)"
)
_USUAL = frozenset(
    "这那该此本的地得个家间座些边近围是有无没和与跟在去到从订住找选为您你它他她我们吗呢了吧啊型"
    "通么什几多少其另外附周同种类款好高低等级星价贵便宜济适华档最更很都也还就只又再请要想看,及或"
)
_VALUES = re.compile(r"(?:=|: )(.+?)(?=, [^,=]+=|; |\)(?:; |$)|$)", re.MULTILINE)


def denied(text: str, read: Sequence[Token]) -> frozenset[int]:
    """Positions just after a negator: 不是故宫 does not state 故宫."""
    chars = "".join(t.readings[0][0] if len(t.readings[0]) > 1 else t.readings[0] for t in read)
    ends = [m.end() for m in _DENIES.finditer(chars)]
    return frozenset(i + k for i in ends for k in range(_REACH))


def unknown_names(text: str, facts: Mapping[str, Json], taken: frozenset[str]) -> int:
    """Names that end in a kind of place (酒店, 公园, ...) and occurred nowhere before.

    Told by the character before the kind: one that is no usual word, in a pair nobody mentioned.
    """
    seen = frozenset(facts["words"])
    found = 0
    for match in _NAME.finditer(text):
        before, kind = match.groups()
        new = before not in _USUAL and before + kind[0] not in seen
        found += new and not (before in taken and kind[0] in taken)
    return found


def truth(text: str, topics: Sequence[str]) -> bool | None:
    """Whether the text affirms or denies one of some things.

    Read in the clauses that mention one; where none does, in the whole text.
    """
    clauses = [c for c in _CLAUSE.split(text) if c]
    about = [(c, t) for c in clauses for t in topics if t in c]
    if about:
        rest = [c.replace(t, "") for c, t in about]
        return not any(_NEGATOR.search(c) for c in rest)
    if _NEGATOR.search(text):
        return False
    return True if _AFFIRMS.search(text) else None


def _seen(form: Form, words: frozenset[str]) -> bool:
    both = pairs(form)
    return words.issuperset(both) if both else True


def _shown(prompt: str) -> list[str]:
    lines = [x for x in prompt.split("\n") if x.startswith(("Record:", "Acts:"))]
    bodies = [x.partition(": ")[2] for x in lines]
    # "餐馆: 天兴居" is a line of the record, no sentence: its label is no word of the answer's own.
    labels = [f.partition(": ")[0] for x, b in zip(lines, bodies, strict=True)
              if x.startswith("Record:") for f in b.split("; ") if ": " in f]  # fmt: skip
    return _VALUES.findall("\n".join(bodies)) + labels


def _spelt(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\d.]){re.escape(value)}(?![.:]?\d)")


CHINESE = Language(
    code="zh",
    tokens=tokens,
    known=known,
    seen=_seen,
    denied=denied,
    names=unknown_names,
    begins=lambda name: name[:2],
    shown=_shown,
    truth=truth,
    policy="Policy: 说出动作中的每个值，不要编造。",
    policy_words=re.compile("动作中的每个值|不要编造"),
    # A list of names between commas is a sentence in Chinese; only ends of sentences cut.
    # Latin words are values (wifi) or no Chinese, never words of the answer's own.
    pieces=re.compile(r"[;；!！?？\n。]+|[A-Za-z]+|\.(?!\d)"),
    asking=re.compile("[?？]|[吗呢么](?:[。！!]|$)"),
    spelt=_spelt,
    vague={"n": "一些", "t": "合适的时间", "d": "那天", "": "那个"},
    listed=("、", "。"),
)
