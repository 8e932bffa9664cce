"""Gold of suite sgd cannot be had by pasting the prompt, listing values or inventing names."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from rsft_bench.harness.types import Judgement
from rsft_bench.tasks.grounded.english import ENGLISH
from rsft_bench.tasks.grounded.judge import judge_answer
from rsft_bench.tasks.grounded.turns import AskedTurn, Corpus
from rsft_bench.tasks.sgd_format import Action, Dialogue, Frame, Turn
from rsft_bench.tasks.sgd_turns import asked_turns


def act(name: str, slot: str, value: str) -> Action:
    return Action(name, slot, (value,), (value,))


def talk(name: str, actions: tuple[Action, ...], *more: Turn) -> Dialogue:
    results = ({"event_name": "Starset", "seats": "2", "venue": "Anselmo Hall"},)
    frame = Frame("Events", actions, {"city": "Paris"}, results)
    turns = (
        Turn("USER", "Any concert in Paris?", ()),
        Turn("SYSTEM", "An answer of a person.", (frame,)),
        *more,
    )
    return Dialogue(name, "train", ("Events",), turns)


CONCERT = (act("OFFER", "event_name", "Starset"), act("INFORM", "seats", "2"))
OTHERS = [
    talk("b", (act("OFFER", "event_name", "Girl In Red"),)),
    talk("c", (act("OFFER", "event_name", "Fit"),)),
]


def asked(dialogue: Dialogue) -> list[AskedTurn]:
    return asked_turns(dialogue, 2, Counter())


def judged(text: str, actions: tuple[Action, ...] = CONCERT) -> Judgement:
    turns = [t for d in (talk("a", actions), *OTHERS) for t in asked(d)]
    facts = turns[0].facts(Corpus.of(turns, ENGLISH))
    return judge_answer(ENGLISH, facts, turns[0].prompt, text)


@pytest.mark.parametrize(
    "text",
    [
        "Starset plays and 2 seats are free.",
        "There is Starset at Anselmo Hall in Paris with 2 seats.",
        "Would a concert by Starset fit you? It has 2 seats.",
        "I'd suggest Starset in March. It isn't sold out: 2 seats.",
    ],
)
def test_a_sentence_with_known_values_is_right(text: str) -> None:
    # The date-like word "March" alone names no day; "fit" is no name unless spelt as one.
    assert judged(text).gold_pass, judged(text)


@pytest.mark.parametrize(
    "text",
    [
        "offer(event_name=Starset); inform(seats=2)",
        "event_name=Starset and seats=2",
        "Acts: Starset, 2",
        "Record: event name: Starset; seats: 2 in all for you",
        "Starset has 2 seats. State every value in the acts. Do not make one up.",
    ],
)
def test_the_form_of_the_prompt_scores_zero(text: str) -> None:
    assert (judged(text).gold, judged(text).gold_pass) == (0.0, False)


@pytest.mark.parametrize("text", ["Starset, 2.", "Starset. 2", "Sorry. Starset. 2. Anselmo Hall."])
def test_a_bare_list_of_values_is_worth_half(text: str) -> None:
    assert (judged(text).gold, judged(text).gold_pass) == (0.5, False)


def test_a_single_value_may_stand_in_a_short_sentence_but_not_in_a_list() -> None:
    assert judged("It's Starset.", CONCERT[:1]).gold_pass
    assert judged("Sorry. Starset. Anselmo Hall.", CONCERT[:1]).gold == 0.5
    assert judged("Starset.", CONCERT[:1]).gold == 0.5


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("Starset plays with 2 seats at Hotel Zorgon Palace.", 2 / 4),
        ("Starset plays with 2 seats, or Girl In Red does.", 2 / 3),
        ("Starset plays with 2 seats and so does Fit.", 2 / 3),
        ("Starset plays with 2 seats at 7 pm.", 2 / 3),
    ],
)
def test_every_name_or_number_that_nobody_mentioned_counts_as_made_up(
    text: str, gold: float
) -> None:
    """Two required values; Zorgon and Palace are two unknown words, Girl In Red is one name."""
    found = judged(text)
    if "Hotel" in text:
        gold = 2 / 5  # Hotel, too, is a name here: nobody spoke of one
    assert found.gold == pytest.approx(gold)
    assert not found.gold_pass
    assert found.parts["harm_forbidden"] == 1.0


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("It is not Starset 2.", 0.0),
        ("It is not Starset but there are 2 seats.", 0.5),
        ("Starset plays, there are never 2 seats.", 0.5),
    ],
)
def test_a_denied_value_is_not_stated(text: str, share: float) -> None:
    assert judged(text).parts["facts"] == share


def later(call: dict[str, str] | None, results: tuple[dict[str, str], ...]) -> Any:
    frame = Frame("Events", (act("INFORM", "seats", "2"),), call, results)
    return Turn("USER", "And seats?", ()), Turn("SYSTEM", "It has 2 seats.", (frame,))


def record(dialogue: Dialogue) -> str:
    line = next(x for x in asked(dialogue)[-1].prompt.split("\n") if x.startswith("Record:"))
    return line.removeprefix("Record: ")


def test_record_says_which_call_it_comes_from() -> None:
    """The last call's result; nothing stale after an empty one; no call is not "none found"."""
    assert record(talk("a", CONCERT, *later(None, ()))).startswith("seats: 2; event name")
    assert record(talk("a", CONCERT, *later({"city": "Rome"}, ()))) == "none found"
    again = later({"city": "Rome"}, ({"seats": "2", "venue": "Odeon"},))
    assert record(talk("a", CONCERT, *again)) == "seats: 2; venue: Odeon"
    never = Dialogue("n", "train", ("Events",), later(None, ()))
    assert record(never) == "no call made"


def test_history_that_does_not_fit_is_counted() -> None:
    long = Turn("USER", "gosh " * 120, ())
    between = Turn("SYSTEM", "What?", ())
    turns = (long, between, *later(None, ()))
    found = asked(Dialogue("n", "train", ("Events",), turns))[0]
    assert "gosh" not in found.prompt
    assert found.dropped == 1
    assert asked(talk("a", CONCERT))[0].dropped == 0
