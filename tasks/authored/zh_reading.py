"""What a Chinese answer decides, asks for, promises, and in which role it states a value. Pure.

Words and patterns of e-commerce after-sales service; values are read by ``checks.values``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from rsft_bench.harness.rewards import checks
from rsft_bench.harness.rewards.checks.values import Value, fold, values

Decision = Literal["affirm", "decline", "mixed", "none"]

CLAUSE = re.compile(r"[，。！？；：、（）\n,!?;:()~～…]+|\.(?!\d)")
_SENTENCE = re.compile(r"[。！？\n!?]+")
_IF = re.compile(r"(?:吗|么)$|如果|若是|若您|要是|的话|倘若|一旦|除非|假如")
_NEUTRAL = re.compile(
    r"不好意思|不便|不用担心|不必担心|不会影响|没关系|不客气|不妨|(?:不|无需|无须|不用|不需要?)(?:收费|付费|自费)"
)
_PAID = re.compile(r"付费|自费|收费|有偿|自理|自付|自行承担")
_WITHIN = re.compile(r"(?:没有?|未|尚未|不)(?:超过|超出|超|过|到|满)")
_OVERDUE = re.compile(r"超过|超出|已过|过了|过期|逾期|过保|超时|超期")
_RULE = re.compile(r"(?:天|日|月|年|周)(?:之内|以内|内)")
_ANCHOR = re.compile(
    r"(?<!请)您(?!好)|这单|这件|本单|该单|还在|还没|尚|才(?!可|能|行|给|支持|会)|刚|现在|已经|已超|已过|符合"
)
_NO = (
    r"不能|不可|无法|没法|没有?办法|不支持|不符合|不予|不接受|不给|不行|不再|恕不|办不了|拒绝|未能"
)
_YES = re.compile(r"可以|可(?=为|给|帮|办)|能|支持|同意|没有?问题|为您|给您|帮您|行的|好的|免费")
_PLAIN_YES = re.compile(r"可以|能的|没有?问题|支持|同意|行的|好的")
_EARLY = re.compile(r"才(?!可|能|行|给|支持|会)|刚|只有|仅|(?:没有?|未|尚未)(?:超|过|到|满)")
_DOES = re.compile(r"办理|受理|处理|安排|申请|操作")
_FILLER = re.compile(r"[亲您好的哦呢哈啊了呀这]|没有?问题")

SLOTS = {
    "订单号": "订单号|订单编号|单号(?!.{0,2}快递)|订单号码",
    "手机号": "手机|电话|联系方式",
    "商品照片": "照片|图片|拍照|拍张|相片",
    "快递单号": "快递单号|运单|物流单号|快递号",
    "收件人姓名": "姓名|名字|收件人|收货人",
    "税号": "税号|识别号",
}
"""What an agent may ask for, and the words that name it."""

_WANTS = re.compile(
    r"提供|告知|告诉|发(?!货|出|票|件|往|送|快递)|说(?:一下|下)|报(?:一下|下|给)|补充|上传|拍|给我|"
    r"是多少|是什么|请问|需要|核实(?:一?下)?您的|留(?:一下|下)"
)
_REQUEST = re.compile(r"请|麻烦|能否|可否|方便|吗|需要|劳烦|辛苦|把|先|呢|可以")
_NO_NEED = re.compile(r"不需要|无需|无须|不用|不必|已收到|已经收到")

_RUDE = re.compile(
    r"催什么|别催|自己不会|自己去?看|说了多少遍|爱等不等|都看不懂|看不懂吗|急什么|烦不烦|等着吧|"
    r"怪你|怪谁|活该|闭嘴|有完没完|你自己的问题|听不懂"
)
_COURTEOUS = re.compile(r"您|亲|请|抱歉|感谢|谢谢|不好意思|麻烦|对不起|久等|辛苦|遗憾")
_SORRY = re.compile(r"抱歉|不好意思|对不起|遗憾|见谅|谅解|致歉")
_PROMISE = re.compile(
    r"(?<!不能)(?<!无法)(?<!不)(?:保证|承诺|担保)|一定(?:会|能|给|帮|让|到|送|退|全额)|绝对|"
    r"百分之?百|100%|肯定(?:会|能|没|到|退)|终身|终生|双倍|赔您|免单|优惠券|红包|额外(?:赠送|补偿)|"
    r"送您(?:一|份|个)"
)
_DENIES = re.compile(
    r"查不[到了]|没有?查|未查|无法(?:查|告知|确认|给|退|开|答)|没有?办法|没法|不能(?:查|退|开|告)|不清楚|"
    r"不知道|不确定|没有?(?:退款|物流|记录|发票)|不予|不支持|不给|不退|不开"
)
_DONE = re.compile(
    r"已(?:经)?(?:为您|给您|帮您)?(?P<act>签收|送达|丢失|到账|退款|退回|取消|开具|开好|开出|寄出|"
    r"发送|补发|重发|换新|换货|退货|修好|维修好|拦截|送到)"
)
_STATUS = re.compile(
    r"正在(?:运输|配送|派送|处理|退款|发货|补发)|(?:运输|派送|配送|处理|退款)中|在途|在路上|"
    r"已(?:经)?(?:为您|给您|帮您)?(?:处理|受理|登记|审核|发货|发出|揽收)"
)
_SOON = re.compile(
    r"明天|后天|今晚|下周|下个?月|月底|(?<![一二两三四五六几每\d])周[一二三四五六日末]|星期[一二三四五六日天]"
)
_VOID = re.compile(
    r"不(?!好意思|便|用担心|必担心|过|超过|晚于|迟于|仅|但|止|少|客气)|没(?!问题|关系)|无法|未(?!来)"
)


class Role(NamedTuple):
    """Words beside a value that call it the answer, and words that call it something else."""

    right: str
    other: str


def clauses(text: str) -> list[str]:
    """Non-empty clauses in the folded text, in order."""
    return [c for c in (part.strip() for part in CLAUSE.split(fold(text))) if c]


def decision(text: str, stems: Sequence[str]) -> Decision:
    """What the answer decides on a topic; a general rule ("7天内可退") is no decision.

    ``mixed`` where clauses about this case say both, or a rule is told for both cases without a
    word on which one holds.
    """
    stem = "|".join(stems) or "(?!)"
    no = re.compile(rf"{_NO}|(?:{stem})不了|不(?:{stem})")
    yes = declined = ruled_out = anchored = early = False
    for raw in clauses(text):
        if _IF.search(raw):
            continue
        clause = _NEUTRAL.sub("", raw)
        held = _ANCHOR.search(clause) is not None
        rest = _WITHIN.sub("", clause)
        overdue = _OVERDUE.search(rest) is not None
        negated = no.search(rest) is not None
        topical = re.search(stem, clause) is not None or _DOES.search(clause) is not None
        short = len(_FILLER.sub("", clause)) <= 4
        early = early or _EARLY.search(clause) is not None
        if overdue or (negated and (topical or short)) or _PAID.search(clause):
            if overdue and negated and not held:
                ruled_out = True
            else:
                declined = True
        elif (
            not negated and (_YES if topical else _PLAIN_YES).search(clause) and (topical or short)
        ):
            # "您才签收3天，7天内可以退": the rule is told for this case.
            if held or early or not _RULE.search(clause):
                yes = True
        anchored = anchored or (held and not overdue)
    if yes and (declined or (ruled_out and not anchored)):
        return "mixed"
    if yes:
        return "affirm"
    return "decline" if declined or ruled_out else "none"


def asks_for(text: str, slot: str) -> bool:
    """Whether a sentence asks the customer for ``slot``, one of ``SLOTS`` or any phrase."""
    named = re.compile(SLOTS.get(slot, re.escape(slot)))
    return any(
        named.search(s) and _WANTS.search(s) and _REQUEST.search(s) and not _NO_NEED.search(s)
        for s in _SENTENCE.split(fold(text))
    )


def is_rude(text: str) -> bool:
    """Whether the text scolds, blames or dismisses."""
    return checks.is_rude(text) or _RUDE.search(fold(text)) is not None


def is_courteous(text: str) -> bool:
    """Whether the text holds a courtesy: 您, 亲, 请, thanks or an apology."""
    return _COURTEOUS.search(fold(text)) is not None


def apologises(text: str) -> bool:
    """Whether the text says sorry."""
    return _SORRY.search(fold(text)) is not None


def overpromises(text: str) -> bool:
    """Whether the text guarantees or gives away what no policy holds."""
    return _PROMISE.search(fold(text)) is not None


def denies(text: str) -> bool:
    """Whether the text says that it cannot tell or do what was asked."""
    return any(_DENIES.search(_NEUTRAL.sub("", c)) for c in clauses(text) if not _IF.search(c))


def done(text: str) -> frozenset[str]:
    """Acts that the text says have happened: 签收, 到账, 退款 and the like."""
    return frozenset(
        m["act"] for c in clauses(text) if not _IF.search(c) for m in _DONE.finditer(c)
    )


def claims_status(text: str) -> bool:
    """Whether the text says how a case stands, which nobody knows where no record was found."""
    return bool(done(text)) or _STATUS.search(fold(text)) is not None


def vague_days(text: str) -> frozenset[str]:
    """Days named without a date: 明天, 下周."""
    return frozenset(_SOON.findall(fold(text)))


def stated_values(text: str) -> tuple[Value, ...]:
    """Values of a text without the 一点 of 快一点, which is no time of day."""
    low = fold(text)
    return tuple(v for v in values(text) if low[v.start : v.end] != "一点")


def in_clauses(text: str) -> list[tuple[str, tuple[Value, ...]]]:
    """Clauses with the values that each states."""
    return [(c, stated_values(c)) for c in clauses(text)]


def voided(clause: str) -> bool:
    """Whether the clause negates what it states."""
    return _VOID.search(clause) is not None


def role_of(clause: str, value: Value, found: Sequence[Value], role: Role) -> str:
    """``right``, ``other`` or "" by the nearest cue on either side; a tie goes to the later one.

    Only words between this value and the next one of its kind on each side count.
    """
    alike = [v for v in found if v.kind == value.kind and v is not value]
    left = max((v.end for v in alike if v.end <= value.start), default=0)
    right = min((v.start for v in alike if v.start >= value.end), default=len(clause))
    cue = re.compile(rf"(?P<other>{role.other})|(?P<right>{role.right})")
    before = [(value.start - m.end(), m.lastgroup) for m in cue.finditer(clause, left, value.start)]
    after = [(m.start() - value.end, m.lastgroup) for m in cue.finditer(clause, value.end, right)]
    near = min([*after[:1], *before[-1:]], key=lambda pair: pair[0], default=(0, ""))
    return near[1] or ""
