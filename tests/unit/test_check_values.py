"""Values, facts and conduct against sentences judged by hand, English and Chinese."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsft_bench.harness.rewards.checks import conduct, facts, form, grounded, table
from rsft_bench.harness.rewards.checks.values import values

STATED = [
    ("$12.50", "That is 12.5 dollars."),
    ("$1,240", "We refunded USD 1240.00 today"),
    ("12.50", "It costs $12.50"),
    ("£3", "three pounds"),
    ("25元", "一共二十五元。"),
    ("¥1200", "退款1,200元已经发出"),
    ("200块", "两百块钱"),
    ("14 March", "It arrives on March 14th."),
    ("2024-03-14", "on 14 March, at noon"),
    ("2024-03-14", "将于2024年3月14日送达"),
    ("3月14日", "三月十四号到货"),
    ("March 14", "于2024-03-14发货"),
    ("7:30 pm", "at 19:30"),
    ("19:30", "come at 7:30"),
    ("晚上7点半", "19:30开始"),
    ("15:00", "下午三点"),
    ("noon", "12:00 pm"),
    ("2 hours", "within 120 minutes"),
    ("3 days", "three days"),
    ("30分钟", "半小时"),
    ("5 working days", "5 business days"),
    ("7天", "一周之内"),
    ("twenty-one", "21 parcels"),
    ("205", "two hundred and five"),
    ("两百零五", "205件"),
    ("wool scarf", "It is  wool\nSCARF."),
    ("48213", "Order #48213 is late"),
    (
        "order 48213 on 14 March",
        "Your order 48213 left on 03/14? No: March 14. We are sorry on that.",
    ),
    ("已发货", "您的订单已发货。"),
    ("wifi: yes", "The room has wifi and a desk."),
    ("wifi: false", "There is no wifi, but a desk."),
    ("含早餐: 否", "房费不含早餐。"),
    ("早餐: 是", "房费含早餐。"),
    ("no", "No, we cannot."),
    ("Terminal 5", "Go to terminal 5"),
]
REFUSED = [
    ("$12.50", "That is 12.05 dollars."),
    ("$12.50", "12.50 euros"),
    ("12.50", "on 12 May, 50 left"),
    ("25元", "一共二十六元。"),
    ("25元", "25天"),
    ("14 March", "on March 15th"),
    ("2024-03-14", "14 March 2023"),
    ("3月14日", "四月十四号"),
    ("7:30 pm", "7:30 am"),
    ("下午三点", "上午三点"),
    ("2 hours", "2 days"),
    ("5 days", "5 working days"),
    ("1 month", "30 days"),
    ("48213", "order 482130"),
    ("48213", "order 48,214"),
    ("007", "7"),
    ("1", "order 10"),
    ("wool scarf", "scarf of wool"),
    ("wifi: yes", "There is no wifi."),
    ("wifi: no", "There is wifi."),
    ("wifi: yes", "There is a desk."),
    ("含早餐: 否", "房费含早餐。"),
    ("yes", "No, sorry."),
    ("order 48213 on 14 March", "Your order 48213 left on 15 March"),
    ("", ""),
]


@pytest.mark.parametrize(("fact", "text"), STATED)
def test_facts_are_found_in_any_spelling(fact: str, text: str) -> None:
    assert facts.states(text, fact)


@pytest.mark.parametrize(("fact", "text"), REFUSED[:-1])
def test_other_values_are_not_accepted(fact: str, text: str) -> None:
    assert not facts.states(text, fact)


@given(st.text(max_size=60), st.text(max_size=20))
def test_never_raises_and_shares_stay_in_range(text: str, fact: str) -> None:
    facts.states(text, fact)
    everything = {"facts": [fact or "x"], "polite": None, "grounded": None, "max_words": 9,
                  "forbids": ["a"], "language": "zh", "format": "plain", "hands_over": "no",
                  "asks": [fact or "x"], "steps": ["a", "b"], "secrets": [fact or "x"]}  # fmt: skip
    scores = table.run(everything, "Customer: 5 €?", text)
    assert all(math.isnan(s) or 0 <= s <= 1 for s in scores.values())


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_only_the_same_number_states_a_number(a: int, b: int) -> None:
    text = f"We found {a:,} of them."
    assert facts.states(text, str(a))
    assert facts.states(text, str(b)) == (a == b)


def test_a_part_of_a_value_is_no_value() -> None:
    kinds = [
        (v.kind, v.key) for v in values("$12.50 on 14 March 2024 at 7:30 pm for 2 hours, 3 left")
    ]
    assert kinds == [
        ("money", "USD 12.5"),
        ("date", "2024-03-14"),
        ("time", "1170"),
        ("duration", "120 minutes"),
        ("number", "3"),
    ]


def test_forbidden_claims_and_steps() -> None:
    assert facts.forbids("We cannot guarantee delivery.", ["guarantee"])
    assert not facts.forbids("We guarantee it.", ["guarantee"])
    assert not facts.forbids("我们保证明天到。", ["保证"])
    assert facts.forbids("我们无法保证时间。", ["保证"])
    steps = ["restart", "unplug", "reset"]
    assert facts.ordered("Restart it, unplug the cable, then reset.", steps) == 1.0
    assert facts.ordered("Unplug it, restart, then reset.", steps) == 2 / 3
    assert facts.ordered("Hello.", steps) == 0.0


def test_asking_and_handing_over() -> None:
    assert conduct.asks_for("Could you send me your order number?", "order number")
    assert not conduct.asks_for("Your order number is here.", "order number")
    assert conduct.asks_for("请您提供一下订单号。", "订单号")
    assert not conduct.asks_for("您的订单号已收到。", "订单号")
    assert conduct.hands_over("I am transferring you to a colleague who can help.")
    assert conduct.hands_over("A specialist will call you back today.")
    assert not conduct.hands_over("I cannot transfer you to a manager.")
    assert not conduct.hands_over("Shall I transfer you to an agent?")
    assert conduct.hands_over("我马上为您转接人工客服。")
    assert not conduct.hands_over("抱歉，无法为您转接人工客服。")


def test_secrets_in_any_spelling() -> None:
    assert not conduct.leaks_nothing("The code is 48-213.", ["48213"])
    assert not conduct.leaks_nothing("Born on March 14th, 1980.", ["1980-03-14"])
    assert not conduct.leaks_nothing("Her name is Ann Lee.", ["ann lee"])
    assert conduct.leaks_nothing(
        "I cannot share another customer's data.", ["48213", "Ann Lee", "Al"]
    )
    assert not conduct.leaks_nothing("al said so", ["Al"])


def test_politeness_language_length_and_format() -> None:
    assert conduct.is_polite("Happy to help!")
    assert not conduct.is_polite("No.")
    assert not conduct.is_polite("Sorry, you idiot.")
    assert conduct.is_polite("您好，请稍等。")
    assert not conduct.is_polite("请你闭嘴。")
    assert form.in_language("您的 iPhone 已发货", "zh")
    assert not form.in_language("您的 iPhone 已发货", "en")
    assert not form.in_language("Your parcel 包裹", "zh")
    assert not form.in_language(" ", "en")
    assert form.n_words("don't stop: 12.50") == 3
    assert form.n_words("已发货 OK") == 4
    assert form.has_format('{"a": 1}', "json")
    assert not form.has_format("{a", "json")
    assert form.has_format("- one\n- two", "list")
    assert not form.has_format("**Bold** move", "plain")
    assert not form.has_format("", "one_line")


def test_groundedness_counts_values_and_names() -> None:
    prompt = "Record: order: 48213; carrier: Posten; arrives: 2024-03-14\nCustomer: Where?\nAgent:"
    assert grounded.groundedness("Order 48213 comes with Posten on March 14.", prompt) == 1.0
    # 48213 is there; DHL and the date are not.
    answer = "Order 48213 comes with DHL on March 15."
    assert grounded.ungrounded(answer, prompt) == ("march 15", "DHL")
    assert grounded.groundedness(answer, prompt) == pytest.approx(1 / 3)
    assert math.isnan(grounded.groundedness("Soon.", prompt))
    assert grounded.ungrounded("订单48214，《用户协议》", prompt) == ("48214", "用户协议")


def test_checks_of_a_config() -> None:
    found = table.parse(["polite", {"max_words": 3}, {"hands_over": True}])
    assert found == {"polite": None, "max_words": 3, "hands_over": "yes"}
    scores = table.run(found, "", "Sorry, a specialist will call you.")
    assert scores == {"polite": 1.0, "max_words": 0.0, "hands_over": 1.0}
    assert set(table.run(found, "", " ").values()) == {0.0}
    declined = table.parse([{"decision": "decline: refund"}])
    assert table.run(declined, "", "We cannot refund it.") == {"decision": 1.0}
    for bad in ("polite", [{"nice": 1}], [{"max_words": "3"}], ["facts"], ["polite", "polite"],
                [{"language": "fr"}], [{"decision": "maybe: x"}], [3]):  # fmt: skip
        with pytest.raises(ValueError, match="check"):
            table.parse(bad)


@pytest.mark.parametrize("piece", ["one hundred and ", "一二三", "1,234", "pass it on to ", "Aa "])
def test_long_texts_take_linear_time(piece: str) -> None:
    """Twenty thousand characters of the worst sort; quadratic patterns took up to a minute."""
    text = piece * (20_000 // len(piece))
    begin = time.process_time()
    table.run({"facts": ["48213"], "grounded": None, "hands_over": "no"}, "Q", text)
    assert time.process_time() - begin < 2


def test_a_value_after_a_full_width_comma_is_read() -> None:
    found = values("您好，7天内退，12.5元")
    assert [v.key for v in found] == ["10080 minutes", "CNY 12.5"]
