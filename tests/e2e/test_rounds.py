"""Rounds: what each draws, learns, pays and records, on a tiny model and on the exact policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rsft_bench import reports
from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.policies.categorical import CATEGORICAL
from rsft_bench.harness.policies.choices import read_prompt
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.runner import run
from rsft_bench.harness.store import Store
from rsft_bench.reports.analysis import analyse
from rsft_bench.reports.sections_rounds import rounds

TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
ONE = "rsft[accept=argmax,k=4,lambda=1]"
TWO = "rsft[accept=argmax,k=4,lambda=1,rounds=2]"
THREE = "rsft[accept=argmax,k=4,lambda=1,rounds=3]"
ON = "rsft[accept=argmax,init=continue,k=4,lambda=1,rounds=3]"
GROWN = "rsft[accept=argmax,k=4,lambda=1,pool=growing,rounds=2]"
RISEN = "rsft[accept=threshold,k=4,lambda=inf,rise=0.5,rounds=2,target_rate=0.5]"
BLIND = f"rsft[accept=random,k=4,lambda=inf,match={RISEN},rounds=2]"
STEPS = 4


def config(folder: Path, **changes: Any) -> Any:
    raw: dict[str, Any] = {
        "policies": [{"name": "causal_lm", "path": str(folder)}],
        "suites": [{"name": "toy", "n": 12}],
        "seeds": [0],
        "variants": ["sft", "sft_more", ONE, TWO, THREE, ON, GROWN, RISEN, BLIND],
        "primary": ONE,
        "pool": {"max_new_tokens": 6},
        "training": {"lr": 1e-2, "batch": 4, "sft_steps": 4, "steps": STEPS},
        "reward": {"n_label": 24},
        "evaluation": {
            **{"draws": 1, "best_of_draws": 1, "primary_draws": 1, "temperatures": []},
            "serve_prompts": 0,
        },
    }
    return parse_config({**raw, **changes})


@pytest.fixture(scope="module")
def done(tiny_lm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("rounds") / "out"
    run(config(tiny_lm_folder), TOY, out, workers=0, cache=out.parent / "cache")
    return RunFolder(out)


def drawn(done: RunFolder, variant: str) -> pd.DataFrame:
    """The pools of a variant, k of each."""
    pool = done.pool()
    first = (pool["proposal"] == "sft[temperature=1]") & (pool["round"] == 0)
    return pool[(first | (pool["proposal"] == f"{variant}[temperature=1]")) & (pool["draw"] < 4)]


def accepted(done: RunFolder, variant: str) -> pd.DataFrame:
    found = done.selected()
    return found[found["variant"] == variant]


def test_every_round_draws_a_pool_of_its_own(done: RunFolder) -> None:
    pool = drawn(done, THREE)
    assert pool.groupby("round").size().to_dict() == {0: 48, 1: 48, 2: 48}
    texts = [part["text"].tolist() for _, part in pool.groupby("round")]
    assert texts[0] != texts[1] != texts[2]
    # A restarted round is the policy that fewer rounds end with, so they share its pool.
    two = drawn(done, TWO)
    assert two[two["round"] == 1]["text"].tolist() == texts[1]
    assert pool[pool["round"] > 0]["logprob_ref"].isna().all()
    assert pool[pool["round"] == 0]["logprob_ref"].notna().all()


@pytest.mark.parametrize("variant", [TWO, THREE, ON, GROWN])
def test_every_round_accepts_the_best_of_its_own_pool(done: RunFolder, variant: str) -> None:
    mine, pool = accepted(done, variant), drawn(done, variant)
    best = pool.groupby(["round", "example_id"])["proxy"].max()
    chosen = mine.merge(pool, on=["round", "example_id", "draw"])
    assert len(chosen) == len(mine) == len(best)
    assert (chosen.set_index(["round", "example_id"])["proxy"].sort_index() == best).all()
    first = mine[mine["round"] == 0][["example_id", "draw"]].to_numpy().tolist()
    assert first == accepted(done, ONE)[["example_id", "draw"]].to_numpy().tolist()


def test_the_served_policy_has_taken_as_many_steps_as_every_arm(done: RunFolder) -> None:
    cells = done.cells().set_index("variant")
    assert (cells["steps"].drop("sft") == STEPS).all()
    # Three rounds that share four steps read D once as often as one that takes them all.
    assert cells.loc[ON, "epochs_d"] == cells.loc[THREE, "epochs_d"] == STEPS * 4 / 36
    assert cells["policy_fingerprint"].nunique() == len(cells)


def test_an_arm_pays_for_all_its_rounds(done: RunFolder) -> None:
    cells = done.cells().set_index("variant")
    for variant in (ONE, TWO, THREE, ON):
        labelled = (
            cells.loc[ONE, "sample_tokens"]
            - drawn(done, ONE)[drawn(done, ONE)["round"] == 0]["tokens_out"].sum()
        )
        assert cells.loc[variant, "sample_tokens"] - labelled == (
            drawn(done, variant)["tokens_out"].sum()
        )
    assert cells.loc[THREE, "train_flops"] == pytest.approx(
        3 * cells.loc[ONE, "train_flops"], rel=0.2
    )
    # Rounds that go on share one budget of steps.
    assert cells.loc[ON, "train_flops"] == pytest.approx(cells.loc[ONE, "train_flops"], rel=0.2)
    assert cells.loc[THREE, "gold_labels"] == cells.loc[ONE, "gold_labels"] == 24


def test_a_growing_pool_is_one_set_of_all_rounds(done: RunFolder) -> None:
    grown, fresh = accepted(done, GROWN), accepted(done, TWO)
    cells = done.cells().set_index("variant")
    assert cells.loc[GROWN, "rows_a"] == 24
    assert cells.loc[TWO, "rows_a"] == 12
    # Two accepted answers a prompt share the weight that one has alone.
    assert np.allclose(grown.groupby("example_id")["row_weight"].sum(), fresh["row_weight"].iloc[0])
    assert np.allclose(grown["row_weight"], fresh["row_weight"].iloc[0] / 2)


def test_a_rising_threshold_and_its_control(done: RunFolder) -> None:
    mine, control = accepted(done, RISEN), accepted(done, BLIND)
    assert mine.groupby("round")["count"].sum().to_dict() == {0: 24, 1: 12}
    by = ["round", "example_id"]
    pd.testing.assert_series_equal(
        mine.groupby(by)["count"].sum(), control.groupby(by)["count"].sum()
    )
    assert (
        mine[["round", "draw"]].to_numpy().tolist()
        != control[["round", "draw"]].to_numpy().tolist()
    )


def test_a_second_run_draws_and_learns_the_same(
    done: RunFolder, tiny_lm_folder: Path, tmp_path: Path
) -> None:
    again = config(tiny_lm_folder, variants=["sft", ONE, ON, GROWN])
    run(again, TOY, tmp_path / "out", workers=0, cache=tmp_path / "cache")
    second = RunFolder(tmp_path / "out")
    for variant in (ON, GROWN):
        pd.testing.assert_frame_equal(
            drawn(done, variant).reset_index(drop=True),
            drawn(second, variant).reset_index(drop=True),
        )
        prints = [f.cells().set_index("variant").loc[variant] for f in (done, second)]
        assert prints[0]["policy_fingerprint"] == prints[1]["policy_fingerprint"]


def test_the_report_covers_rounds(done: RunFolder) -> None:
    found = analyse(done)
    audits = {a.variant: a for a in found.suites[0].audits}
    assert set(audits) == {ONE, TWO, THREE, ON, GROWN, RISEN, BLIND}
    assert audits[RISEN].accept_rate == pytest.approx(0.25)
    assert audits[GROWN].accept_rate == pytest.approx(0.25)
    (path,) = reports.write(done, ("md",), out=done.path.parent / "report")
    assert "Rounds" in path.read_text()


def test_the_report_tells_each_round(done: RunFolder) -> None:
    found = analyse(done)
    section = rounds(found)
    assert section is not None
    facts = {(r.variant, r.number): r for r in found.suites[0].rounds}
    counts = {TWO: 2, THREE: 3, ON: 3, GROWN: 2, RISEN: 2, BLIND: 2}
    assert set(facts) == {(v, n) for v, count in counts.items() for n in range(1, count + 1)}
    assert facts[RISEN, 1].accepted == 0.5
    assert facts[RISEN, 2].accepted == 0.25
    for turn in range(3):
        pool = drawn(done, THREE).query(f"round == {turn}")
        chosen = accepted(done, THREE).merge(pool, on=["round", "example_id", "draw"])
        told = facts[THREE, turn + 1]
        assert told.passed == pytest.approx(pool["gold_pass"].mean())
        assert told.proxy == pytest.approx(pool["proxy"].mean())
        assert told.precision == pytest.approx(chosen["gold_pass"].mean())
        assert told.overstated == pytest.approx(chosen["proxy"].mean() - chosen["gold_pass"].mean())
        assert (told.coverage, told.of) == (1.0, 3)
    table = section.blocks[1]
    assert table.kind == "table"
    assert len(table.rows) == len(facts)


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("rsft[init=continue]", "does nothing with one round"),
        ("rsft[pool=growing]", "does nothing with one round"),
        ("rsft[accept=threshold,tau=0.5,rise=0.1]", "does nothing with one round"),
        ("rsft[rounds=2,rise=0.1]", "does not read rise"),
        ("rsft[rounds=2,lambda=0]", "use sft_more"),
        ("rsft[rounds=2,mix=base]", "leave one of them out"),
        ("rsft[accept=threshold,target_rate=0.5,rise=1,rounds=2]", "in \\(0, 1\\)"),
        ("rsft[accept=threshold,tau=-inf,rise=1,rounds=2]", "does not rise"),
        (f"rsft[accept=random,match={ONE},rounds=2]", "as many rounds"),
        ("rsft[negative=unlikelihood,pool=growing,rounds=2]", "a later round may reject"),
        ("rsft[init=continue,rounds=9]", "at least one step a round"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(
    tiny_lm_folder: Path, tmp_path: Path, variant: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        run(
            config(tiny_lm_folder, variants=["sft", ONE, variant]),
            *(TOY, tmp_path / "out"),
            workers=0,
            cache=tmp_path / "cache",
        )


# -- the exact policy --------------------------------------------------------------------------

ALONE = "rsft[accept=argmax,init=continue,k=3,lambda=inf,oracle=true,rounds=3]"
AGAIN = "rsft[accept=argmax,k=3,lambda=inf,oracle=true,rounds=3]"
MIXED = "rsft[accept=argmax,k=3,lambda=2,oracle=true,pool=growing,rounds=3]"


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("exact")
    raw = {
        "policies": [{"name": "categorical", "concentration": 0.7, "seed": 1}],
        "suites": [{"name": "synthetic_choices", "n_train": 48, "n_select": 60, "n_confirm": 60}],
        "seeds": [0],
        "variants": ["sft", ALONE, AGAIN, MIXED],
        "primary": None,
        "training": {"sft_steps": 1, "steps": 3},
        "reward": {"n_label": 96},
        "evaluation": {
            **{"draws": 1, "best_of_draws": 1, "primary_draws": 1, "temperatures": []},
            "serve_prompts": 0,
        },
        "gate": {"variants": ["sft"]},
    }
    run(parse_config(raw), Catalog(), folder / "out", workers=0, cache=folder / "cache")
    return RunFolder(folder / "out")


def tables(done: RunFolder, variant: str) -> dict[str, dict[str, float]]:
    store = Store(done.path.parent / "cache")
    digest = done.cells().set_index("variant").loc[variant, "policy_fingerprint"]
    found = [store.find(key) for key, *_ in store.entries()]
    folder = next(a.folder for a in found if a is not None and a.digest == digest)
    policy = json.loads((folder / "policy.json").read_text())
    loaded = CATEGORICAL.restore(policy["options"], folder / "state")
    return {c: dict(zip(t.answers, t.probabilities, strict=True)) for c, t in loaded.tables.items()}


def law(rows: pd.DataFrame) -> pd.Series:
    """Share of (context, text) in its context: prompts alike, a prompt's answers by count."""
    mass = rows["count"] / rows.groupby("example_id")["count"].transform("sum")
    whole = mass.groupby([rows["context"], rows["text"]]).sum()
    return whole / whole.groupby(level=0).transform("sum")


