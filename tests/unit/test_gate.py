"""The gate on synthetic runs: verdicts, scopes, failing closed, baselines, the summaries."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic_run import PRIMARY, write_synthetic_run

from rsft_bench.harness.errors import ConfigError, DataError, NotComparableError, UserError
from rsft_bench.harness.gate import GateResult, load_baseline, run_gate, save_baseline
from rsft_bench.harness.gate.advice import shrinkage
from rsft_bench.harness.gate.decision import judge, judge_checks
from rsft_bench.harness.gate.gate import _one_sided
from rsft_bench.harness.gate.result import Check
from rsft_bench.harness.runfolder import read_json, write_json, write_table
from rsft_bench.harness.seeding import stream
from rsft_bench.harness.statistics import holm, two_way_effect
from rsft_bench.reports.junit import junit_xml

SUITE = "order_status"


def write_run(out: Path, rng_seed: int, seeds: int) -> Path:
    """A synthetic run cut down to what the gate reads."""
    write_synthetic_run(
        out,
        suites=(SUITE,),
        seeds=range(seeds),
        rng_seed=rng_seed,
        per_cluster=4,
        seed_sd=0.01,
        results=False,
    )
    for name in ("rows", "cells"):
        frame = pd.read_parquet(out / f"{name}.parquet")
        write_table(out, name, only(lambda f: f["variant"].isin(["sft", PRIMARY]))(frame))
    for name in ("pool", "selected"):
        (out / f"{name}.parquet").unlink()
    return out


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 10 seeds, the one of which the baseline is made."""
    return write_run(tmp_path_factory.mktemp("recorded"), rng_seed=0, seeds=10)


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same program trained again with 5 seeds: other weights, other draws."""
    return write_run(tmp_path_factory.mktemp("retrained"), rng_seed=1, seeds=5)


@pytest.fixture(scope="module")
def baseline(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("baseline")
    save_baseline(recorded, out)
    return out


Edit = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def altered(tmp_path: Path) -> Callable[..., Path]:
    """Copy a run with edits of its tables (rows=..., cells=..., examples=...) and manifest.

    There is one copy at a time: a second call needs the first one's folder removed.
    """

    def copy(run: Path, manifest: dict[str, object] | None = None, **edits: Edit) -> Path:
        out = tmp_path / "altered"
        shutil.copytree(run, out)
        for name, edit in edits.items():
            write_table(out, name, edit(pd.read_parquet(out / f"{name}.parquet")))
        write_json(out / "manifest.json", read_json(out / "manifest.json") | (manifest or {}))
        return out

    return copy


def lose(share: float, variant: str = PRIMARY) -> Edit:
    """Make every pass of one variant fail with a probability that costs ``share`` overall."""

    def edit(rows: pd.DataFrame) -> pd.DataFrame:
        at = (rows["variant"] == variant).to_numpy()
        rate = rows.loc[at, "gold_pass"].mean()
        hit = stream(0, "damage").random(len(rows)) < share / rate
        return rows.assign(gold_pass=rows["gold_pass"].to_numpy() & ~(at & hit))

    return edit


def only(keep: Callable[[pd.DataFrame], pd.Series]) -> Edit:
    return lambda frame: frame[keep(frame)].reset_index(drop=True)


def test_a_run_passes_its_own_baseline_as_an_artifact(recorded: Path, baseline: Path) -> None:
    result = run_gate(recorded, baseline)
    assert (result.verdict, result.exit_code) == ("pass", 0)
    assert {c.scope for c in result.checks} == {"artifact"}
    assert {(c.variant, c.metric) for c in result.checks} == {
        ("sft", "gold_pass"),
        (PRIMARY, "gold_pass"),
    }
    assert all(c.estimate == c.lower == 0.0 for c in result.checks)
    assert not any(c.changed for c in result.costs)
    assert {c.rule for c in result.costs} == {"exact"}


def test_a_retrained_program_passes_as_a_recipe(retrained: Path, baseline: Path) -> None:
    result = run_gate(retrained, baseline)
    assert result.verdict == "pass"
    for check in result.checks:
        assert check.scope == "recipe"
        assert (check.n, check.clusters, check.seeds, check.baseline_seeds) == (120, 30, 5, 10)
        assert check.margin == 0.05
        assert check.lower is not None
        assert -0.05 < check.lower < check.estimate
    assert {c.rule for c in result.costs} == {"2 %"}
    assert {c.verdict for c in result.shown} == {"shown"}
    assert "gold" in {c.metric for c in result.shown}


def test_the_estimate_is_the_plain_difference_of_means(
    retrained: Path, recorded: Path, baseline: Path
) -> None:
    means = []
    for run in (retrained, recorded):
        rows = pd.read_parquet(run / "rows.parquet").query("split == 'confirm'")
        means.append(rows[rows["variant"] == PRIMARY]["gold_pass"].mean())
    check = next(c for c in run_gate(retrained, baseline).checks if c.variant == PRIMARY)
    assert check.estimate == pytest.approx(means[0] - means[1])


@pytest.mark.parametrize("scope", ["recipe", "artifact"])
def test_damage_of_twice_the_margin_is_blocked(
    scope: str, retrained: Path, recorded: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    margin = load_baseline(baseline).margin(scope)
    run = altered(retrained if scope == "recipe" else recorded, rows=lose(2 * margin))
    result = run_gate(run, baseline)
    assert (result.verdict, result.exit_code) == ("regression", 1)
    hurt = {c.variant: c for c in result.checks}
    assert hurt[PRIMARY].verdict == "regression"
    assert hurt[PRIMARY].scope == scope
    assert hurt[PRIMARY].estimate == pytest.approx(-2 * margin, abs=0.03)
    assert hurt["sft"].verdict == "pass"


def test_a_policy_that_lost_everything_is_blocked_and_one_that_gained_everything_passes(
    recorded: Path, baseline: Path, altered: Callable[..., Path], tmp_path: Path
) -> None:
    full = altered(recorded, rows=lambda r: r.assign(gold_pass=True))
    save_baseline(full, tmp_path / "full")
    lost = run_gate(recorded, baseline)
    assert lost.verdict == "pass"
    rows = pd.read_parquet(full / "rows.parquet").assign(gold_pass=False)
    write_table(full, "rows", rows)
    result = run_gate(full, tmp_path / "full")
    assert result.verdict == "regression"
    # Constant difference: exact bounds. 30 clusters: at most 1 - .05^(1/30) of new ones differ.
    share = 0.05 ** (1 / 30)
    assert result.checks[0].upper == pytest.approx(-share + (1 - share))
    assert result.checks[0].p == pytest.approx(0.5**30)


def test_an_estimate_between_is_inconclusive_and_says_what_would_settle_it(
    retrained: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    clean = next(c for c in run_gate(retrained, baseline).checks if c.variant == PRIMARY)
    result = run_gate(altered(retrained, rows=lose(0.045 + clean.estimate)), baseline)
    assert (result.verdict, result.exit_code) == ("inconclusive", 3)
    assert any(PRIMARY in a and "seeds: " in a for a in result.advice)


def test_advice_below_the_margin_asks_for_what_holm_asks_for() -> None:
    base = Check(
        *("s", "p", "v", "m", "recipe", -0.09, -0.16, -0.02, 0.016, 0.064),
        *(150, 30, 5, 10, 0.05, "inconclusive"),
    )
    # Four checks, none rejected: p must fall below .05 / 4; t_.9875,30 = 2.360.
    checks = [base, *(replace(base, estimate=0.0, p=0.5, p_adj=1.0) for _ in range(3))]
    assert shrinkage(base, 0.04, 30.0, checks) == pytest.approx(0.09 / (2.360 * 0.04), abs=1e-3)
    # One of them is rejected (and lies within the margin): .05 / 3; t_.98333,30 = 2.231.
    checks[1] = replace(base, estimate=-0.03, p=0.001, p_adj=0.004)
    ratio = shrinkage(base, 0.04, 30.0, checks)
    assert ratio == pytest.approx(0.09 / (2.231 * 0.04), abs=1e-3)
    # Above the margin a pass is in reach, whose bound has no correction: t_.95,30 = 1.697.
    above = replace(base, estimate=-0.02)
    assert shrinkage(above, 0.04, 30.0, checks) == pytest.approx(0.03 / (1.697 * 0.04), abs=1e-3)


@pytest.mark.parametrize(("change", "word"), [(0.999, "regression"), (1.001, "inconclusive")])
def test_a_standard_error_shrunk_as_advised_settles_the_check(change: float, word: str) -> None:
    p = [stats.t.cdf(-0.09 / 0.05, 30), 0.5, 0.001, 0.9]
    adjusted = holm(np.array(p))
    checks = [
        Check(
            *("s", "p", "v", str(i), "recipe", -0.09, None, None, p[i], float(adjusted[i])),
            *(150, 30, 5, 10, 0.05, "inconclusive"),
        )
        for i in range(4)
    ]
    p[0] = stats.t.cdf(-0.09 / (0.05 * change * shrinkage(checks[0], 0.05, 30.0, checks)), 30)
    words = judge_checks(np.array([-0.09, 0, -0.03, 0]), np.full(4, -1.0), np.array(p), 0.05)
    assert words[0] == word


def failing(texts: str) -> Edit:
    """Every answer fails, with texts of one's own."""
    return lambda rows: rows.assign(gold_pass=False, gold=0.0, text=texts + rows["text"])


