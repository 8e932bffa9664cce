"""Distance of trained policies from SFT: measured on confirm draws, reported beside gold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rsft_bench import reports
from rsft_bench.harness.catalog import DEFAULT_PATHS, Catalog
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.errors import CapabilityError, ConfigError
from rsft_bench.harness.policies.categorical import CATEGORICAL
from rsft_bench.harness.policies.choices import read_prompt
from rsft_bench.harness.policies.language_model import LanguageModel
from rsft_bench.harness.runfolder import STAGES, RunFolder
from rsft_bench.harness.runner import run
from rsft_bench.harness.sampling import score
from rsft_bench.harness.spaces import make_plan
from rsft_bench.harness.statistics import table_kl
from rsft_bench.harness.store import Store
from rsft_bench.reports.analysis import analyse

ROUNDS = [f"rsft[accept=argmax,k=4,lambda=1{r}]" for r in ("", ",rounds=2")]
SERVED = {"draws": 8, "best_of_draws": 8, "primary_draws": 8, "temperatures": [0], "kl": True}
EXACT: dict[str, Any] = {
    "policies": [{"name": "categorical", "concentration": 0.7, "seed": 1}],
    "suites": [{"name": "synthetic_choices", "n_train": 48, "n_select": 60, "n_confirm": 90}],
    "seeds": [0, 1],
    "variants": ["base", "sft", "sft_more", "best_of_n[n=4]", *ROUNDS],
    "primary": ROUNDS[0],
    "training": {"sft_steps": 1, "steps": 1},
    "reward": {"n_label": 96},
    "evaluation": {**SERVED, "serve_prompts": 0},
}


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("kl")
    run(parse_config(EXACT), Catalog(), folder / "out", workers=0, cache=folder / "cache")
    return RunFolder(folder / "out")


def tables(done: RunFolder, variant: str, seed: int) -> dict[str, dict[str, float]]:
    store, cells = Store(done.path.parent / "cache"), done.cells()
    here = cells[(cells["variant"] == variant) & (cells["seed"] == seed)]
    digest = here["policy_fingerprint"].iloc[0]
    found = [store.find(key) for key, *_ in store.entries()]
    folder = next(a.folder for a in found if a is not None and a.digest == digest)
    policy = json.loads((folder / "policy.json").read_text())
    loaded = CATEGORICAL.restore(policy["options"], folder / "state")
    return {c: dict(zip(t.answers, t.probabilities, strict=True)) for c, t in loaded.tables.items()}


@pytest.mark.parametrize("variant", ROUNDS)
def test_ratios_are_exact_and_their_mean_is_the_divergence(exact: RunFolder, variant: str) -> None:
    rows = exact.rows()
    rows = rows[(rows["variant"] == variant) & (rows["split"] == "confirm")]
    prompts = exact.examples().set_index("example_id")["prompt"]
    gaps = []
    for seed, mine in rows.groupby("seed"):
        law, start = tables(exact, variant, int(seed)), tables(exact, "sft", int(seed))
        for example_id, here in mine.groupby("example_id"):
            context = read_prompt(prompts[example_id]).context
            p, q = law[context], start[context]
            expected = [np.log(p[t]) - np.log(q[t]) for t in here["text"]]
            assert here["log_ratio"].tolist() == pytest.approx(expected, abs=1e-9)
            exactly = table_kl(np.array(list(p.values())), np.array(list(q.values())))
            gaps.append(here["log_ratio"].mean() - exactly)
    assert np.mean(rows["log_ratio"]) > 0.02
    assert abs(np.mean(gaps)) < 4 * np.std(gaps, ddof=1) / np.sqrt(len(gaps))


def test_only_trained_policies_at_temperature_one_have_a_distance(exact: RunFolder) -> None:
    rows = exact.rows()
    known = rows[rows["log_ratio"].notna()]
    assert set(known["split"]) == {"confirm"}
    assert set(known["variant"]) == {"sft_more", *ROUNDS}
    trained = rows["variant"].isin(ROUNDS) & (rows["split"] == "confirm")
    assert rows[trained]["log_ratio"].notna().all()
    # An exact fit of more steps has nothing more to learn from D.
    assert known[known["variant"] == "sft_more"]["log_ratio"].abs().max() < 1e-9


def test_what_measuring_costs_is_the_harness_s(exact: RunFolder) -> None:
    cells, totals = exact.cells(), exact.manifest()["totals"]
    for stage in STAGES:
        assert cells[f"{stage}_spent_wall_s"].sum() == pytest.approx(totals[stage]["wall_s"])


def test_the_report_draws_both_curves(exact: RunFolder, tmp_path: Path) -> None:
    reports.write(exact, ("html", "md"), out=tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "## Over-optimisation" in text
    assert "best-of-n of SFT" in text
    assert "rounds of RSFT" in text
    assert len(list((tmp_path / "plots").glob("*-overoptimization.svg"))) == 1
    assert "Over-optimisation" in (tmp_path / "report.html").read_text()
    best, rounds = analyse(exact).suites[0].pressures
    assert [s.size for s in best.steps] == [1, 2, 4]
    assert [s.size for s in rounds.steps] == [0, 1, 2]
    distance = [s.kl.value for s in rounds.steps]
    assert distance[0] == 0 < distance[1] < distance[2]
    assert best.steps[0].kl.value == pytest.approx(0, abs=1e-12)


def test_a_language_model_is_scored_under_both(
    tiny_lm_folder: Path, tiny_lm: LanguageModel, tmp_path: Path
) -> None:
    toy = Catalog({**DEFAULT_PATHS, "suite": "toy_suite:SUITES"})
    raw = {
        **EXACT,
        "policies": [{"name": "causal_lm", "path": str(tiny_lm_folder)}],
        "suites": [{"name": "toy", "n": 12}],
        "seeds": [0],
        "variants": ["sft", "sft_more"],
        "primary": None,
        "pool": {"max_new_tokens": 6},
        "training": {"lr": 1e-2, "batch": 4, "sft_steps": 3, "steps": 3},
        "gate": {"variants": ["sft"]},
    }
    run(parse_config(raw), toy, tmp_path / "out", workers=0, cache=tmp_path / "cache")
    rows = RunFolder(tmp_path / "out").rows()
    mine = rows[(rows["variant"] == "sft_more") & (rows["split"] == "confirm")]
    assert mine["log_ratio"].notna().all()
    assert (mine["log_ratio"] != 0).any()


def test_an_answer_that_was_cut_off_is_scored_without_its_stop(tiny_lm: LanguageModel) -> None:
    items = [("Where is it?", "It has shipped"), ("Where is it?", "No")]
    whole, cut = score(tiny_lm, items), score(tiny_lm, items, None, [False, True])
    prompt, answer = tiny_lm.encode_pair(*items[0])
    with torch.inference_mode():
        logits = tiny_lm.model(input_ids=torch.tensor([prompt + answer])).logits[0].double()
    stop = torch.log_softmax(logits[-2], -1)[tiny_lm.eos_id]
    assert whole[0] - cut[0] == pytest.approx(float(stop), abs=1e-4)
    assert whole[1] == pytest.approx(cut[1], abs=1e-4)


def test_what_it_cannot_measure_is_refused() -> None:
    cut = {**EXACT, "pool": {"top_p": 0.9}}
    with pytest.raises(ConfigError, match=r"pool\.top_p = 0\.9 cuts it"):
        make_plan(parse_config(cut), Catalog())


def test_a_policy_that_knows_no_likelihood_is_refused() -> None:
    from types import SimpleNamespace

    from rsft_bench.harness.ratios import ratio_nodes

    node = SimpleNamespace(uid="a")
    space = SimpleNamespace(
        base=node, capabilities=frozenset({"sampler"}), policy="mine", data=node
    )
    draws: Any = {"confirm": None}
    with pytest.raises(CapabilityError, match="evaluation.kl needs capability 'scorer'"):
        ratio_nodes(space, SimpleNamespace(uid="b"), node, draws)  # type: ignore[arg-type]