def story(done: RunFolder, variant: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(pools, accepted rows) of a variant with their contexts."""
    pool = done.pool()
    mine = pool["proposal"].isin(["sft[temperature=1]", f"{variant}[temperature=1]"])
    prompts = done.examples().set_index("example_id")["prompt"]
    pool = pool[mine & (pool["draw"] < 3)]
    pool = pool.assign(context=[read_prompt(prompts[i]).context for i in pool["example_id"]])
    chosen = accepted(done, variant).merge(pool, on=["round", "example_id", "draw"])
    return pool, chosen


@pytest.mark.parametrize("variant", [ALONE, AGAIN])
def test_exact_rounds_follow_from_their_own_pools(exact: RunFolder, variant: str) -> None:
    """Each round's law is the shares of the best of its pool; the next is drawn from that law."""
    pool, chosen = story(exact, variant)
    best = pool.groupby(["round", "example_id"])["gold"].max()
    assert (chosen.set_index(["round", "example_id"])["gold"].sort_index() == best).all()
    assert len(chosen) == len(best) == 3 * 48
    for turn in (0, 1):
        learnt, then = law(chosen[chosen["round"] == turn]), pool[pool["round"] == turn + 1]
        expected = np.log(learnt.loc[list(zip(then["context"], then["text"], strict=True))])
        assert np.allclose(then["logprob"], expected, rtol=0, atol=1e-9)
    last = law(chosen[chosen["round"] == 2])
    for context, row in tables(exact, variant).items():
        for answer, p in row.items():
            assert p == pytest.approx(last.get((context, answer), 0.0), abs=1e-9)
    gold = pool.groupby("round")["gold"].mean()
    assert gold[0] + 0.1 < gold[1] < gold[2]


def test_an_exact_fit_forgets_where_it_started(exact: RunFolder) -> None:
    assert tables(exact, ALONE) == tables(exact, AGAIN)


def test_an_exact_growing_pool_is_the_mixture_of_all_rounds(exact: RunFolder) -> None:
    """(D + 2 A) / 3 with A of all rounds; every prompt of D is covered in each."""
    _, chosen = story(exact, MIXED)
    grown, start = law(chosen), tables(exact, "sft")
    for context, row in tables(exact, MIXED).items():
        for answer, p in row.items():
            expected = (start[context][answer] + 2 * grown.get((context, answer), 0.0)) / 3
            assert p == pytest.approx(expected, abs=1e-9)
