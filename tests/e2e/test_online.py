"""Drawing while training: one node that draws, scores, accepts and learns, segment by segment."""

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
from rsft_bench.harness.policies.language_model import load
from rsft_bench.harness.runfolder import STAGES, RunFolder
from rsft_bench.harness.runner import run
from rsft_bench.harness.sampling import sample
from rsft_bench.harness.store import Artifact, Store
from rsft_bench.harness.types import Sampling
from rsft_bench.reports.analysis import analyse

TOY = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
STEPS = 4
OFF = "rsft[accept=argmax,k=8,lambda=1]"
WHOLE = f"rsft[accept=argmax,k=8,lambda=1,online={STEPS}]"
HALF = "rsft[accept=argmax,k=8,lambda=1,online=2]"
ALONE = "rsft[accept=argmax,k=8,lambda=inf,online=1]"
BLIND = "rsft[accept=random,k=8,lambda=1,match=argmax,online=2]"
ANCHORED = "rsft[accept=argmax,anchor=0.5,k=8,lambda=1,online={}]"
SPENT = f"sft_flops[match={HALF}]"


def config(folder: Path, **changes: Any) -> Any:
    raw: dict[str, Any] = {
        "policies": [{"name": "causal_lm", "path": str(folder)}],
        "suites": [{"name": "toy", "n": 12}],
        "seeds": [0],
        "variants": [
            *("sft", "sft_more", OFF, WHOLE, HALF, ALONE, BLIND, SPENT),
            *(ANCHORED.format(STEPS), ANCHORED.format(2)),
            "rsft[accept=argmax,anchor=0.5,k=8,lambda=1]",
        ],
        "primary": OFF,
        "pool": {"max_new_tokens": 6},
        "training": {
            **{"lr": 1e-2, "batch": 4, "sft_steps": 4, "steps": STEPS},
            "checkpoints": [0.5],
        },
        "reward": {"n_label": 24},
        "evaluation": {
            **{"draws": 2, "best_of_draws": 2, "primary_draws": 2, "temperatures": []},
            "serve_prompts": 0,
        },
    }
    return parse_config({**raw, **changes})


