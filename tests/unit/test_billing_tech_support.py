"""Suites billing and tech_support: results in their role, steps in their order, and no more."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from rsft_bench.harness.types import SPLITS, Example
from rsft_bench.tasks.authored import conduct
from rsft_bench.tasks.authored.bank import load_bank
from rsft_bench.tasks.authored.billing import RESULTS, due_in_role, in_role
from rsft_bench.tasks.authored.steps import ordered
from rsft_bench.tasks.authored.suite import AuthoredSuite
from rsft_bench.tasks.billing import BILLING
from rsft_bench.tasks.tech_support import TECH_SUPPORT
from rsft_bench.tasks.validation import validate

SUITES = (BILLING, TECH_SUPPORT)
ANY_SUITE = pytest.mark.parametrize("suite", SUITES, ids=lambda s: s.name)
DATA = {s.name: s.load({}, 0) for s in SUITES}


def _of(suite: AuthoredSuite, outcome: str) -> list[Example]:
    found = [e for e in DATA[suite.name].examples if e.facts["outcome"] == outcome]
    tested = [e for e in found if e.split in ("select", "confirm")]
    assert len(tested) >= 9
    return tested


@ANY_SUITE
def test_families_clusters_and_entities(suite: AuthoredSuite) -> None:
    data, bank = DATA[suite.name], load_bank(suite.name)
    families = [f for s in SPLITS for f in bank.families[s]]
    assert len(families) >= 120
    assert len({f.body for f in families}) == len({f.policy for f in families}) == len(families)
    counts = {s: Counter(e.cluster for e in data.examples if e.split == s) for s in SPLITS}
    assert [len(counts[s]) for s in SPLITS] == [24, 24, 24, 30, 30]
    for a, b in combinations(SPLITS, 2):
        for kind in bank.entities[a]:
            assert not set(bank.entities[a][kind]) & set(bank.entities[b][kind]), (kind, a, b)
    assert max(len(e.prompt) for e in data.examples) <= 260
    assert not any("{" in e.prompt or "[" in e.prompt for e in data.examples)


@ANY_SUITE
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_right_writers_pass_and_every_other_quality_fails(suite: AuthoredSuite, seed: int) -> None:
    even = {"correct": 0.2, **dict.fromkeys(("terse", "wrong_fact", "wrong_decision", "rude"), 0.2)}
    data = suite.load({"mixture": {**even, "rude": 0.1, "over_promising": 0.1}}, seed)
    examples = {e.example_id: e for e in data.examples}
    for e in data.examples:
        for text in e.references:
            assert suite.judge(e, text).gold == 1.0, (e.prompt, text)
    for log in data.logs:
        passed = suite.judge(examples[log.example_id], log.text).gold_pass
        e = examples[log.example_id]
        assert passed == (log.quality == "correct"), (log.quality, e.prompt, log.text)


@ANY_SUITE
def test_copying_passes_nowhere(suite: AuthoredSuite) -> None:
    for e in DATA[suite.name].examples:
        lines = dict(line.split(":", 1) for line in e.prompt.split("\n"))
        values = [value for _, value in conduct.shown(e.prompt).values]
        texts = ["", e.prompt, *lines.values(), f"Sorry. {lines['Policy']}", ". ".join(values)]
        for text in [*texts, f"Yes. {lines['Policy']} {', '.join(values)}"]:
            assert not suite.judge(e, text).gold_pass, (e.prompt, text)


@ANY_SUITE
def test_validate_accepts_it_with_low_floors(suite: AuthoredSuite) -> None:
    report = validate(suite, {}, 0)
    assert report.verdict == "ok", report.reasons
    assert report.ceiling["gold_pass"] == 1.0
    copying = ("dump", "policy", "dump_policy", "record", "copy", "empty", "yes")
    assert all(report.floors[name]["gold_pass"] == 0 for name in copying)


@ANY_SUITE
def test_which_parts_apply_does_not_depend_on_the_answer(suite: AuthoredSuite) -> None:
    for e in DATA[suite.name].examples[:120]:
        shapes = {
            tuple((k, v != v) for k, v in suite.judge(e, text).parts.items())
            for text in ("", "Yes.", e.references[0])
        }
        assert len(shapes) == 1, e.example_id


def test_results_by_hand() -> None:
    """The sums that the authors' code computes are those of the record shown."""
    checked = Counter[str]()
    for e in DATA["billing"].examples:
        outcome = e.facts["outcome"]
        if outcome not in ("total", "difference", "prorate"):
            continue
        values = [v.lstrip("$") for _, v in conduct.shown(e.prompt).values]
        want = float(e.facts["need"][0][1])
        numbers = [float(v.rstrip("%")) for v in values if v.rstrip("%").isdigit()]
        if outcome == "difference":
            assert want == max(numbers) - min(numbers)
        elif outcome == "prorate":
            rate = float(e.prompt.split("$")[1].split()[0].rstrip(".,"))
            assert want == rate * numbers[0]
        else:
            price, cut = max(numbers), min(numbers)
            assert want == price - (price * cut / 100 if "%" in e.prompt else cut)
        checked[outcome] += 1
    assert min(checked[o] for o in ("total", "difference", "prorate")) > 50
    assert set(RESULTS) >= set(checked)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("You owe $32.", True),
        ("That makes 32 dollars, down from $40.", True),
        ("$40 less $8 gives $32.", True),
        ("The difference between $57 and $25 is $32.", True),
        ("June was $32 higher.", True),
        ("You pay $40, the discount is $32.", False),
        ("The difference is $57, less than $32.", False),
        ("$32 is the price and $40 is the total.", False),
        ("There is a discount of 32%.", False),
        ("There are 32 days left.", False),
    ],
)
def test_a_sum_counts_in_its_role_only(text: str, fits: bool) -> None:
    assert in_role("32", text) == fits


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("Issued on 3 May, it has to be paid by 13 May.", True),
        ("13 May is the deadline; we sent it on 3 May.", True),
        ("Your money should be here no later than the 13th of May.", True),
        ("It is due on 3 May and was issued on 13 May.", False),
        ("It was sent on 13 May.", False),
        ("Pay by 3 May or by 13 May.", False),
    ],
)
def test_a_due_date_counts_in_its_role_only(text: str, fits: bool) -> None:
    assert due_in_role("05-13", text) == fits


