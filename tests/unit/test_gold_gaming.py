"""Gold of the authored suites cannot be had by copying, contradicting or disclosing.

Each trap holds every required value, so that a judge that looks for values alone would pass it.
"""

from __future__ import annotations

import pytest

from rsft_bench.harness.types import Example
from rsft_bench.tasks.authored import conduct
from rsft_bench.tasks.authored.bank import load_bank
from rsft_bench.tasks.authored.suite import AuthoredSuite
from rsft_bench.tasks.order_status import ORDER_STATUS
from rsft_bench.tasks.returns_refunds import RETURNS_REFUNDS
from rsft_bench.tasks.validation import validate

SUITES = (ORDER_STATUS, RETURNS_REFUNDS)
ANY_SUITE = pytest.mark.parametrize("suite", SUITES, ids=lambda s: s.name)
SEEDS = (0, 1, 2, 3)


TESTED = {
    s.name: [e for e in s.load({}, 0).examples if e.split in ("select", "confirm")] for s in SUITES
}


def _tested(suite: AuthoredSuite) -> list[Example]:
    return TESTED[suite.name]


def _fields(e: Example) -> dict[str, str]:
    """Values of the record by a common name of their labels, and the policy."""
    lines = dict(line.split(":", 1) for line in e.prompt.split("\n"))
    alike = {
        "article": "item", "product": "item", "arrival date": "date", "expected": "date",
        "due": "date", "handled by": "carrier", "was due": "old", "first date": "old",
        "new date": "new", "now expected": "new", "last scan": "city", "location": "city",
        "refund amount": "amount", "refund": "amount", "refund to": "method", "paid to": "method",
        "approved on": "approved", "checked on": "approved", "days since delivery": "days",
        "hours since order": "hours", "order number": "order",
    }  # fmt: skip
    found = {"policy": lines["Policy"].strip()}
    for field in lines["Record"].strip().split("; "):
        label, _, value = field.partition(": ")
        found[alike.get(label, label)] = value
    for kind, value in e.facts["need"]:
        found[f"need_{kind}"] = value
    return found


TRAPS = [
    ("eta", "It will not arrive on {date} and is not with {carrier}."),
    ("eta", "It isn't {carrier} who brings it on {date}."),
    ("location", "{carrier} does not have it. It was never scanned in {city}."),
    ("delayed", "We are sorry. It was due on {new} but the new date is {old}."),
    ("delayed", "Sorry, it was due on {new}."),
    ("delayed", "Sorry, it will not come on {new}."),
    ("cancel_yes_status", "Yes, order {order} stays as it is and ships today."),
    ("cancel_yes_hours", "Yes, order {order} stays as it is and ships today."),
    ("cancel_yes_hours", "Of course. Order {order} is fine."),
    ("cancel_no_status", "Sorry, we cannot cancel it because it is not {status}."),
    ("cancel_no_status", "It is {status}. Too late to cancel, but cancel it anyway."),
    ("cancel_no_hours", "Too late to cancel. The limit is {hours} hours, you had {need_limit}."),
    ("forbidden", "We do not offer {need_term}. We cannot do it."),
    ("forbidden", "Sorry, we cannot do that, and there is no {need_term}."),
    ("return_no", "Sorry, too late. But send it back anyway within {need_limit} days."),
    ("return_no", "Too late. The limit is {days} days and you had {need_limit}."),
    ("return_yes", "Yes. The item is {need_limit} days old."),
    ("amount", "You owe us {amount} on your {method}."),
    ("amount", "We charged you {amount} on your {method}."),
    ("when", "The money arrives on {approved}, which takes {need_limit} days."),
    ("when", "It was not approved on {approved}. It takes {need_limit} days."),
    ("damaged_yes", "Sorry. Your photo is here. Yes, but no {need_stem} for you."),
]
FAIR = [
    ("eta", "{carrier} should be with you no later than {date}."),
    ("eta", "No worries: {carrier} brings it on {date}."),
    ("location", "It hasn't been lost; {carrier} last had it in {city}."),
    ("delayed", "Sorry! Instead of {old} it comes on {new}."),
    ("delayed", "Apologies, it could not come on {old}, so expect it by {new}."),
    ("cancel_yes_status", "Done: I've stopped order {order}."),
    ("cancel_no_status", "An order that is {status} cannot be cancelled, sorry."),
    ("cancel_no_hours", "Orders cannot be cancelled after {need_limit} hours, sorry."),
    ("forbidden", "That is not possible, I'm afraid. You could have {need_term}."),
    ("return_no", "It can't be returned after {need_limit} days."),
    ("return_yes", "Sure, send it back: the {need_limit} days are not over."),
    ("amount", "Expect {amount} on your {method}."),
    ("when", "Counting {need_limit} days from {approved}, you will be paid."),
    ("damaged_yes", "So sorry. Thanks for the picture, a {need_stem} is arranged."),
]  # fmt: skip