@pytest.fixture(scope="module")
def done(tiny_lm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    out = tmp_path_factory.mktemp("online") / "out"
    run(config(tiny_lm_folder), TOY, out, workers=0, cache=out.parent / "cache")
    return RunFolder(out)


def artifact(done: RunFolder, variant: str) -> Artifact:
    """What holds the policy of a variant."""
    store = Store(done.path.parent / "cache")
    digest = done.cells().set_index("variant").loc[variant, "policy_fingerprint"]
    found = [store.find(key) for key, *_ in store.entries()]
    return next(a for a in found if a is not None and a.digest == digest)


def drawn(done: RunFolder, variant: str) -> pd.DataFrame:
    pool = done.pool()
    return pool[pool["proposal"] == f"{variant}[temperature=1]"]


def accepted(done: RunFolder, variant: str) -> pd.DataFrame:
    found = done.selected()
    return found[found["variant"] == variant].drop(columns="variant").reset_index(drop=True)


@pytest.mark.parametrize(
    ("whole", "offline"),
    [
        (WHOLE, OFF),
        (ANCHORED.format(STEPS), "rsft[accept=argmax,anchor=0.5,k=8,lambda=1]"),
    ],
)
def test_one_segment_of_all_steps_is_offline(done: RunFolder, whole: str, offline: str) -> None:
    """The same pool, the same accepted set, and weights bit for bit."""
    weights = [artifact(done, v).folder / "weights" for v in (whole, offline)]
    one, other = ((folder / "model.safetensors").read_bytes() for folder in weights)
    assert one == other
    pd.testing.assert_frame_equal(accepted(done, whole), accepted(done, offline))
    pool = done.pool()
    shared = pool[pool["proposal"] == "sft[temperature=1]"].drop(columns=["proposal"])
    mine = drawn(done, whole).drop(columns=["proposal"])
    by = ["example_id", "draw"]
    pd.testing.assert_frame_equal(
        mine.sort_values(by, ignore_index=True).drop(columns="logprob_ref"),
        shared.sort_values(by, ignore_index=True).drop(columns="logprob_ref"),
    )


def test_every_prompt_is_drawn_for_once(done: RunFolder) -> None:
    pool = drawn(done, HALF)
    assert pool.groupby("round")["example_id"].nunique().to_dict() == {0: 6, 1: 6}
    assert (pool.groupby("example_id").size() == 8).all()
    assert pool["example_id"].nunique() == 12
    assert drawn(done, ALONE).groupby("round")["example_id"].nunique().tolist() == [3] * STEPS


@pytest.mark.parametrize("variant", [HALF, ALONE])
def test_every_segment_accepts_the_best_of_its_own(done: RunFolder, variant: str) -> None:
    chosen = accepted(done, variant).merge(drawn(done, variant), on=["round", "example_id", "draw"])
    best = drawn(done, variant).groupby(["round", "example_id"])["proxy"].max()
    assert len(chosen) == len(best) == 12
    assert (chosen.set_index(["round", "example_id"])["proxy"].sort_index() == best).all()


def test_a_segment_is_drawn_by_the_policy_so_far(done: RunFolder) -> None:
    """Drawn again from the weights kept after two steps; in blocks, as the segment was."""
    folder = artifact(done, HALF).folder
    lm = load(folder / "checkpoints" / "2" / "weights")
    prompts = done.examples().set_index("example_id")["prompt"]
    pool = drawn(done, HALF)
    later = pool[pool["round"] == 1].sort_values(["example_id", "draw"])
    names = list(dict.fromkeys(pool[pool["round"] == 1]["example_id"]))
    again = sample(
        lm, [(n, prompts[n]) for n in names], range(8), Sampling(max_new_tokens=6), 0, "pool-1"
    )
    texts = {(row.example_id, row.draw): (row.text, row.logprob) for row in again}
    found = [texts[n, d] for n, d in zip(later["example_id"], later["draw"], strict=True)]
    assert [text for text, _ in found] == later["text"].tolist()
    assert np.allclose([p for _, p in found], later["logprob"], atol=1e-5)
    first = pool[pool["round"] == 0]
    shared = done.pool().query("proposal == 'sft[temperature=1]'")
    same = first.merge(shared, on=["example_id", "draw"])
    assert (same["text_x"] == same["text_y"]).all()


def test_the_optimizer_and_the_schedule_go_on(done: RunFolder) -> None:
    cells = done.cells().set_index("variant")
    assert (cells["steps"].drop(["sft", SPENT]) == STEPS).all()
    assert cells.loc[HALF, "epochs_d"] == cells.loc[OFF, "epochs_d"]
    assert cells.loc[HALF, "rows_a"] == 12
    assert cells.loc[HALF, "epochs_a"] == pytest.approx(STEPS * 4 / 12)
    assert cells.loc[HALF, "best_step"] in (2, 4)
    report = json.loads((artifact(done, HALF).folder / "fit.json").read_text())
    assert [s["steps"] for s in report["segments"]] == [2, 2]
    # The first two steps learn other rows of A than offline does, at the same learning rates.
    assert len(report["losses"]) == STEPS


def test_drawing_scoring_and_training_are_charged_apart(done: RunFolder) -> None:
    cells = done.cells().set_index("variant")
    half, off = cells.loc[HALF], cells.loc[OFF]
    shared = done.pool().query("proposal == 'sft[temperature=1]'")["tokens_out"].sum()
    labelled = off["sample_tokens"] - shared
    assert half["sample_tokens"] - labelled == drawn(done, HALF)["tokens_out"].sum()
    assert (
        half["score_tokens"] - off["score_tokens"] == half["sample_tokens"] - off["sample_tokens"]
    )
    assert half["sample_flops"] == pytest.approx(off["sample_flops"], rel=0.2)
    assert half["train_flops"] == pytest.approx(off["train_flops"], rel=0.2)
    whole, offline = cells.loc[WHOLE], cells.loc[OFF]
    for name in ("sample_tokens", "score_tokens", "train_tokens", "gold_labels"):
        assert whole[name] == offline[name]
    for name in ("sample_flops", "score_flops", "train_flops"):
        assert whole[name] == pytest.approx(offline[name], rel=1e-12)
    made = artifact(done, HALF)
    parts = made.parts()
    assert set(parts) == {"sample", "score", "train"}
    assert sum(p.flops for p in parts.values()) == pytest.approx(made.cost.flops)
    assert sum(p.wall_s for p in parts.values()) == pytest.approx(made.cost.wall_s)
    assert all(p.wall_s > 0 for p in parts.values())


def test_what_is_spent_adds_up(done: RunFolder) -> None:
    cells, totals = done.cells(), done.manifest()["totals"]
    for stage in STAGES:
        assert cells[f"{stage}_spent_flops"].sum() == pytest.approx(totals[stage]["flops"])
        assert cells[f"{stage}_spent_wall_s"].sum() == pytest.approx(totals[stage]["wall_s"])


def test_a_node_that_is_charged_thrice_is_matched_once(done: RunFolder) -> None:
    cells = done.cells().set_index("variant")
    wanted = sum(cells.loc[HALF, f"{stage}_flops"] for stage in ("sample", "score", "train"))
    step = cells.loc["sft_more", "train_flops"] / STEPS
    assert abs(cells.loc[SPENT, "train_flops"] - wanted) < 2 * step


def test_a_random_control_copies_counts_inside_the_loop(done: RunFolder) -> None:
    mine, control = accepted(done, HALF), accepted(done, BLIND)
    by = ["round", "example_id"]
    assert mine[by].to_numpy().tolist() == control[by].to_numpy().tolist()
    assert mine["draw"].tolist() != control["draw"].tolist()


def test_a_second_run_draws_and_learns_the_same(
    done: RunFolder, tiny_lm_folder: Path, tmp_path: Path
) -> None:
    cfg = config(tiny_lm_folder, variants=["sft", OFF, HALF])
    run(cfg, TOY, tmp_path / "out", workers=0, cache=tmp_path / "cache")
    again = RunFolder(tmp_path / "out")
    prints = [f.cells().set_index("variant").loc[HALF, "policy_fingerprint"] for f in (done, again)]
    assert prints[0] == prints[1]
    pd.testing.assert_frame_equal(
        drawn(done, HALF).reset_index(drop=True), drawn(again, HALF).reset_index(drop=True)
    )


def test_the_report_covers_it(done: RunFolder) -> None:
    audits = {a.variant: a for a in analyse(done).suites[0].audits}
    assert {WHOLE, HALF, ALONE, BLIND} <= set(audits)
    assert audits[HALF].accept_rate == pytest.approx(1 / 8)
    assert audits[HALF].coverage == 1
    assert audits[WHOLE].tokens_each == audits[OFF].tokens_each
    reports.write(done, ("md",), out=done.path.parent / "report")
    told = {(r.variant, r.number): r for r in analyse(done).suites[0].rounds}
    assert [told[ALONE, n].of for n in range(1, STEPS + 1)] == [STEPS] * STEPS
    assert (WHOLE, 1) not in told


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ("rsft[online=2,rounds=2]", "two schedules"),
        ("rsft[online=2,lambda=0]", "use sft_more"),
        ("rsft[online=2,source=base]", "by the policy in training"),
        ("rsft[online=2,mix=base,k=16]", "by the policy in training"),
        ("rsft[online=2,negative=unlikelihood]", "takes no negative"),
        (f"rsft[accept=random,match={OFF},online=2]", "match a rule"),
        ("rsft[online=2,init=continue]", "init=continue is about rounds"),
        ("rsft[online=2,pool=growing]", "pool=growing is about rounds"),
        ("rsft[online=2,pool=growing,rounds=2]", "two schedules"),
        ("rsft[online=0]", "outside"),
    ],
)
def test_what_it_cannot_have_is_refused(tiny_lm_folder: Path, variant: str, words: str) -> None:
    from rsft_bench.harness.spaces import make_plan

    with pytest.raises(ConfigError, match=words):
        make_plan(config(tiny_lm_folder, variants=["sft", OFF, variant]), TOY)


