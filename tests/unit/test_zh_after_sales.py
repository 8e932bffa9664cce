"""The Chinese after-sales suite: its writers, its judge in Chinese, and its proxy features."""

from __future__ import annotations

from itertools import combinations, islice

import numpy as np
import pytest

from rsft_bench.harness.rewards.features import KnownValues, agreement, rewrite
from rsft_bench.harness.rewards.prompt_view import view
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import SPLITS, Example, Split
from rsft_bench.tasks.authored import build
from rsft_bench.tasks.authored.bank import load_bank
from rsft_bench.tasks.authored.grammar import write
from rsft_bench.tasks.authored.zh import numeral
from rsft_bench.tasks.authored.zh_reading import decision
from rsft_bench.tasks.overlap import family_overlap, grams, jaccard
from rsft_bench.tasks.zh_after_sales import ZH_AFTER_SALES

BANK = load_bank(ZH_AFTER_SALES.name)
SIZES = {"train": 20, "proxy_label": 20, "calibrate": 20, "select": 30, "confirm": 30}


def cases(split: Split, rounds: int = 2) -> list[tuple[Example, dict[str, str]]]:
    """Every family of a split, with both outcomes where it has two."""
    built = build.build_split(BANK, split, rounds * SIZES[split], 0, ZH_AFTER_SALES.kit)
    return list(zip(*built, strict=True))


def example(outcome: str, **shown: str) -> tuple[Example, dict[str, str]]:
    """The first case of a kind in ``confirm``."""
    return next(c for c in cases("confirm") if c[0].facts["outcome"] == outcome)


def passes(e: Example, text: str) -> bool:
    return ZH_AFTER_SALES.judge(e, text).gold_pass


@pytest.mark.parametrize("split", SPLITS)
def test_right_writers_of_every_family_pass_and_wrong_ones_fail(split: Split) -> None:
    families = {f.family_id: f for f in BANK.families[split]}
    for e, values in cases(split):
        outcome = BANK.outcomes[e.facts["outcome"]]
        for i, template in enumerate(outcome.correct):
            text = write(template, values, stream(i, "writer"))
            assert ZH_AFTER_SALES.judge(e, text).gold == 1.0, (e.prompt, text)
            for extra in (*BANK.rude, *BANK.over_promise):
                assert not passes(e, f"{text}{extra}"), (e.prompt, text, extra)
        for template in (*outcome.terse, *outcome.wrong_decision):
            text = write(template, values, stream(0, "writer"))
            assert not passes(e, text), (e.prompt, text)
        for i in range(6):
            rng = stream(i, "slip")
            text = build.log_text(
                BANK, families[e.cluster], outcome, values, "wrong_fact", rng, ZH_AFTER_SALES.kit
            )
            assert not passes(e, text), (e.prompt, text)


def test_copies_and_dumps_fail() -> None:
    for e, values in cases("confirm"):
        policy, record, asked = (x.partition(": ")[2] for x in e.prompt.split("\n")[:3])
        shown = "，".join(f.partition(": ")[2] for f in record.split("; "))
        for text in (
            e.prompt, policy, record, asked, f"亲，{policy}", f"您好，{record}", f"您好，{shown}。",
            f"抱歉。{shown}。{policy}", f"您好，{policy}{values['n']}天", "您好", "好的亲。",
        ):  # fmt: skip
            assert not passes(e, text), (e.prompt, text)


RIGHT = {
    "track": "亲，看了下物流，{carrier}{ship}揽收的，{eta}前后能送到，辛苦您再等等~",
    "refund_time": "您付了{paid}，其中{amount}退给您，{n}{unit}内就能到账，请留意哈",
    "refund_part": "请您放心，{sent}乘每件{each}，合计退给您{back}。",
    "swap_yes": "您签收才{since}，{n}天内都可以{act}的，请您在订单页提交申请。",
    "swap_no": "真的不好意思，签收已经{since}，超出了{n}天，我们没法给您{act}，请见谅。",
    "warranty_yes": "您买了才{since}，还在{n}个月保修期里，可以免费维修，请您寄回。",
    "warranty_no": "很遗憾，您的机器过了{n}个月保修期，维修需要收费，给您添麻烦了。",
    "invoice": "您{got}签收后开始算，{duedate}前一定会收到发票，请您放心。".replace("一定会", "会"),
    "missing": "不好意思没查到，劳烦您报一下{ask}，我再帮您看。",
}
WRONG = {
    "track": (
        "您好，预计{ship}送达，{eta}发货。",
        "您好，{eta}无法送达，抱歉。",
        "您好，{eta}以后才能送达。",
        "亲，顺丰{eta}送到您手上。",
        "亲，{eta}送达，如未到后天再送。",
        "包裹{eta}送达。",
        "您好，{eta}送达，您也可以打 12315 投诉。",
        "Hello, it arrives on {eta}, please wait. 您",
    ),
    "refund_time": (
        "您好，{paid}会在{n}{unit}内退回，不是{amount}。",
        "您好，{amount}已退款，{n}{unit}内的事。",
        "您好，{amount}{n}{unit}。",
    ),
    "refund_part": ("您好，退您{each}，原价{back}。", "您好，不能给您退{back}。"),
    "swap_yes": (
        "您好，{n}天内支持{act}。",
        "您好，过了{n}天不能{act}，没过可以{act}。",
        "亲，可以{act}，期限是{n}天，请您提供订单号。",
        "亲，可以{act}，{n}天内的，不过抱歉您这单不能{act}。",
        "可以{act}，没有超过{n}天。",
        "亲，{n}天以上可以{act}。",
        "您可以{act}吗？{n}天。",
    ),
    "swap_no": (
        "已经超过{n}天，不能为您{act}了。",
        "抱歉，超过{n}天了，但是可以为您{act}。",
        "很抱歉，已经超过{since}，期限是{since}，不能{act}了。",
    ),
    "warranty_yes": ("您好，没超过{n}个月，可以付费维修。",),
    "warranty_no": ("抱歉，过了{n}个月，不过我们可以为您免费维修。",),
    "invoice": ("您好，{got}开发票，{duedate}确认收货。", "亲，{duedate}开不出来，不能给您。"),
    "missing": (
        "请您稍等，不需要{ask}。",
        "您好，已为您补发，请告知{ask}。",
        "亲，包裹在途，请提供{ask}。",
        "{ask}",
    ),
}