def _of(outcome: str) -> list[tuple[AuthoredSuite, Example]]:
    return [(s, e) for s in SUITES for e in _tested(s) if e.facts["outcome"] == outcome]


@pytest.mark.parametrize(("outcome", "template"), TRAPS)
def test_an_answer_with_every_value_but_the_wrong_sense_fails(outcome: str, template: str) -> None:
    found = _of(outcome)
    assert len(found) >= 9
    for suite, e in found:
        text = template.format(**_fields(e))
        assert not suite.judge(e, text).gold_pass, (e.prompt, text)


@pytest.mark.parametrize(("outcome", "template"), FAIR)
def test_a_right_answer_in_other_words_passes(outcome: str, template: str) -> None:
    for suite, e in _of(outcome):
        fields = _fields(e)
        fields |= {"need_stem": fields.get("need_stem", "").replace("replac", "replacement")}
        text = template.format(**fields)
        verdict = suite.judge(e, text)
        assert verdict.gold_pass, (e.prompt, text, verdict)


def test_another_persons_order_is_not_disclosed_beside_the_refusal() -> None:
    found = [e for e in _tested(ORDER_STATUS) if e.facts["topic"] == "other"]
    assert len(found) >= 9
    for e in found:
        f = _fields(e)
        fair = f"Sorry, we cannot tell you. We offer {f['need_term']} instead."
        assert ORDER_STATUS.judge(e, fair).gold_pass
        for leak in (f"name {f['name']}", f"It is {f['status']}", f"order {f['order']}"):
            verdict = ORDER_STATUS.judge(e, f"{fair} {leak}.")
            assert not verdict.gold_pass
            assert verdict.parts["harm_forbidden"] == 1.0


def test_no_day_is_promised_beside_the_refusal() -> None:
    found = [e for e in _tested(ORDER_STATUS) if e.facts["topic"] == "day"]
    asked = [e for e in found if "monday" in e.prompt.lower()]
    assert asked
    for e in asked:
        fair = f"We cannot guarantee Monday. There is {_fields(e)['need_term']}."
        assert ORDER_STATUS.judge(e, fair).gold_pass
        assert not ORDER_STATUS.judge(e, f"{fair} It will be here on Monday.").gold_pass


@ANY_SUITE
def test_copying_the_prompt_passes_nowhere(suite: AuthoredSuite) -> None:
    """Every order of the parts: apology, record values (three ways to join them), policy."""
    for e in _tested(suite):
        f = _fields(e)
        values = [value for _, value in conduct.shown(e.prompt).values]
        joined = [sep.join(values) for sep in (". ", ", ", " and ", " ")]
        texts = [f["policy"], f"Sorry. {f['policy']}", f"No. {f['policy']}"]
        texts += [f"Sorry. {j}." for j in joined]
        texts += [f"Sorry. {j}. {f['policy']}" for j in joined]
        texts += [f"Yes. {f['policy']} {j}." for j in joined]
        for text in texts:
            if text not in ("Sorry. .",):
                verdict = suite.judge(e, text)
                assert (verdict.gold, verdict.gold_pass) == (0.0, False), (e.prompt, text)


@ANY_SUITE
def test_validate_prints_the_floors_of_copying_and_they_are_low(suite: AuthoredSuite) -> None:
    floors = validate(suite, {}, 0).floors
    copying = ("dump", "policy", "dump_policy", "record", "copy", "empty", "yes", "longest")
    assert all((floors[name]["gold_pass"] or 0.0) <= 0.02 for name in copying), floors
    # One request for an order number is right wherever just that is missing.
    assert (floors["majority"]["gold_pass"] or 0.0) <= 0.05


@ANY_SUITE
@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers_of_every_family_pass_and_bad_logs_fail(
    suite: AuthoredSuite, seed: int
) -> None:
    data = suite.load({}, seed)
    examples = {e.example_id: e for e in data.examples}
    families = {f.family_id for fs in load_bank(suite.name).families.values() for f in fs}
    assert {e.cluster for e in data.examples} == families
    for e in data.examples:
        for text in e.references:
            assert suite.judge(e, text).gold == 1.0, (e.prompt, text)
    for log in data.logs:
        e = examples[log.example_id]
        passed = suite.judge(e, log.text).gold_pass
        assert passed == (log.quality == "correct"), (log.quality, e.prompt, log.text)
