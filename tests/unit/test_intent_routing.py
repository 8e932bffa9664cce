"""Suite intent_routing: own combinations by family, one closed set, gold by intent."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.policies.choices import read_choices
from rsft_bench.harness.types import SPLITS, Example
from rsft_bench.tasks.intent_messages import load_bank
from rsft_bench.tasks.intent_routing import INTENT_ROUTING
from rsft_bench.tasks.validation import validate

DATA = INTENT_ROUTING.load({}, 0)
BANK = load_bank()


def of(split: str) -> list[Example]:
    return [e for e in DATA.examples if e.split == split]


def test_it_can_carry_a_conclusion() -> None:
    report = validate(INTENT_ROUTING, {}, 0)
    assert (report.verdict, report.reasons) == ("ok", ())
    assert report.ceiling["gold_pass"] == 1.0
    assert dict(report.clusters) == dict(zip(SPLITS, (12, 12, 12, 30, 30), strict=True))
    assert report.max_split_jaccard is not None
    assert 0 < report.max_split_jaccard < 0.2


def test_no_combination_is_used_by_two_families() -> None:
    families = [f for split in SPLITS for f in BANK.families[split]]
    for name, intent in BANK.intents.items():
        assert len({f.parts[name] for f in families}) == len(families) == 96
        seen = {f.parts[name][1] for s in SPLITS[:3] for f in BANK.families[s]}
        tested = {f.parts[name][1] for s in SPLITS[3:] for f in BANK.families[s]}
        # Two events of each intent are new in the test families.
        assert seen == set(range(len(intent.events) - 2))
        assert tested == set(range(len(intent.events)))
    assert len({(f.opening, f.closing) for f in families}) == 96


def test_intents_come_in_pairs_that_are_mistaken_for_each_other() -> None:
    assert len(BANK.intents) == len(BANK.choices) == len(set(BANK.choices)) == 10
    for intent in BANK.intents.values():
        near = BANK.intents[intent.near]
        assert (near.near, near.stratum) == (intent.name, intent.stratum)


def test_every_prompt_lists_the_same_short_answers() -> None:
    assert {read_choices(e.prompt) for e in DATA.examples} == {BANK.choices}
    # About 300 tokens of the packaged tokenizer; a language model has 512.
    assert max(len(e.prompt) for e in DATA.examples) < 900
    for e in DATA.examples:
        listed, asked, last = e.prompt.split("\n")
        assert listed.startswith("Choices: ")
        assert asked.startswith("Customer: ")
        assert last == "Agent:"


def test_test_splits_do_not_move_with_the_seed_and_training_does() -> None:
    other = INTENT_ROUTING.load({}, 1)
    for split in ("calibrate", "select", "confirm"):
        assert of(split) == [e for e in other.examples if e.split == split]
    assert other.logs != DATA.logs
    assert INTENT_ROUTING.load({}, 1) == other


def test_logs_are_of_mixed_quality() -> None:
    examples = {e.example_id: e for e in DATA.examples}
    qualities = Counter(log.quality for log in DATA.logs)
    total = sum(qualities.values())
    # .6 * .85 + .25 * .45 + .15 * .25 = .66 right and a quarter of .21 near ones: .71
    assert qualities["correct"] / total == pytest.approx(0.71, abs=0.05)
    # .75 * (.6 * .1 + .25 * .45 + .15 * .25) = .16
    assert qualities["near_miss"] / total == pytest.approx(0.16, abs=0.04)
    assert set(Counter(log.example_id for log in DATA.logs).values()) == set(range(1, 8))
    for log in DATA.logs:
        found = INTENT_ROUTING.judge(examples[log.example_id], log.text)
        assert found.gold_pass == (log.quality == "correct")
        assert found.parts["near"] == float(log.quality == "near_miss")


def test_gold_is_graded_by_intent() -> None:
    for twofold, second in ((False, 0.2), (True, 0.7)):
        e = next(e for e in of("confirm") if e.facts["twofold"] == twofold)
        intent = BANK.intents[e.facts["intent"]]
        near = BANK.intents[intent.near]
        gold = {
            i.name: INTENT_ROUTING.judge(e, f" {i.answer.upper()} ").gold
            for i in BANK.intents.values()
        }
        assert gold.pop(intent.name) == 1.0
        assert gold.pop(near.name) == second
        assert set(gold.values()) == {0.0}
        assert e.references == ((intent.answer, near.answer) if twofold else (intent.answer,))
    for text in ("", "No.", e.prompt, " | ".join(BANK.choices)):
        found = INTENT_ROUTING.judge(e, text)
        assert (found.gold, found.gold_pass, found.parts["listed"]) == (0.0, False, 0.0)
        assert math.isnan(found.parts["right"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_train": 0}, "n_train is 0; allowed: an integer from 1"),
        ({"limit": 1.5}, "limit is 1.5"),
        ({"mixture": {"careful": 0.5}}, "mixture is"),
        ({"mixture": {"good": 1.0}}, "mixture is"),
    ],
)
def test_options_out_of_range(options: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        INTENT_ROUTING.load(options, 0)
