"""Suite synthetic_choices: closed answers, shared contexts, disjoint wordings, gold by kind."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.policies.categorical import CATEGORICAL
from rsft_bench.harness.policies.choices import read_prompt
from rsft_bench.harness.rewards.proxy import fit_proxy
from rsft_bench.harness.statistics.selection import auc
from rsft_bench.harness.types import SPLITS, Example, Sampling
from rsft_bench.tasks.synthetic_choices import GOLD, MIXTURE, PARTS, SYNTHETIC_CHOICES, load_bank
from rsft_bench.tasks.validation import validate

DATA = SYNTHETIC_CHOICES.load({}, 0)


def of(split: str) -> list[Example]:
    return [e for e in DATA.examples if e.split == split]


def test_it_can_carry_a_conclusion() -> None:
    report = validate(SYNTHETIC_CHOICES, {}, 0)
    # Near duplicates of prompts are what a table of probabilities is tested on.
    assert report.verdict == "warn"
    assert [r for r in report.reasons if "by design" not in r] == []
    assert report.leakage["select"]["exact"] == report.leakage["confirm"]["exact"] == 0
    assert report.ceiling["gold_pass"] == 1.0
    assert max(floor["gold_pass"] or 0 for floor in report.floors.values()) < 0.11
    assert report.clusters["select"] == report.clusters["confirm"] == 30


def test_contexts_are_shared_and_wordings_are_not() -> None:
    contexts = {split: {read_prompt(e.prompt).context for e in of(split)} for split in SPLITS}
    for split in ("train", "calibrate", "select", "confirm"):
        assert contexts[split] == set(load_bank().contexts)
    assert len(contexts["proxy_label"]) == 4
    clusters = [c for split in SPLITS for c in {e.cluster for e in of(split)}]
    assert len(clusters) == len(set(clusters)) == 96
    questions = [line for e in DATA.examples for line in e.prompt.split("\n")[-2:-1]]
    assert all(q.startswith("Customer: ") for q in questions)
    by_cluster: dict[str, set[str]] = {}
    for e in DATA.examples:
        ask = load_bank().contexts[e.facts["context"]].ask
        by_cluster.setdefault(e.cluster, set()).add(e.prompt.split("\n")[-2].replace(ask, "#"))
    assert all(len(wordings) == 1 for wordings in by_cluster.values())
    assert len({next(iter(w)) for w in by_cluster.values()}) == 96


def test_the_exact_policy_can_answer_every_prompt() -> None:
    CATEGORICAL.check({}, [e.prompt for e in DATA.examples])
    for e in DATA.examples:
        assert read_prompt(e.prompt).answers == load_bank().contexts[e.facts["context"]].answers


def test_test_splits_do_not_move_with_the_seed_and_training_does() -> None:
    other = SYNTHETIC_CHOICES.load({}, 1)
    for split in ("calibrate", "select", "confirm"):
        assert of(split) == [e for e in other.examples if e.split == split]
    assert other.logs != DATA.logs
    labelled = [
        {read_prompt(e.prompt).context for e in data.examples if e.split == "proxy_label"}
        for data in (DATA, other)
    ]
    assert labelled[0] != labelled[1]
    assert SYNTHETIC_CHOICES.load({}, 1) == other


def test_logs_are_of_mixed_quality_and_unequally_many() -> None:
    per_prompt = Counter(log.example_id for log in DATA.logs)
    assert set(per_prompt) == {e.example_id for e in of("train")}
    assert set(per_prompt.values()) == set(range(1, 8))
    assert sum(per_prompt.values()) / len(per_prompt) == pytest.approx(4, abs=0.4)
    qualities = Counter(log.quality for log in DATA.logs)
    assert set(qualities) == {"correct"} | {k for k in GOLD if GOLD[k] < 0.5}
    # full and brief have .4 of the mixture, and a little more where a context lacks other kinds.
    assert 0.35 < qualities["correct"] / sum(qualities.values()) < 0.6
    examples = {e.example_id: e for e in DATA.examples}
    for log in DATA.logs:
        passed = SYNTHETIC_CHOICES.judge(examples[log.example_id], log.text).gold_pass
        assert passed == (log.quality == "correct")


def test_gold_is_the_kind_of_the_choice() -> None:
    first = next(e for e in of("confirm") if e.facts["context"] == "c05")
    kinds: Counter[str] = Counter()
    for answer in read_prompt(first.prompt).answers:
        kind = first.facts["kinds"][answer]
        kinds[kind] += 1
        found = SYNTHETIC_CHOICES.judge(first, f"  {answer.upper()} ")
        assert (found.gold, found.gold_pass) == (GOLD[kind], kind in ("full", "brief"))
        assert set(found.parts) == set(PARTS)
        assert found.parts["harm_wrong_decision"] == float(kind == "wrong_decision")
    # Several acceptable answers, graded.
    assert kinds["full"] == 1
    assert kinds["brief"] == 2
    assert [GOLD[first.facts["kinds"][r]] for r in first.references] == [1.0, 0.7, 0.7]
    for text in ("", "No.", first.prompt, " | ".join(read_prompt(first.prompt).answers)):
        found = SYNTHETIC_CHOICES.judge(first, text)
        assert (found.gold, found.gold_pass, found.parts["listed"]) == (0.0, False, 0.0)
        assert math.isnan(found.parts["right"])


def test_the_proxy_can_be_fitted_and_is_not_perfect() -> None:
    """Labels of the base policy, scored on other wordings: AUC over answers of one context."""
    base = CATEGORICAL.load({})
    examples = {e.example_id: e for e in DATA.examples}
    asked = [(e.example_id, e.prompt) for e in of("proxy_label")]
    rows = base.sample(asked, range(4), Sampling(), 0, "label")
    where = [examples[r.example_id] for r in rows]
    labels = np.array(
        [SYNTHETIC_CHOICES.judge(e, r.text).gold_pass for e, r in zip(where, rows, strict=True)]
    )
    proxy, _ = fit_proxy(
        [e.prompt for e in where], [r.text for r in rows], labels, [e.cluster for e in where], 0
    )
    within, correct = [], 0
    tested = {e.facts["context"]: e for e in of("select")}.values()
    for e in tested:
        answers = read_prompt(e.prompt).answers
        truth = [float(SYNTHETIC_CHOICES.judge(e, a).gold_pass) for a in answers]
        scores = proxy.score([e.prompt] * len(answers), answers)
        area = auc(scores, np.array(truth))
        assert area is not None
        within.append(area)
        correct += truth[int(scores.argmax())] == 1
    assert sum(within) / len(within) > 0.8
    assert correct < len(within)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_train": 0}, "n_train is 0; allowed: an integer from 1"),
        ({"label_contexts": 13}, "label_contexts is 13; allowed: an integer from 1 to 12"),
        ({"mixture": {"full": 0.5}}, "mixture is"),
        ({"mixture": {"good": 1.0}}, "mixture is"),
        ({"mixture": {"over_promising": 1.0}}, "no weight to any answer of context"),
        ({"logs_per_prompt": True}, "logs_per_prompt is True"),
    ],
)
def test_options_out_of_range(options: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SYNTHETIC_CHOICES.load(options, 0)


def test_the_default_mixture_sums_to_one() -> None:
    assert sum(MIXTURE.values()) == pytest.approx(1)
    small = SYNTHETIC_CHOICES.load({"limit": 7, "mixture": {"full": 1.0}}, 0)
    assert {log.quality for log in small.logs} == {"correct"}
    assert max(Counter(e.split for e in small.examples).values()) == 7