def test_other_answers_that_all_fail_are_not_identical(
    recorded: Path, retrained: Path, altered: Callable[..., Path], tmp_path: Path
) -> None:
    saved = altered(recorded, rows=failing("then "))
    save_baseline(saved, tmp_path / "b")
    assert run_gate(saved, tmp_path / "b").verdict == "pass"  # these rows are the baseline's own
    shutil.rmtree(saved)
    for run, scope in ((retrained, "recipe"), (recorded, "artifact")):
        result = run_gate(altered(run, rows=failing("now ")), tmp_path / "b")
        shutil.rmtree(tmp_path / "altered")
        assert result.verdict == "inconclusive"
        for check in result.checks:
            assert (check.scope, check.estimate) == (scope, 0.0)
            # 30 clusters without a difference: at most 1 - .05^(1/30) of new ones lose everything.
            assert check.lower == pytest.approx(-(1 - 0.05 ** (1 / 30)))
        # .05^(1/C) > 1 - margin: C > ln .05 / ln .95 = 58.4, ln .05 / ln .97 = 98.4.
        wanted = {"recipe": 59, "artifact": 99}[scope]
        assert any(
            f"every difference is +0; {wanted} clusters (now 30)" in a for a in result.advice
        )


def test_equal_texts_with_other_values_are_not_identical(
    recorded: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    result = run_gate(altered(recorded, rows=lose(0.02)), baseline)
    hurt = {c.variant: c for c in result.checks}
    assert hurt["sft"].lower == 0.0
    assert hurt[PRIMARY].lower is not None
    assert hurt[PRIMARY].lower < hurt[PRIMARY].estimate < 0


def test_other_draws_of_the_same_weights_are_not_comparable(
    recorded: Path, retrained: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    def moved(rows: pd.DataFrame) -> pd.DataFrame:
        at = first_example(rows) & (rows["seed"] == 3) & (rows["variant"] == "sft")
        return rows.assign(draw=rows["draw"].where(~at | (rows["draw"] > 0), 99))

    def fewer(rows: pd.DataFrame) -> pd.DataFrame:
        kept = rows[(rows["variant"] != "sft") | (rows["draw"] < 8)]
        half = kept["weight"].where(kept["variant"] != "sft", 1 / 8)
        return kept.assign(weight=half).reset_index(drop=True)

    for edit, count, first in ((moved, 1, "seed 3"), (fewer, 1200, "seed 0")):
        run = altered(recorded, rows=edit)
        result = run_gate(run, baseline)
        shutil.rmtree(run)
        assert (result.verdict, result.exit_code) == ("not comparable", 3)
        (why,) = result.reasons
        assert f"draws differ from the baseline's for {count} answers" in why
        assert first in why
    assert run_gate(altered(retrained, rows=fewer), baseline).verdict == "pass"


def test_an_example_without_gold_counts_neither_as_a_pass_nor_as_a_failure(
    recorded: Path, retrained: Path, altered: Callable[..., Path], tmp_path: Path
) -> None:
    def no_gold(rows: pd.DataFrame) -> pd.DataFrame:
        at = first_example(rows)
        return rows.assign(gold=rows["gold"].where(~at), gold_pass=rows["gold_pass"] & ~at)

    saved = altered(recorded, rows=no_gold)
    save_baseline(saved, tmp_path / "b")
    shutil.rmtree(saved)
    result = run_gate(altered(retrained, rows=no_gold), tmp_path / "b")
    means = []
    for run in (retrained, recorded):
        rows = pd.read_parquet(run / "rows.parquet")
        rows = rows[(rows["split"] == "confirm") & ~first_example(rows)]
        means.append(rows[rows["variant"] == PRIMARY]["gold_pass"].mean())
    check = next(c for c in result.checks if c.variant == PRIMARY)
    assert check.n == 119
    assert check.estimate == pytest.approx(means[0] - means[1])
    one_side = run_gate(retrained, tmp_path / "b")
    assert one_side.verdict == "not comparable"
    assert "'gold_pass' is missing for other examples" in one_side.reasons[0]


def test_two_seeds_cannot_judge_a_recipe(
    retrained: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    keep = only(lambda f: f["seed"] < 2)
    run = altered(retrained, {"seeds": [0, 1]}, rows=keep, cells=keep)
    result = run_gate(run, baseline)
    assert result.verdict == "inconclusive"
    assert "scope recipe needs 3 seeds a side, has 2 and 10" in result.checks[0].reasons
    assert result.checks[0].p is None


def test_a_partly_equal_run_is_a_recipe(
    recorded: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    def other(cells: pd.DataFrame) -> pd.DataFrame:
        changed = cells["policy_fingerprint"].where(cells["seed"] > 0, "elsewhere")
        return cells.assign(policy_fingerprint=changed)

    result = run_gate(altered(recorded, cells=other), baseline)
    assert {c.scope for c in result.checks} == {"recipe"}


def renamed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(suite="orders")


def suites(run: Path, **change: object) -> list[dict[str, object]]:
    return [s | change for s in read_json(run / "manifest.json")["suites"]]


def policies(run: Path, **change: object) -> list[dict[str, object]]:
    return [s | change for s in read_json(run / "manifest.json")["policies"]]


def first_example(frame: pd.DataFrame) -> pd.Series:
    confirm = frame[frame["split"] == "confirm"]
    return frame["example_id"] == confirm["example_id"].iloc[0]


CASES: dict[str, tuple[Callable[[Path], dict[str, object]], dict[str, Edit], str]] = {
    "suite renamed": (
        lambda run: {"suites": suites(run, name="orders")},
        {"rows": renamed, "cells": renamed, "examples": renamed},
        "suite 'order_status' is missing or renamed; the run has: orders",
    ),
    "no suites": (lambda run: {"suites": []}, {}, "the run has: none"),
    "suite version": (
        lambda run: {"suites": suites(run, version="2")},
        {},
        "suite 'order_status': version 2, baseline 1",
    ),
    "contents": (
        lambda run: {},
        {"examples": lambda e: e.assign(prompt=e["prompt"] + " ")},
        "contents differ at one version",
    ),
    "policy version": (
        lambda run: {"policies": policies(run, version="2")},
        {},
        "policy 'nano-1': version 2, baseline 1",
    ),
    "base weights": (
        lambda run: {"policies": policies(run, fingerprint="other")},
        {},
        "policy 'nano-1': base weights differ",
    ),
    "policy missing": (
        lambda run: {"policies": policies(run, name="nano-2")},
        {},
        "policy 'nano-1' is missing",
    ),
    "variant missing": (
        lambda run: {},
        {"rows": only(lambda r: r["variant"] != PRIMARY)},
        f"{PRIMARY}: no rows on split confirm",
    ),
    "example missing": (
        lambda run: {},
        {"rows": only(lambda r: ~first_example(r))},
        "1 examples are on one side only, first order_status/confirm/0000",
    ),
    "example missing at one seed": (
        lambda run: {},
        {"rows": only(lambda r: ~(first_example(r) & (r["seed"] == 2)))},
        "seed 2 lacks 1 examples",
    ),
    "draw missing": (
        lambda run: {},
        {"rows": only(lambda r: ~(first_example(r) & (r["draw"] == 1)))},
        "draws are missing for 5 answers",
    ),
    "seed missing": (
        lambda run: {},
        {"rows": only(lambda r: r["seed"] != 4)},
        "rows or cells are missing for some of seeds [0, 1, 2, 3, 4]",
    ),
    "cluster moved": (
        lambda run: {},
        {"rows": lambda r: r.assign(cluster=r["cluster"].where(~first_example(r), "confirm-29"))},
        "examples moved between clusters",
    ),
    "partial run": (lambda run: {"status": "partial"}, {}, "run is 'partial', not complete"),
    "schema": (lambda run: {"schema_version": 99}, {}, "run has schema_version 99"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_gate_fails_closed(
    case: str, retrained: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    manifest, edits, message = CASES[case]
    result = run_gate(altered(retrained, manifest(retrained), **edits), baseline)
    assert (result.verdict, result.exit_code) == ("not comparable", 3)
    assert any(message in why for why in result.reasons), result.reasons
    assert result.checks == ()
    report = ET.fromstring(junit_xml(result.to_dict()))
    assert report.find("testsuite").attrib["errors"] == "1"  # type: ignore[union-attr]
    assert "### Why" in result.markdown()


def test_every_reason_is_listed(
    retrained: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    change = {
        "suites": suites(retrained, version="2"),
        "policies": policies(retrained, version="3"),
    }
    found = run_gate(altered(retrained, change), baseline).reasons
    assert len(found) == 2


def test_a_baseline_of_another_schema_is_not_comparable(
    retrained: Path, baseline: Path, tmp_path: Path
) -> None:
    shutil.copytree(baseline, tmp_path / "old")
    info = read_json(tmp_path / "old" / "baseline.json")
    write_json(tmp_path / "old" / "baseline.json", info | {"schema_version": 0})
    result = run_gate(retrained, tmp_path / "old")
    assert result.verdict == "not comparable"
    assert "baseline has schema_version 0" in result.reasons[0]


def test_a_metric_missing_from_the_run_is_not_comparable(
    recorded: Path, retrained: Path, altered: Callable[..., Path], tmp_path: Path
) -> None:
    config = read_json(recorded / "manifest.json")["config"]
    gate = {"metrics": ["gold_pass", "harm_overpromise"], "margin": 0.1}
    saved = altered(recorded, {"config": config | {"gate": gate}})
    save_baseline(saved, tmp_path / "two")
    assert {c.metric for c in run_gate(saved, tmp_path / "two").checks} == set(gate["metrics"])  # type: ignore[call-overload]
    rows = pd.read_parquet(retrained / "rows.parquet").drop(columns="harm_overpromise")
    shutil.rmtree(saved)
    result = run_gate(altered(retrained, rows=lambda _: rows), tmp_path / "two")
    assert result.verdict == "not comparable"
    assert all("metric 'harm_overpromise' is missing" in why for why in result.reasons)


def test_more_harm_counts_as_worse(
    recorded: Path, retrained: Path, altered: Callable[..., Path], tmp_path: Path
) -> None:
    config = read_json(recorded / "manifest.json")["config"]
    gate = {"metrics": ["harm_overpromise"], "variants": ["sft"], "margin": 0.05}
    saved = altered(recorded, {"config": config | {"gate": gate}})
    save_baseline(saved, tmp_path / "harm")
    shutil.rmtree(saved)
    run = altered(retrained, rows=lambda r: r.assign(harm_overpromise=1.0))
    assert run_gate(run, tmp_path / "harm").verdict == "regression"


def test_the_margin_stored_is_the_one_asked_for_or_accepted(
    retrained: Path, altered: Callable[..., Path], tmp_path: Path
) -> None:
    keep = only(lambda f: f["seed"] < 3)
    small = altered(retrained, {"seeds": [0, 1, 2]}, rows=keep, cells=keep)
    with pytest.raises(NotComparableError, match=r"only at a margin of 0\.\d+, asked 0.05") as why:
        save_baseline(small, tmp_path / "b", run_seeds=3)
    assert why.value.exit_code == 3
    for word in ("seeds: ", "examples: ", "draws: ", "--accept-margin"):
        assert word in str(why.value)
    assert not (tmp_path / "b").exists()
    saved = save_baseline(small, tmp_path / "b", accept_margin=0.1, run_seeds=3)
    # What is in force is the computed margin up to the next .005, not the .1 that was accepted.
    assert 0.05 < max(saved.computed.values()) <= saved.recipe < 0.1
    assert saved.recipe - max(saved.computed.values()) < 0.005
    assert saved.recipe * 200 == pytest.approx(round(saved.recipe * 200))
    stored = read_json(tmp_path / "b" / "baseline.json")["margins"]
    assert (stored["asked"], stored["accepted"], stored["recipe"]) == (0.05, 0.1, saved.recipe)
    just = math.floor(saved.computed["recipe"] * 1e6 + 1) / 1e6
    capped = save_baseline(small, tmp_path / "b", accept_margin=just, run_seeds=3)
    assert capped.recipe == just
    assert saved.artifact < saved.recipe
    assert "wider than asked" in saved.warnings[0]


def test_two_seeds_make_no_baseline(
    retrained: Path, altered: Callable[..., Path], tmp_path: Path
) -> None:
    keep = only(lambda f: f["seed"] < 2)
    small = altered(retrained, {"seeds": [0, 1]}, rows=keep, cells=keep)
    with pytest.raises(NotComparableError, match="at least 3 seeds a side"):
        save_baseline(small, tmp_path / "b", accept_margin=0.1)


@pytest.mark.parametrize("margin", [0.0, 0.11, -0.1])
def test_margins_outside_the_range_are_refused(
    margin: float, retrained: Path, baseline: Path, tmp_path: Path
) -> None:
    for kind in ({"margin": margin}, {"accept_margin": margin}):
        with pytest.raises(ConfigError, match=r"not in \(0, 0.1\]"):
            save_baseline(retrained, tmp_path / "b", **kind)
    with pytest.raises(ConfigError, match=r"not in \(0, 0.1\]"):
        run_gate(retrained, baseline, margin)


def test_a_margin_given_to_the_gate_is_used_and_remarked_on(
    retrained: Path, recorded: Path, baseline: Path
) -> None:
    wide = run_gate(retrained, baseline, 0.08)
    assert wide.checks[0].margin == 0.08
    assert "margin 0.08 is wider than the baseline's 0.05" in wide.advice
    narrow = run_gate(retrained, baseline, 0.02)
    assert any("passes 90 times in 100 only at a margin" in a for a in narrow.advice)
    tight = run_gate(recorded, baseline, 0.01)
    assert {c.margin for c in tight.checks} == {0.01}
    note = "with other draws of the same weights at 10 seeds an unchanged program passes 90 times"
    assert any(note in a and a.endswith("this gate uses 0.01") for a in tight.advice)
    assert not any("draws of the same weights" in a for a in run_gate(recorded, baseline).advice)
    stored = load_baseline(baseline).margin("artifact")
    assert run_gate(recorded, baseline, 0.08).checks[0].margin == stored < 0.05


def test_a_partial_run_or_an_absent_variant_makes_no_baseline(
    retrained: Path, altered: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(NotComparableError, match="not complete"):
        save_baseline(altered(retrained, {"status": "partial"}), tmp_path / "b")
    shutil.rmtree(tmp_path / "altered")
    with pytest.raises(ConfigError, match="no primary variant"):
        save_baseline(altered(retrained, {"primary": None}), tmp_path / "b")
    shutil.rmtree(tmp_path / "altered")
    config = {"gate": {"metrics": ["gold_pas"]}}
    with pytest.raises(ConfigError, match="no metric 'gold_pas'"):
        save_baseline(altered(retrained, {"config": config}), tmp_path / "b")


def test_a_baseline_replaces_a_baseline_and_nothing_else(
    recorded: Path, retrained: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no baseline"):
        save_baseline(recorded, tmp_path)
    with pytest.raises(UserError, match="is a file"):
        save_baseline(recorded, tmp_path / "notes.txt")
    save_baseline(recorded, tmp_path / "b")
    first = (tmp_path / "b" / "values.parquet").read_bytes()
    save_baseline(recorded, tmp_path / "b")
    assert (tmp_path / "b" / "values.parquet").read_bytes() == first


def test_a_damaged_baseline_is_refused(baseline: Path, retrained: Path, tmp_path: Path) -> None:
    broken = tmp_path / "b"
    shutil.copytree(baseline, broken)
    values = pd.read_parquet(broken / "values.parquet")
    values.assign(gold_pass=values["gold_pass"] * 0).to_parquet(broken / "values.parquet")
    with pytest.raises(DataError, match="not the file that"):
        run_gate(retrained, broken)
    (broken / "values.parquet").unlink()
    with pytest.raises(UserError, match="is missing"):
        run_gate(retrained, broken)
    with pytest.raises(UserError, match="baseline.json is missing"):
        run_gate(retrained, tmp_path / "nowhere")
    old = pd.read_parquet(baseline / "values.parquet").drop(columns="draw_set")
    old.to_parquet(broken / "values.parquet")
    info = read_json(broken / "baseline.json")
    digest = hashlib.sha256((broken / "values.parquet").read_bytes()).hexdigest()
    write_json(broken / "baseline.json", info | {"values_sha256": digest})
    with pytest.raises(DataError, match="lacks column 'draw_set'; save the baseline again"):
        run_gate(retrained, broken)
    shutil.copytree(baseline, broken, dirs_exist_ok=True)
    info = read_json(broken / "baseline.json")
    write_json(broken / "baseline.json", {k: v for k, v in info.items() if k != "margins"})
    with pytest.raises(DataError, match="not a baseline"):
        run_gate(retrained, broken)
    write_json(broken / "baseline.json", info | {"run": 7})
    with pytest.raises(DataError, match="'run' is no mapping"):
        run_gate(retrained, broken)


def test_changed_counts_are_shown_and_do_not_block(
    recorded: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    run = altered(recorded, cells=lambda c: c.assign(sample_tokens=c["sample_tokens"] + 1))
    result = run_gate(run, baseline)
    changed = [c for c in result.costs if c.changed]
    assert result.verdict == "pass"
    assert {c.cost for c in changed} == {"sample_tokens"}
    assert "sample_tokens" in result.markdown()
    shutil.rmtree(run)
    # Another worker count: 2 % are tolerated, one token in thousands is within them.
    run = altered(
        recorded, {"workers": 7}, cells=lambda c: c.assign(sample_tokens=c["sample_tokens"] + 1)
    )
    held = [c for c in run_gate(run, baseline).costs if c.variant == PRIMARY]
    assert not any(c.changed for c in held)


def test_changes_of_two_seeds_that_cancel_are_changes(
    recorded: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    def shifted(cells: pd.DataFrame) -> pd.DataFrame:
        move = cells["seed"].map({0: 1, 1: -1}).fillna(0).astype(int)
        return cells.assign(evaluate_tokens=cells["evaluate_tokens"] + move)

    result = run_gate(altered(recorded, cells=shifted), baseline)
    found = [c for c in result.costs if c.cost == "evaluate_tokens"]
    assert [(c.rule, c.changed) for c in found] == [("exact", True)] * 2
    assert all(c.run == c.baseline for c in found)


@pytest.mark.parametrize(
    "other", [{"commit": "1" * 40}, {"dirty": True}, {"versions": {"torch": "3"}}, {"workers": 7}]
)
def test_costs_of_another_program_are_compared_at_two_per_cent(
    other: dict[str, object], recorded: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    costs = run_gate(altered(recorded, other), baseline).costs
    assert {(c.rule, c.changed) for c in costs} == {("2 %", False)}


def test_costs_that_nobody_counted_have_not_changed(
    recorded: Path, altered: Callable[..., Path], tmp_path: Path
) -> None:
    saved = altered(recorded, cells=lambda c: c.assign(serve_flops=np.nan))
    save_baseline(saved, tmp_path / "b")
    assert not any(c.changed for c in run_gate(saved, tmp_path / "b").costs)
    assert {c.cost for c in run_gate(recorded, tmp_path / "b").costs if c.changed} == {
        "serve_flops"
    }


def test_a_suite_that_the_baseline_lacks_is_named(
    retrained: Path, baseline: Path, altered: Callable[..., Path]
) -> None:
    both = suites(retrained) + suites(retrained, name="extra")
    result = run_gate(altered(retrained, {"suites": both}), baseline)
    assert result.verdict == "pass"
    assert "suite 'extra' is not in the baseline and was not checked" in result.advice


def test_the_rule_check_by_check() -> None:
    estimate = np.array([0.0, -0.04, -0.2, -0.2, -0.01, 0.0])
    lower = np.array([-0.04, -0.06, -0.3, -0.5, -0.05, -np.inf])
    p = np.array([0.5, 1e-4, 1e-4, 0.03, 0.4, 1.0])
    words = judge_checks(estimate, lower, p, 0.05)
    # Significant within the margin is no regression; .03 is not below .05 after Holm over six;
    # a bound on the margin is not above it; no interval is no pass.
    assert words.tolist() == [
        *("pass", "inconclusive", "regression", "inconclusive"),
        *("inconclusive", "inconclusive"),
    ]
    assert judge(words) == "regression"
    assert judge(words[[0, 0]]) == "pass"
    assert judge(words[[0, 1]]) == "inconclusive"
    assert judge(np.array([], dtype=np.str_)) == "inconclusive"


def test_constant_gains_have_exact_bounds() -> None:
    effect = two_way_effect(np.full(20, 1.0), [f"c{i // 2}" for i in range(20)], [0, 1] * 10)
    share = 0.05 ** (1 / 10)
    lower, upper, p = _one_sided(effect)
    assert lower == pytest.approx(share - (1 - share))
    assert upper == pytest.approx(1.0)
    assert p == 1.0


def test_junit_and_markdown_are_escaped() -> None:
    check = Check(
        *("a<b>&", "p", "rsft[x|y]\x00", "m", "recipe", -0.2, -0.3, -0.1, 0.001, 0.002),
        *(150, 30, 5, 10, 0.05, "regression"),
    )
    others = [replace(check, verdict=v, reasons=('"why"',)) for v in ("inconclusive", "pass")]
    result = GateResult("regression", checks=(check, *others), advice=("<more> seeds",))
    json.dumps(result.to_dict())
    suite = ET.fromstring(junit_xml(result.to_dict())).find("testsuite")
    assert suite is not None
    counts = {k: suite.attrib[k] for k in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "3", "failures": "1", "errors": "0", "skipped": "1"}
    cases = suite.findall("testcase")
    assert cases[0].attrib["classname"] == "gate.a<b>&.p"
    assert "one-sided 95 % lower bound -0.3000" in cases[0][0].attrib["message"]
    assert '"why"' in cases[1][0].attrib["message"]
    assert "rsft[x\\|y]" in result.markdown()
    empty = ET.fromstring(junit_xml({"verdict": "inconclusive", "checks": []}))
    assert len(empty.findall(".//error")) == 1