# -- the exact policy --------------------------------------------------------------------------

EXACT = "rsft[accept=argmax,k=4,lambda=inf,online=2,oracle=true]"


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("exact")
    raw = {
        "policies": [{"name": "categorical", "concentration": 0.7, "seed": 1}],
        "suites": [{"name": "synthetic_choices", "n_train": 36, "n_select": 60, "n_confirm": 60}],
        "seeds": [0],
        "variants": ["sft", EXACT],
        "primary": None,
        "training": {"sft_steps": 1, "steps": 6},
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
    folder = artifact(done, variant).folder
    policy = json.loads((folder / "policy.json").read_text())
    loaded = CATEGORICAL.restore(policy["options"], folder / "state")
    return {c: dict(zip(t.answers, t.probabilities, strict=True)) for c, t in loaded.tables.items()}


def test_exact_segments_follow_from_their_own_draws(exact: RunFolder) -> None:
    """A context's law is the shares of what the last segment that asked for it accepted."""
    pool = drawn(exact, EXACT)
    prompts = exact.examples().set_index("example_id")["prompt"]
    pool = pool.assign(context=[read_prompt(prompts[i]).context for i in pool["example_id"]])
    chosen = accepted(exact, EXACT).merge(pool, on=["round", "example_id", "draw"])
    laws = tables(exact, "sft")
    for number in range(3):
        here = pool[pool["round"] == number]
        expected = [np.log(laws[c][t]) for c, t in zip(here["context"], here["text"], strict=True)]
        assert np.allclose(here["logprob"], expected, rtol=0, atol=1e-9)
        for context, mine in chosen[chosen["round"] == number].groupby("context"):
            share = mine["text"].value_counts(normalize=True)
            laws[str(context)] = {t: float(share.get(t, 0.0)) for t in laws[str(context)]}
    assert number == int(pool["round"].max())
    for context, row in tables(exact, EXACT).items():
        assert row == pytest.approx(laws[context], abs=1e-9)
    cells = exact.cells().set_index("variant")
    assert cells.loc[EXACT, "gold_labels"] == 36 * 4
    sizes = [len(read_prompt(prompts[i]).answers) for i in pool["example_id"]]
    assert cells.loc[EXACT, "sample_flops"] == 2 * sum(sizes)
