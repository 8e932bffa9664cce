"""Validation reports: numbers by hand on a small fake suite, and the authored suites' own."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from rsft_bench.harness.types import (
    Capability,
    Example,
    Json,
    Judgement,
    Param,
    Split,
    SuiteData,
)
from rsft_bench.tasks.authored.suite import AuthoredSuite
from rsft_bench.tasks.order_status import ORDER_STATUS
from rsft_bench.tasks.overlap import family_overlap, grams, jaccard, split_overlap
from rsft_bench.tasks.returns_refunds import RETURNS_REFUNDS
from rsft_bench.tasks.validation import validate


@dataclass(frozen=True)
class Fake:
    """Gold is 1 where the answer equals the reference; ``clusters`` in each test split."""

    clusters: int
    gold: bool = True
    shared: bool = False
    report: Mapping[str, Json] = field(default_factory=dict)
    name: str = "fake"
    version: str = "1"
    licence: str = "CC0-1.0"
    attribution: str = "none"
    requires: frozenset[Capability] = frozenset()
    options: tuple[Param, ...] = ()
    code: tuple[str, ...] = ()

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """One example a cluster."""
        splits: tuple[Split, ...] = ("select", "confirm")
        examples = [
            Example(
                f"{s}/{i}", s, f"Q {s} {i}\nAgent:", (f"answer {i}",), {},
                f"c{i}" if self.shared else f"{s}{i}", "all",
            )
            for s in splits
            for i in range(self.clusters)
        ]  # fmt: skip
        return SuiteData(tuple(examples), (), dict(self.report))

    def judge(self, example: Example, text: str) -> Judgement:
        """Equality."""
        right = text in example.references
        return Judgement(float(right) if self.gold else math.nan, right and self.gold, {})


@dataclass(frozen=True)
class Copied(Fake):
    """Gold is 1 where the record's value occurs anywhere in the answer."""

    def load(self, options: Mapping[str, Json], seed: int) -> SuiteData:
        """As ``Fake``, with the reference in the record."""
        data = super().load(options, seed)
        examples = tuple(
            replace(
                e, prompt=f"Policy: Say it in {e.split}.\nRecord: id: {e.references[0]}\nAgent:"
            )
            for e in data.examples
        )
        return SuiteData(examples, (), data.report)

    def judge(self, example: Example, text: str) -> Judgement:
        """Presence alone."""
        right = example.references[0] in text
        return Judgement(float(right), right, {})


@dataclass(frozen=True)
class FakeBodies(Fake):
    """As ``Fake``, and its families share a question."""

    def question_bodies(self) -> Mapping[Split, Mapping[str, tuple[str, ...]]]:
        """Two nearly equal bodies in two splits."""
        return {"train": {"a": ("w1 w2 w3 w4 w5 w6",)}, "confirm": {"b": ("w1 w2 w3 w4 w5 w7",)}}


def test_jaccard_by_hand() -> None:
    """Grams {12345, 23456} and {12345, 23457}: one of three shared."""
    assert len(grams("1 2 3 4 5 6")) == 2
    assert grams("one two") == {("one", "two")}
    assert grams("") == frozenset()
    assert jaccard(grams("1 2 3 4 5 6"), grams("1 2 3 4 5 7")) == pytest.approx(1 / 3)
    assert jaccard(frozenset(), frozenset()) == 0.0


def test_enough_clusters_is_ok_and_fewer_warn_or_stop() -> None:
    assert validate(Fake(30), {}, 0).verdict == "ok"
    warned = validate(Fake(29), {}, 0)
    assert warned.verdict == "warn"
    assert "29 clusters" in warned.reasons[0]
    stopped = validate(Fake(9), {}, 0)
    assert stopped.verdict == "cannot support a conclusion"
    assert stopped.mde is None


def test_counts_ceiling_floors_and_mde_by_hand() -> None:
    """t_.975,24 = 2.0639, t_.80,24 = 0.8569: mde = 2.9208 x 0.2 / 5 = 0.11683."""
    report = validate(Fake(25, report={"n_files": 3, "skipped": {"no answer": 2}}), {}, 0)
    assert (report.n_files, report.n_records, report.n_examples) == (3, None, 50)
    assert report.n_skipped == {"no answer": 2}
    assert report.splits["select"] == 25
    assert report.ceiling == {"gold": 1.0, "gold_pass": 1.0}
    assert report.floors["empty"] == {"gold": 0.0, "gold_pass": 0.0}
    assert report.floors["majority"]["gold"] == pytest.approx(2 / 50)
    assert report.mde == pytest.approx(0.11683, abs=1e-4)
    assert report.max_family_jaccard is None


def test_gold_that_copying_earns_carries_no_conclusion() -> None:
    report = validate(Copied(30), {}, 0)
    assert report.verdict == "cannot support a conclusion"
    named = {name for name, floor in report.floors.items() if floor["gold_pass"] == 1.0}
    assert named == {"copy", "record", "dump", "dump_policy"}
    assert "'copy' passes at 1.000, ceiling 1.000; at most 0.200" in " ".join(report.reasons)
    assert report.floors["policy"]["gold_pass"] == 0.0


def test_a_suite_without_gold_has_no_ceiling() -> None:
    report = validate(Fake(30, gold=False), {}, 0)
    assert report.ceiling == {"gold": None, "gold_pass": None}
    assert report.verdict == "warn"
    assert "no gold" in report.reasons[0]


def test_shared_clusters_and_alike_questions_fail() -> None:
    shared = validate(Fake(30, shared=True), {}, 0)
    assert shared.verdict == "cannot support a conclusion"
    assert "share 30 clusters" in shared.reasons[0]
    alike = validate(FakeBodies(30), {}, 0)
    assert alike.verdict == "cannot support a conclusion"
    assert alike.max_family_jaccard == pytest.approx(1 / 3)
    assert len(alike.reasons) == 2


@pytest.mark.parametrize("suite", [ORDER_STATUS, RETURNS_REFUNDS], ids=lambda s: s.name)
def test_authored_suites_are_sound(suite: AuthoredSuite) -> None:
    report = validate(suite, {}, 0)
    assert report.verdict == "ok", report.reasons
    assert report.kind == "authored"
    assert report.ceiling == {"gold": 1.0, "gold_pass": 1.0}
    assert report.max_family_jaccard is not None
    assert report.max_family_jaccard <= 0.3
    assert report.max_split_jaccard is not None
    assert report.max_split_jaccard <= 0.2
    assert all((f["gold"] or 0.0) < 0.2 for f in report.floors.values())
    assert all((f["gold_pass"] or 0.0) < 0.05 for f in report.floors.values())
    assert json.loads(json.dumps(report.to_json())) == report.to_json()
    bodies = suite.question_bodies()
    assert family_overlap(bodies).value == report.max_family_jaccard
    assert split_overlap(bodies).value == report.max_split_jaccard
