"""Suites account_multi_turn and escalation_safety: built as they should be, and judged in sense."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from rsft_bench.harness.types import SPLITS
from rsft_bench.tasks.account_multi_turn import ACCOUNT_MULTI_TURN
from rsft_bench.tasks.authored import conduct
from rsft_bench.tasks.authored.bank import load_bank
from rsft_bench.tasks.authored.suite import AuthoredSuite
from rsft_bench.tasks.escalation_safety import ESCALATION_SAFETY
from rsft_bench.tasks.validation import validate

SUITES = (ACCOUNT_MULTI_TURN, ESCALATION_SAFETY)
ANY_SUITE = pytest.mark.parametrize("suite", SUITES, ids=lambda s: s.name)
EVEN = {"correct": 0.2, "terse": 0.2, "wrong_fact": 0.2, "wrong_decision": 0.2}
DATA = {
    s.name: s.load({"mixture": {**EVEN, "rude": 0.1, "over_promising": 0.1}}, 0) for s in SUITES
}


@ANY_SUITE
def test_families_clusters_and_entities(suite: AuthoredSuite) -> None:
    data, bank = DATA[suite.name], load_bank(suite.name)
    families = [f for s in SPLITS for f in bank.families[s]]
    assert len(families) >= 120
    assert len({f.body for f in families}) == len({f.policy for f in families}) == len(families)
    counts = {s: Counter(e.cluster for e in data.examples if e.split == s) for s in SPLITS}
    assert all(len(counts[s]) >= 20 for s in SPLITS)
    assert len(counts["select"]) == len(counts["confirm"]) == 30
    for a, b in combinations(SPLITS, 2):
        for kind in bank.entities[a]:
            assert not set(bank.entities[a][kind]) & set(bank.entities[b][kind]), (kind, a, b)
    assert max(len(e.prompt) for e in data.examples) <= 450
    assert not any("{" in e.prompt or "[" in e.prompt for e in data.examples)


@ANY_SUITE
def test_right_writers_pass_and_every_other_quality_fails(suite: AuthoredSuite) -> None:
    examples = {e.example_id: e for e in DATA[suite.name].examples}
    for e in examples.values():
        for text in e.references:
            assert suite.judge(e, text).gold == 1.0, (e.prompt, text)
    met = set()
    for log in DATA[suite.name].logs:
        e = examples[log.example_id]
        passed = suite.judge(e, log.text).gold_pass
        assert passed == (log.quality == "correct"), (log.quality, e.prompt, log.text)
        met.add((e.facts["outcome"], log.quality))
    assert len(met) == 6 * len(load_bank(suite.name).outcomes)


@ANY_SUITE
def test_copying_passes_nowhere(suite: AuthoredSuite) -> None:
    for e in DATA[suite.name].examples[::3]:
        lines = [line.partition(": ")[2] for line in e.prompt.split("\n")]
        values = [value for _, value in conduct.shown(e.prompt).values]
        texts = ["", e.prompt, *lines, f"Sorry. {lines[0]}", ". ".join(values)]
        for text in [*texts, f"Yes. {lines[0]} {', '.join(values)}"]:
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
            tuple(sorted((k, v != v) for k, v in suite.judge(e, text).parts.items()))
            for text in ("", "Yes.", e.references[0])
        }
        assert len(shapes) == 1, e.example_id
