"""The two authored suites: splits, seeds, entities, logs by quality, and the judge."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.types import SPLITS, Example, Suite, SuiteData
from rsft_bench.tasks.authored import build
from rsft_bench.tasks.authored.bank import load_bank
from rsft_bench.tasks.authored.grammar import choose, fill, question, sentences
from rsft_bench.tasks.authored.suite import AuthoredSuite
from rsft_bench.tasks.order_status import ORDER_STATUS
from rsft_bench.tasks.returns_refunds import RETURNS_REFUNDS

SUITES = (ORDER_STATUS, RETURNS_REFUNDS)
LOADED = {(s.name, seed): s.load({}, seed) for s in SUITES for seed in (0, 1)}
ANY_SUITE = pytest.mark.parametrize("suite", SUITES, ids=lambda s: s.name)


def _data(suite: AuthoredSuite, seed: int = 0) -> SuiteData:
    return LOADED[suite.name, seed]


def _digest(data: SuiteData) -> str:
    return hashlib.sha256(repr((data.examples, data.logs)).encode()).hexdigest()


def _typed(suite: Suite) -> str:
    return suite.name


@ANY_SUITE
def test_sizes_clusters_and_strata(suite: AuthoredSuite) -> None:
    data = _data(suite)
    sizes = Counter(e.split for e in data.examples)
    assert sizes == {
        "train": 256, "proxy_label": 100, "calibrate": 60, "select": 120, "confirm": 150
    }  # fmt: skip
    assert len(data.logs) == 1024
    clusters = {s: Counter(e.cluster for e in data.examples if e.split == s) for s in SPLITS}
    assert [len(clusters[s]) for s in SPLITS] == [12, 12, 12, 30, 30]
    assert set(clusters["select"].values()) == {4}
    assert set(clusters["confirm"].values()) == {5}
    assert set(clusters["calibrate"].values()) == {5}
    for a, b in combinations(SPLITS, 2):
        assert not clusters[a].keys() & clusters[b].keys()
    strata = [{e.stratum for e in data.examples if e.split == s} for s in SPLITS]
    assert all(found == strata[0] for found in strata)
    assert len(strata[0]) == 6
    assert len({e.example_id for e in data.examples}) == len(data.examples)
    assert {log.example_id for log in data.logs} == {
        e.example_id for e in data.examples if e.split == "train"
    }
    assert _typed(suite) == suite.name


@ANY_SUITE
def test_seed_redraws_the_train_side_only(suite: AuthoredSuite) -> None:
    first, second = _data(suite, 0), _data(suite, 1)
    for split in SPLITS:
        a = [e for e in first.examples if e.split == split]
        b = [e for e in second.examples if e.split == split]
        if split in ("train", "proxy_label"):
            assert sum(x.prompt == y.prompt for x, y in zip(a, b, strict=True)) == 0
        else:
            assert a == b
    assert first.logs != second.logs


@ANY_SUITE
def test_loading_twice_is_equal_under_any_hash_seed(suite: AuthoredSuite) -> None:
    assert _digest(suite.load({}, 1)) == _digest(_data(suite, 1))
    code = (
        "import hashlib\n"
        f"from rsft_bench.tasks.{suite.name} import {suite.name.upper()} as s\n"
        "d = s.load({}, 1)\n"
        "print(hashlib.sha256(repr((d.examples, d.logs)).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == _digest(_data(suite, 1))


@ANY_SUITE
def test_smaller_counts_are_prefixes_and_limit_caps(suite: AuthoredSuite) -> None:
    full = [e for e in _data(suite).examples if e.split == "confirm"]
    small = suite.load({"n_confirm": 60, "limit": 45}, 0)
    assert [e for e in small.examples if e.split == "confirm"] == full[:45]
    assert max(Counter(e.split for e in small.examples).values()) == 45
    assert len(small.logs) == 45 * 4


@ANY_SUITE
def test_entities_are_disjoint_between_splits(suite: AuthoredSuite) -> None:
    bank = load_bank(suite.name)
    kinds = {kind for s in SPLITS for kind in bank.entities[s]}
    for kind in kinds:
        for a, b in combinations(SPLITS, 2):
            assert not set(bank.entities[a][kind]) & set(bank.entities[b][kind]), (kind, a, b)
    other = load_bank([s.name for s in SUITES if s is not suite][0])
    items = {i for s in SPLITS for i in bank.entities[s]["item"]}
    assert not items & {i for s in SPLITS for i in other.entities[s]["item"]}


@ANY_SUITE
def test_prompts_are_short_and_in_the_common_format(suite: AuthoredSuite) -> None:
    for e in _data(suite).examples:
        lines = e.prompt.split("\n")
        assert [x.split(":")[0] for x in lines] == ["Policy", "Record", "Customer", "Agent"]
        assert e.prompt.endswith("\nAgent:")
        assert len(e.prompt) <= 400
        assert "{" not in e.prompt
        assert "[" not in e.prompt
        assert len(e.references) == 2
        for text in e.references:
            assert 5 <= len(text.split()) <= 25


@ANY_SUITE
def test_every_outcome_has_four_writers_and_both_decisions_occur(suite: AuthoredSuite) -> None:
    bank = load_bank(suite.name)
    for outcome in bank.outcomes.values():
        assert len(outcome.correct) >= 4
        assert len(outcome.terse) >= 3
        assert len(outcome.wrong_decision) >= 3
    for split in SPLITS:
        seen = {e.facts["outcome"] for e in _data(suite).examples if e.split == split}
        assert seen == set(bank.outcomes)


@ANY_SUITE
def test_references_pass_gold_and_belong_to_their_example(suite: AuthoredSuite) -> None:
    for e in _data(suite).examples:
        for text in e.references:
            verdict = suite.judge(e, text)
            assert verdict.gold_pass, (e.prompt, text, verdict)
            assert verdict.gold == 1.0


@ANY_SUITE
def test_each_quality_passes_or_fails_for_its_own_reason(suite: AuthoredSuite) -> None:
    data = _data(suite, 1)
    bank = load_bank(suite.name)
    families = {f.family_id: f for f in bank.families["train"]}
    train, values = build.build_split(bank, "train", 96, 1)
    assert train == [e for e in data.examples if e.split == "train"][:96]
    for e, filled in zip(train, values, strict=True):
        for quality in build.QUALITIES:
            rng = stream(7, "test", e.example_id, quality)
            outcome = bank.outcomes[e.facts["outcome"]]
            text = build.log_text(bank, families[e.cluster], outcome, filled, quality, rng)
            verdict = suite.judge(e, text)
            parts = verdict.parts
            reason = {
                "correct": verdict.gold_pass,
                "terse": parts["facts"] < 1 or parts["decision"] == 0,
                "wrong_fact": parts["facts"] < 1 or parts["harm_forbidden"] == 1,
                "wrong_decision": parts["decision"] == 0,
                "rude": parts["tone"] == 0 and parts["decision"] == 1,
                "over_promising": parts["harm_overpromise"] == 1,
            }[quality]
            assert reason, (quality, e.prompt, text, verdict)
            assert verdict.gold_pass == (quality == "correct"), (quality, e.prompt, text)


@ANY_SUITE
def test_mixture_shares_are_met(suite: AuthoredSuite) -> None:
    counts = Counter(log.quality for log in _data(suite).logs)
    for quality, share in build.DEFAULT_MIXTURE.items():
        sd = (share * (1 - share) / 1024) ** 0.5
        assert abs(counts[quality] / 1024 - share) < 4 * sd
    only = suite.load({"mixture": {"correct": 1.0}, "limit": 12}, 0)
    assert {log.quality for log in only.logs} == {"correct"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_trian": 4}, ("n_trian", "n_train")),
        ({"n_train": 0}, ("n_train is 0", "integer from 1")),
        ({"n_select": "many"}, ("'many'", "integer")),
        ({"limit": -1}, ("limit is -1",)),
        ({"logs_per_prompt": True}, ("logs_per_prompt is True",)),
        ({"mixture": {"good": 1.0}}, ("good", "over_promising")),
        ({"mixture": {"correct": 0.4}}, ("sum to 1",)),
        ({"mixture": {"correct": 1.4, "terse": -0.4}}, ("sum to 1",)),
        ({"mixture": {"correct": float("nan")}}, ("sum to 1",)),
        ({"mixture": 0.5}, ("mixture is 0.5",)),
    ],
)
def test_wrong_options_are_one_clear_line(
    options: dict[str, object], words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        ORDER_STATUS.load(options, 0)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words)


def _example(suite: AuthoredSuite, outcome: str) -> Example:
    return next(
        e for e in _data(suite).examples if e.split == "confirm" and e.facts["outcome"] == outcome
    )


def test_hand_written_answers_that_share_no_template() -> None:
    e = _example(ORDER_STATUS, "cancel_yes_status")
    number = dict((kind, value) for kind, value in e.facts["need"])["number"]
    good = f"All right, I've cancelled purchase #{number}; nothing more to do on your side."
    assert ORDER_STATUS.judge(e, good).gold_pass
    bad = ORDER_STATUS.judge(e, f"Purchase #{number} has gone too far and can't be stopped.")
    assert not bad.gold_pass
    assert bad.parts["harm_wrong_decision"] == 1.0
    missing = _example(ORDER_STATUS, "no_record")
    asked = f"I'd love to check; which {missing.facts['ask']} did you use?"
    assert ORDER_STATUS.judge(missing, asked).gold_pass
    made_up = ORDER_STATUS.judge(missing, asked + " It was shipped on 4 May.")
    assert made_up.parts["harm_forbidden"] == 1.0
    assert not made_up.gold_pass


def test_gold_by_hand() -> None:
    """Facts 1 of 2, decision 1, style 1: gold (0.5 + 1) / 2 = 0.75; rude: 1 x (0 + 1) / 2."""
    e = _example(ORDER_STATUS, "location")
    carrier = dict((v, k) for k, v in e.facts["need"])
    names = list(carrier)
    half = ORDER_STATUS.judge(e, f"It is with {names[0].title()}.")
    assert half.gold == 0.75
    assert not half.gold_pass
    rude = ORDER_STATUS.judge(e, e.references[0] + " Stop asking.")
    assert rude.gold == 0.5
    assert rude.parts["tone"] == 0.0
    assert ORDER_STATUS.judge(e, e.references[0] + " We guarantee it.").gold == 0.0


@ANY_SUITE
def test_trivial_answers_score_zero_or_little(suite: AuthoredSuite) -> None:
    tested = [e for e in _data(suite).examples if e.split == "confirm"]
    for e in tested:
        for text in ("", "  \n", e.prompt, e.prompt.split("\n")[1]):
            verdict = suite.judge(e, text)
            assert verdict.gold == 0.0, text
            assert not verdict.gold_pass
        assert suite.judge(e, "").parts.keys() == suite.judge(e, "x").parts.keys()
    yes = [suite.judge(e, "Yes.") for e in tested]
    assert sum(v.gold for v in yes) / len(yes) < 0.15
    assert not any(v.gold_pass for v in yes)


CLAIMS = (
    "Order 99999 was refunded.", "It arrives on 31 February.", "We guarantee it.",
    "You get a voucher.", "It takes 7654321 days.", "It comes tomorrow.",
)  # fmt: skip


@settings(deadline=None)
@given(st.integers(0, 685), st.sampled_from(CLAIMS), st.booleans(), st.integers(0, 1))
def test_adding_a_forbidden_claim_never_raises_gold(
    index: int, claim: str, before: bool, which: int
) -> None:
    suite = SUITES[which]
    e = _data(suite).examples[index]
    for text in (e.references[0], "Yes, sure.", "Sorry, no.", "It is on its way."):
        worse = f"{claim} {text}" if before else f"{text} {claim}"
        damaged = suite.judge(e, worse)
        assert damaged.gold <= suite.judge(e, text).gold
        assert not damaged.gold_pass


@settings(deadline=None)
@given(st.text(max_size=300), st.integers(0, 685), st.integers(0, 1))
def test_judge_never_raises_and_stays_in_range(text: str, index: int, which: int) -> None:
    suite = SUITES[which]
    verdict = suite.judge(_data(suite).examples[index], text)
    assert 0.0 <= verdict.gold <= 1.0
    assert all(v != v or 0.0 <= v <= 1.0 for v in verdict.parts.values())


def test_grammar() -> None:
    rng = stream(0, "test")
    assert {choose("[a|b] c", rng) for _ in range(40)} == {"a c", "b c"}
    assert fill("a {item}", {"item": "oak shelf"}) == "an oak shelf"
    assert sentences("it is.  done? yes") == "It is. Done? Yes"
    with pytest.raises(KeyError):
        fill("{nothing}", {})
    asked = {question("where is my {item}", {"item": "Oak"}, stream(i, "q")) for i in range(60)}
    assert len(asked) > 20
    assert all("Oak" in text for text in asked)


@ANY_SUITE
def test_version_follows_the_data_and_code_lists_real_modules(suite: AuthoredSuite) -> None:
    assert suite.version == f"2+{load_bank(suite.name).digest}"
    for module in suite.code:
        __import__(module)
        assert module in sys.modules


@pytest.mark.parametrize("suite", [ORDER_STATUS, RETURNS_REFUNDS], ids=lambda s: s.name)
def test_which_parts_apply_does_not_depend_on_the_answer(suite: AuthoredSuite) -> None:
    """An empty, a wrong and a right answer have a value for the same parts of an example."""
    for e in suite.load({"limit": 60}, 0).examples:
        shapes = {
            tuple(math.isnan(v) for v in suite.judge(e, text).parts.values())
            for text in ("", "Yes.", e.references[0])
        }
        assert len(shapes) == 1, e.example_id


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_extra_prompts_go_on_where_those_of_d_end(suite: AuthoredSuite) -> None:
    plain = suite.load({"limit": 24}, 3)
    more = suite.load({"limit": 24, "extra_prompts": 10}, 3)
    assert more.logs == plain.logs
    kept = {e.example_id for e in plain.examples}
    extra = [e for e in more.examples if e.example_id not in kept]
    assert [e for e in more.examples if e.example_id in kept] == list(plain.examples)
    assert [e.split for e in extra] == ["train"] * 10
    assert not {e.example_id for e in extra} & {log.example_id for log in more.logs}
    # The prompts that a larger D would have had.
    larger = suite.load({"n_train": 34}, 3)
    assert {e.example_id for e in extra} <= {e.example_id for e in larger.examples}
    with pytest.raises(ConfigError, match="extra_prompts is -1"):
        suite.load({"extra_prompts": -1}, 3)


@pytest.mark.parametrize("seed", [0, 1])
def test_references_state_nothing_that_the_record_hides(seed: int) -> None:
    """An hours rule hides the status; its right answers used to say "still open"."""
    bank = load_bank(ORDER_STATUS.name)
    ruled = {f.family_id: f for fs in bank.families.values() for f in fs if f.rule}
    states = {s for f in ruled.values() for s in (*f.allowed, *f.refused)} | {"open"}
    for e in _data(ORDER_STATUS, seed).examples:
        named = [s for s in states for t in e.references if f"still {s}," in t]
        if e.cluster in ruled and named:
            assert f"status: {named[0]}" in e.prompt, (e.prompt, e.references)
