"""Text checks against sentences judged by hand; wordings are not those of any suite."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsft_bench.harness.rewards import checks
from rsft_bench.harness.rewards.claims import claims, invented, normal_date, normal_number

CANCEL = ("cancel", "stop", "call", "withdraw")
RETURN = ("return", "accept", "exchang", r"(?:tak|send|sent)\w* (?:it|that) back")


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("on 14 March", "03-14"),
        ("March 14th please", "03-14"),
        ("the 3rd of June", "06-03"),
        ("Sept 9", "09-09"),
        ("2 Dec.", "12-02"),
        ("2024-07-30", "07-30"),
        ("it may 5ever", None),
        ("marching 14", None),
    ],
)
def test_dates_have_one_normal_form(text: str, date: str | None) -> None:
    assert normal_date(text) == date


def test_numbers_dates_and_words_are_read_apart() -> None:
    said = claims("Order 48213: $1,042.50 by 14 March, within twenty-one days, a new one Friday.")
    assert said.numbers == {"48213", "1042.5"}
    assert said.dates == {"03-14"}
    assert said.spelled == {"21", "1"}
    assert said.spelled_units == {"21"}
    assert said.weekdays == {"friday"}


@pytest.mark.parametrize(
    ("raw", "normal"), [("42.50", "42.5"), ("1,240", "1240"), ("00120", "00120"), ("7.00", "7")]
)
def test_normal_number(raw: str, normal: str) -> None:
    assert normal_number(raw) == normal


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("It comes on 14 March with Larkpost.", set()),
        ("It comes on the 14th.", set()),
        ("It comes on 15 March.", {"03-15"}),
        ("Allow fourteen days.", {"14"}),
        ("Allow thirty days.", set()),
        ("You get a new one.", set()),
        ("It comes with Zipdray.", {"zipdray"}),
        ("It comes tomorrow.", {"tomorrow"}),
        ("Order 12345.", {"12345"}),
        ("Order 48213, $35.", set()),
    ],
)
def test_invented_claims(answer: str, expected: set[str]) -> None:
    known = claims("Policy: 30 days. Record: 48213; $35.00; 14 March; carrier: Larkpost")
    # "fourteen" is in no number of the prompt: 14 is only the day of a date
    names = frozenset(("larkpost", "zipdray"))
    assert invented(claims(answer), known, names) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I've gone ahead and cancelled it for you.", "affirm"),
        ("Order 48213 cancelled.", "affirm"),
        ("Consider it cancelled.", "affirm"),
        ("Sure, I'll cancel that right now.", "affirm"),
        ("Not a problem at all; your cancellation has been processed.", "affirm"),
        ("It is not too late to cancel.", "affirm"),
        ("Yes. Your purchase is stopped.", "affirm"),
        ("Happy to cancel that for you.", "affirm"),
        ("It has left the depot, so we can't call it back.", "decline"),
        ("Cancelling won't be possible any more.", "decline"),
        ("It's too late to stop this one.", "decline"),
        ("I'm afraid I must decline.", "decline"),
        ("There is nothing we can do.", "decline"),
        ("Shipped orders cannot be cancelled.", "decline"),
        ("Orders can only be cancelled early, and yours can no longer be stopped.", "decline"),
        ("Orders can be cancelled until packing, but I cannot cancel yours.", "decline"),
        ("No, it already left.", "decline"),
        ("We are past the point where it can be cancelled.", "decline"),
        ("Yes, you can cancel. No, you cannot cancel.", "mixed"),
        ("Would you like to cancel it?", "none"),
        ("I understand you want to cancel.", "none"),
        ("Your parcel is on its way.", "none"),
        ("", "none"),
    ],
)
def test_decision_about_cancelling(text: str, expected: str) -> None:
    assert checks.decision(text, CANCEL) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Feel free to send it back.", "affirm"),
        ("It qualifies for a return.", "affirm"),
        ("Go ahead, you're within our 30 day window.", "affirm"),
        ("You are still inside the return period.", "affirm"),
        ("You have missed the return window.", "decline"),
        ("It does not qualify.", "decline"),
        ("The window has closed, sorry.", "decline"),
        ("That lies outside our 14 day limit.", "decline"),
        ("We are unable to take it back.", "decline"),
        ("Unfortunately not.", "decline"),
    ],
)
def test_decision_about_returning(text: str, expected: str) -> None:
    assert checks.decision(text, RETURN) == expected


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("What's your order number?", "order number", True),
        ("Kindly share the order reference so I can look.", "order number", True),
        ("Your e-mail is required.", "email address", True),
        ("Please attach a picture.", "photo", True),
        ("There is no need for a photo.", "photo", False),
        ("Your photo is here and we will send a repair kit.", "photo", False),
        ("Order number 48213 has shipped.", "order number", False),
        ("Could you share your postcode?", "order number", False),
    ],
)
def test_requests(text: str, target: str, expected: bool) -> None:
    assert checks.asks_for(text, target) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I guarantee it.", True),
        ("We cannot guarantee a day.", False),
        ("We cannot say more. It will definitely come.", True),
        ("You get a voucher too.", True),
        ("You get store credit.", False),
        ("100 % sure.", True),
    ],
)
def test_promises(text: str, expected: bool) -> None:
    assert checks.overpromises(text) is expected


def test_a_gift_named_by_the_policy_may_be_offered_but_certainty_may_not() -> None:
    assert not checks.overpromises("You get a voucher.", "policy: offer a voucher")
    assert checks.overpromises("That is guaranteed.", "policy: no day is guaranteed")


def test_tone_apology_status_and_labels() -> None:
    assert checks.is_rude("That is your own fault.")
    assert not checks.is_rude("That is our own fault, and we are sorry.")
    assert checks.apologises("Our apologies!")
    assert not checks.apologises("Great news!")
    assert checks.claims_status("Your lamp has been shipped.")
    assert not checks.claims_status("Has it been delivered to a neighbour?")
    assert checks.denies_record("I could not find anything.")
    assert checks.repeats_prompt("Record: order number: 1")
    assert checks.repeats_prompt("order number: 48213; status: shipped")
    assert not checks.repeats_prompt("The date is: 4 May.")


def test_terms_match_whole_words() -> None:
    assert checks.says("We offer Store  credit now.", "store credit")
    assert not checks.says("We offer restore credits.", "store credit")
    assert checks.says("xcab cab", "cab")


@given(st.text(max_size=200))
def test_checks_never_raise(text: str) -> None:
    read = claims(text)
    assert invented(read, read) == frozenset()
    assert checks.decision(text, CANCEL) in ("affirm", "decline", "mixed", "none")
    for check in (checks.is_rude, checks.apologises, checks.overpromises, checks.denies_record):
        assert isinstance(check(text), bool)
    assert isinstance(checks.asks_for(text, "photo"), bool)
    assert isinstance(checks.claims_status(text), bool)