@pytest.mark.parametrize("outcome", RIGHT)
def test_paraphrases_pass_and_near_misses_fail(outcome: str) -> None:
    for e, values in (c for c in cases("select") if c[0].facts["outcome"] == outcome):
        assert passes(e, RIGHT[outcome].format(**values)), (e.prompt, RIGHT[outcome])
        for text in WRONG[outcome]:
            assert not passes(e, text.format(**values)), (e.prompt, text)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("可以的亲", "affirm"),
        ("没问题，为您办理退货", "affirm"),
        ("不可以退", "decline"),
        ("这件退不了，不过可以卖二手", "decline"),
        ("没有超过7天，可以退货", "affirm"),
        ("已过7天，办不了", "decline"),
        ("7天内可以退货", "none"),
        ("7天内才可以退，您这单已经20天，没法退", "decline"),
        ("您才签收3天，7天内可以退", "affirm"),
        ("过了7天不能退，没过可以退", "mixed"),
        ("如果没拆封可以退", "none"),
        ("可以退货，也不能退货", "mixed"),
        ("您好", "none"),
    ],
)
def test_decisions(text: str, made: str) -> None:
    assert decision(text, ("退",)) == made


def test_the_same_value_counts_in_every_spelling() -> None:
    e, values = example("swap_no")
    assert passes(
        e, f"很抱歉，已经超过{numeral(int(values['n']))}日内的期限，不能{values['act']}了。"
    )
    e, values = example("refund_part")
    amount = values["back"].strip("¥元")
    for spelled in (
        f"¥{amount}",
        f"{amount}元",
        f"{amount}.00元",
        f"{amount}块",
        f"人民币{amount}元",
    ):
        assert passes(e, f"您好，一共退您{spelled}。"), spelled
    e, values = example("track")
    month, _, day = values["eta"].rstrip("日号").partition("月")
    for spelled in (f"{month}月{day}号", f"{numeral(int(month)).replace('两', '二')}月{day}日"):
        assert passes(e, f"您好，预计{spelled}送达。"), spelled


def test_families_differ_and_entities_are_disjoint() -> None:
    bodies = ZH_AFTER_SALES.question_bodies()
    assert {s: len(bodies[s]) for s in SPLITS} == SIZES
    assert family_overlap(bodies).value <= 0.05
    pairs = combinations([t for s in SPLITS for ts in bodies[s].values() for t in ts], 2)
    assert max(jaccard(grams(a, 2), grams(b, 2)) for a, b in pairs) <= 0.3
    for a, b in combinations(SPLITS, 2):
        for kind, names in BANK.entities[a].items():
            assert not set(names) & set(BANK.entities[b][kind])


def test_grams_of_chinese_are_characters_and_of_english_words() -> None:
    assert grams("<item>怎么还没到", 5) == {("<item>", *"怎么还没"), tuple("怎么还没到")}
    assert grams("where is <item>, please", 5) == {("where", "is", "<item>,", "please")}


def test_prompts_are_chinese_short_and_in_the_common_format() -> None:
    for split in SPLITS:
        for e, _ in cases(split):
            labels = [x.partition(":")[0] for x in e.prompt.split("\n")]
            assert labels == ["Policy", "Record", "Customer", "Agent"]
            assert e.language == ZH_AFTER_SALES.language == "zh"
            assert len(e.prompt) <= 140
            assert "{" not in e.prompt
            assert all(10 <= len(text) <= 50 for text in e.references)


def test_answer_key_is_about_content() -> None:
    e, values = example("refund_part")

    def key(text: str) -> str:
        return ZH_AFTER_SALES.answer_key(e, text.format(**values))

    assert key("您好，共退款{back}。") == key("亲，一共退您{back}哦。")
    assert key("您好，共退款{back}。") != key("您好，共退款{each}。")
    assert key("您好，请提供订单号。") != key("您好。")
    assert key(" ") == ""


def test_proxy_features_see_chinese() -> None:
    e, values = example("swap_no")
    prompt = view(e.prompt)
    none = KnownValues({})
    right = agreement(prompt, rewrite(prompt, none, "抱歉，不能退。"))
    wrong = agreement(prompt, rewrite(prompt, none, "亲，可以退。"))
    assert right["decision verdict"] > 0 > wrong["decision verdict"]
    assert view("Policy: 请问。\nRecord: 查无记录\nCustomer: 在吗\nAgent:").missing == 1.0
    said = rewrite(prompt, none, f"您签收{values['since']}了")
    assert len(said.stated) == 1
    assert np.isfinite(list(islice(right.values(), 200))).all()