PARAPHRASES = [
    ("total", "So you'd pay {v} in all.", "So you'd pay {v} in all, plus $3 for us."),
    ("difference", "That is {v} extra this time.", "The old one was {v}."),
    ("prorate", "Expect {v} back from us.", "You owe us {v}."),
]  # fmt: skip


@pytest.mark.parametrize(("outcome", "fair", "unfair"), PARAPHRASES)
def test_billing_in_other_words(outcome: str, fair: str, unfair: str) -> None:
    for e in _of(BILLING, outcome):
        value = f"${e.facts['need'][0][1]}"
        assert BILLING.judge(e, fair.format(v=value)).gold_pass, e.prompt
        assert not BILLING.judge(e, unfair.format(v=value)).gold_pass, e.prompt


STEPS = ["check the fuse", "clean the lid", "turn the dial"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Give the lid a good wipe, then rotate the dial.", [1, 2]),
        ("You already checked the fuse, so clean the lid next.", [1]),
        ("No need to check the fuse again. Cleaning the lid is next.", [1]),
        ("Turn the dial before that, and clean the lid.", [2, 1]),
        ("Thanks for checking the fuse. Is the oven on?", []),
    ],
)
def test_which_steps_an_answer_orders(text: str, told: list[int]) -> None:
    assert ordered(STEPS, text) == [STEPS[i] for i in told]
    # Another verb is another step.
    assert ordered(STEPS, "Replace the lid.") == ["? clean the lid"]


def _judged(e: Example, template: str) -> bool:
    a, b, c = e.facts["steps"]
    team = next((v for kind, v in e.facts["need"] if kind == "term"), "repair desk")
    text = template.format(a=a, b=b, c=c, team=team)
    return TECH_SUPPORT.judge(e, text).gold_pass


TURNS = [
    ("first", "Could you {a} and tell me what you see?", True),
    ("first", "Could you {a}? If that fails we escalate.", True),
    ("first", "Could you {b} and tell me what you see?", False),
    ("first", "Could you {a}, then {b}?", False),
    ("next", "Since you did step 1 already, now {b}.", True),
    ("next", "Please {a} once more.", False),
    ("next", "Do not {b}.", False),
    ("last", "Only one is left: {c}.", True),
    ("last", "Please {a} again, then {c}.", False),
    ("rest", "Next up: {b}. After that: {c}.", True),
    ("rest", "Next up: {c}. After that: {b}.", False),
    ("rest", "Next up: {b}.", False),
    ("solved", "Lovely. I am closing this case, then.", True),
    ("solved", "I am closing this case. Also {c}.", False),
    ("solved", "I am closing this case. Or shall a technician come?", False),
    ("exhausted", "Our {team} takes care of it from here.", True),
    ("exhausted", "Our {team} takes care of it, but first {a}.", False),
    ("exhausted", "I am closing this case.", False),
]


@pytest.mark.parametrize(("outcome", "template", "passes"), TURNS)
def test_tech_support_in_other_words(outcome: str, template: str, passes: bool) -> None:
    for e in _of(TECH_SUPPORT, outcome):
        assert _judged(e, template) == passes, (e.prompt, template)
