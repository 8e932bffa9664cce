"""Which answers say the same: by a suite's own words, and never by its gold."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import toy_suite

from rsft_bench.harness.serving import Drawn, answer_key
from rsft_bench.harness.types import Example, Judgement, Log
from rsft_bench.tasks import SUITES
from rsft_bench.tasks.grounded.english import ENGLISH
from rsft_bench.tasks.grounded.judge import answer_key as grounded_key

DELAYED = (
    "Policy: Apologise for a delay and give the new date.\n"
    "Record: now expected: 6 February; order number: 43398; first date: 27 January; "
    "article: soft hair dryer; status: delayed\n"
    "Customer: my soft hair dryer should have been here by now.\nAgent:"
)
CANCEL = (
    "Policy: Orders that are new or packing can be cancelled. Sent ones cannot.\n"
    "Record: status: shipped; article: slim garden hose; order number: 34084; paid: $27.80\n"
    "Customer: i changed my mind about the hose so can you cancel it\nAgent:"
)
ADDRESS = (
    "Policy: The address cannot change once an order is on its way. Offer a pickup point.\n"
    "Record: carrier: Lumpost; article: red bike bell; status: shipped; order number: 84944\n"
    "Customer: please change the address of the red bike bell.\nAgent:"
)
ORDERS = SUITES.get("order_status")


def key(prompt: str, text: str) -> str:
    return answer_key(ORDERS, "confirm/0", prompt, text)


@pytest.mark.parametrize(
    ("prompt", "one", "other"),
    [
        (DELAYED, "Sorry for the delay. It now comes on 6 February.", "So sorry. New: February 6."),
        # The order number and the item say which request it is; tone is no content.
        (DELAYED, "Order 43398 comes on 6 February.", "Calm down. Your dryer is due 6 February."),
        (CANCEL, "Sorry, it can no longer be cancelled.", "We cannot stop it. It is too late."),
        (ADDRESS, "We cannot change it. Try a pickup point.", "No. A pickup point can help."),
    ],
)
def test_answers_that_say_the_same_share_a_key(prompt: str, one: str, other: str) -> None:
    assert key(prompt, one) == key(prompt, other)


@pytest.mark.parametrize(
    ("prompt", "one", "other"),
    [
        (DELAYED, "It comes on 6 February.", "It comes on 7 February."),
        (DELAYED, "It comes on 6 February.", "It was due on 27 January, now 6 February."),
        (DELAYED, "It comes on 6 February.", "It comes on 6 February with Lumpost."),
        (CANCEL, "Yes, we have cancelled it.", "Sorry, it cannot be cancelled."),
        (CANCEL, "It cannot be cancelled.", "It is shipped and cannot be cancelled."),
        (ADDRESS, "We cannot change the address.", "We cannot, but try a pickup point."),
        (ADDRESS, "Please send your order number.", "We will look into it."),
        (ADDRESS, "", "ok"),
    ],
)
def test_answers_that_say_different_things_do_not(prompt: str, one: str, other: str) -> None:
    assert key(prompt, one) != key(prompt, other)


@pytest.mark.parametrize("name", ["order_status", "returns_refunds"])
def test_keys_are_blind_to_gold_and_follow_what_it_counts(name: str) -> None:
    """Of two right answers to one prompt most share a key; of a right and a wrong one few do."""
    suite = SUITES.get(name)
    data = suite.load({"n_train": 64}, 0)
    examples = {e.example_id: e for e in data.examples}
    by_prompt = itertools.groupby(data.logs, lambda log: log.example_id)
    right, mixed = [], []
    for example_id, logs in by_prompt:
        example = examples[example_id]
        blind = replace(example, facts={}, references=(), cluster="", stratum="")
        rated = [_rated(suite, example, log) for log in logs]
        for log, _, found in rated:
            own = suite.answer_key  # type: ignore[attr-defined]
            assert found == own(blind, log.text) == own(example, log.text)
        for (a, x, one), (b, y, other) in itertools.combinations(rated, 2):
            if a.text != b.text and (x.gold_pass or y.gold_pass):
                same = one == other
                (right if x.gold_pass and y.gold_pass else mixed).append(same)
    assert np.mean(right) > 0.55
    assert np.mean(mixed) < 0.35


def _rated(suite: object, example: Example, log: Log) -> tuple[Log, Judgement, str]:
    judged = suite.judge(example, log.text)  # type: ignore[attr-defined]
    found = answer_key(suite, example.example_id, example.prompt, log.text)  # type: ignore[arg-type]
    return log, judged, found


def test_sgd_compares_values_as_the_prompt_shows_them() -> None:
    prompt = (
        "Policy: State every value in the acts.\nRecord: -\n"
        "Acts: inform(time=19:30), offer(name=Central Park Hotel)\nCustomer: When?\nAgent:"
    )
    one = grounded_key(ENGLISH, prompt, "Central Park Hotel at 7:30 pm.")
    assert one == grounded_key(ENGLISH, prompt, "It is at 7:30 in the Central Park Hotel.")
    assert one != grounded_key(ENGLISH, prompt, "Central Park Hotel at 8:30 pm.")
    assert one != grounded_key(ENGLISH, prompt, "At 7:30 pm.")
    assert one != grounded_key(ENGLISH, prompt, "Central Park Hotel at 7:30 pm. Shall I book?")
    assert grounded_key(ENGLISH, prompt, " ...") == ""


def test_a_suite_without_a_hook_compares_texts() -> None:
    plain = SUITES.get("jsonl")
    assert not hasattr(plain, "answer_key")
    same = [answer_key(plain, "e", "p", text) for text in ("It is Done.", "it is done")]
    assert same[0] == same[1] != answer_key(plain, "e", "p", "It is not done.")
    toy = toy_suite.SUITES.get("toy")
    assert answer_key(toy, "e", "p", "a fine reply") == "ae"


def test_drawn_answers_are_classed_and_their_stream_is_keyed() -> None:
    drawn = Drawn(3, "e", ["a", "b", "A"], np.zeros(3), str.lower)
    assert drawn.classes().tolist() == [0, 1, 0]
    again, other = replace(drawn, texts=["c", "d", "e"]), replace(drawn, seed=4)
    numbers = [d.rng(2).random() for d in (drawn, again, other)]
    # Rules and variants share the subsets of one request; seeds do not.
    assert numbers[0] == numbers[1] != numbers[2]
