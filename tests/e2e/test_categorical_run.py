"""The exact policy through the runner: its tables are the optima that the protocol states."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rsft_bench.harness.cli import main
from rsft_bench.harness.policies.categorical import CATEGORICAL
from rsft_bench.harness.policies.choices import read_prompt
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.store import Store

ARGMAX = "rsft[accept=argmax,k=8,lambda=1]"
THRESHOLD = "rsft[accept=threshold,k=8,lambda={},target_rate=0.25]"
CONFIG: dict[str, Any] = {
    "policies": [{"name": "categorical", "concentration": 0.7, "seed": 1}],
    "suites": [
        {
            "name": "synthetic_choices",
            "n_train": 40,
            "n_proxy_label": 24,
            "n_calibrate": 12,
            "n_select": 60,
            "n_confirm": 60,
            "logs_per_prompt": 3,
        }
    ],
    "seeds": [0, 1],
    "variants": [
        "base",
        "sft",
        "sft_more",
        "sft_flops",
        "sft_filtered",
        "best_of_n[n=4]",
        {"method": "rsft", "accept": "argmax", "k": [2, 8], "lambda": [0, 1, "inf"]},
        {"method": "rsft", "accept": "threshold", "k": 8, "target_rate": 0.25, "lambda": [1, 3]},
        "rsft[accept=threshold,k=8,lambda=1,normalise=token,target_rate=0.25]",
        "rsft[accept=random,k=8,lambda=1,match=argmax]",
    ],
    "primary": ARGMAX,
    "training": {"sft_steps": 1, "steps": 1, "checkpoints": [0.5]},
    "reward": {"n_label": 96},
    "evaluation": {
        "draws": 2,
        "best_of_draws": 8,
        "primary_draws": 2,
        "temperatures": [0],
        "serve_prompts": 3,
    },
}


class Finished:
    """A run folder with the tables of its arms, read from the store by their fingerprints."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.path, self.folder, self.store = folder, RunFolder(folder), Store(cache)
        self.cells = self.folder.cells()
        self.pool, self.selected = self.folder.pool(), self.folder.selected()
        self.prompts = self.folder.examples().set_index("example_id")["prompt"]
        found = (self.store.find(key) for key, *_ in self.store.entries())
        self.artifacts = {a.digest: a for a in found if a is not None}

    def fingerprint(self, variant: str, seed: int) -> str:
        cells = self.cells
        here = cells[(cells["variant"] == variant) & (cells["seed"] == seed)]
        return str(here["policy_fingerprint"].iloc[0])

    def tables(self, variant: str, seed: int) -> dict[str, dict[str, float]]:
        """Context to answer to probability, of contexts that a fit has touched."""
        artifact = self.artifacts[self.fingerprint(variant, seed)]
        policy = json.loads((artifact.folder / "policy.json").read_text())
        loaded = CATEGORICAL.restore(policy["options"], artifact.folder / "state")
        return {
            context: dict(zip(table.answers, table.probabilities, strict=True))
            for context, table in loaded.tables.items()
        }

    def logs(self, seed: int) -> pd.DataFrame:
        """D: example, context, text, count and tokens."""
        name = f"s{seed}/train"
        for artifact in self.artifacts.values():
            if artifact.stage == "trainset":
                rows = pd.read_json(artifact.folder / "rows.jsonl", lines=True)
                if rows["example_id"].str.startswith(name).all():
                    return self.described(rows)
        raise AssertionError(seed)

    def accepted(self, variant: str, seed: int) -> pd.DataFrame:
        here = self.selected[
            (self.selected["variant"] == variant) & (self.selected["seed"] == seed)
        ]
        pool = self.pool[self.pool["seed"] == seed]
        joined = here.merge(pool[["example_id", "draw", "text"]], on=["example_id", "draw"])
        assert len(joined) == len(here)
        return self.described(joined)

    def described(self, rows: pd.DataFrame) -> pd.DataFrame:
        contexts = [read_prompt(self.prompts[i]).context for i in rows["example_id"]]
        tokens = CATEGORICAL.load({}).answer_tokens(list(rows["text"]))
        return rows.assign(context=contexts, tokens=tokens)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("categorical")
    (folder / "mine.yaml").write_text(json.dumps(CONFIG))
    argv = ["run", str(folder / "mine.yaml"), "--out", str(folder / "out"), "--workers", "0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RSFT_BENCH_CACHE_DIR", str(folder / "cache"))
        assert main([*argv, "--quiet"]) == 0
    return Finished(folder / "out", folder / "cache")


def by_prompt(rows: pd.DataFrame) -> pd.Series:
    """Mass of (context, text): prompts count alike, a prompt's answers by their counts."""
    answers = rows.groupby("example_id")["count"].transform("sum")
    mass = rows["count"] / answers / rows["example_id"].nunique()
    return mass.groupby([rows["context"], rows["text"]]).sum()


def by_token(rows: pd.DataFrame) -> pd.Series:
    """Mass of (context, text): the answer's count over the tokens of the whole set."""
    whole = (rows["count"] * rows["tokens"]).sum()
    return (rows["count"] / whole).groupby([rows["context"], rows["text"]]).sum()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("variant", "lam", "mass"),
    [
        (ARGMAX, 1.0, by_prompt),
        ("rsft[accept=argmax,k=2,lambda=1]", 1.0, by_prompt),
        (THRESHOLD.format(1), 1.0, by_prompt),
        (THRESHOLD.format(3), 3.0, by_prompt),
        ("rsft[accept=random,k=8,lambda=1,match=argmax]", 1.0, by_prompt),
        ("rsft[accept=threshold,k=8,lambda=1,normalise=token,target_rate=0.25]", 1.0, by_token),
    ],
)
def test_the_table_is_the_lambda_mixture(
    ran: Finished, variant: str, lam: float, mass: Any, seed: int
) -> None:
    """(D + lambda_x A) / (1 + lambda_x) per context, to 1e-6 and better."""
    logs, accepted = ran.logs(seed), ran.accepted(variant, seed)
    d, a = mass(logs), mass(accepted)
    for context, law in ran.tables(variant, seed).items():
        whole = {y: d.get((context, y), 0.0) + lam * a.get((context, y), 0.0) for y in law}
        total = sum(whole.values())
        for answer, p in law.items():
            assert p == pytest.approx(whole[answer] / total, abs=1e-9)
    # The case is not trivial: counts and lengths differ, and threshold leaves prompts uncovered.
    assert logs.groupby("example_id")["count"].sum().nunique() > 1
    assert logs["tokens"].nunique() > 3
    if "threshold" in variant:
        covered = set(accepted["example_id"])
        assert 0 < len(covered) < logs["example_id"].nunique()


@pytest.mark.parametrize("seed", [0, 1])
def test_lambda_zero_is_sft_more(ran: Finished, seed: int) -> None:
    """One artifact; and since an exact fit of D forgets where it started, the table of sft."""
    zero = "rsft[accept=argmax,k=8,lambda=0]"
    assert ran.fingerprint(zero, seed) == ran.fingerprint("sft_more", seed)
    assert ran.tables("sft", seed) == ran.tables("sft_more", seed) == ran.tables("sft_flops", seed)
    assert ran.tables(ARGMAX, seed) != ran.tables("sft", seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_all_of_the_mass_on_accepted_answers(ran: Finished, seed: int) -> None:
    variant = "rsft[accept=argmax,k=8,lambda=inf]"
    mass = by_prompt(ran.accepted(variant, seed))
    tables, start = ran.tables(variant, seed), ran.tables("sft", seed)
    accepted = set(mass.index.get_level_values(0))
    for context, law in tables.items():
        total = mass[context].sum() if context in accepted else None
        for answer, p in law.items():
            expected = start[context][answer]
            if total is not None:
                expected = mass.get((context, answer), 0.0) / total
            assert p == pytest.approx(expected, abs=1e-9)


def test_draws_follow_the_tables(ran: Finished) -> None:
    """Every logprob is the table's; at temperature 0 the most likely answer is given."""
    rows = ran.folder.rows()
    for variant in ("sft", ARGMAX):
        laws = ran.tables(variant, 0)
        here = rows[(rows["variant"] == variant) & (rows["seed"] == 0)]
        for _, row in here.iterrows():
            law = laws[read_prompt(ran.prompts[row["example_id"]]).context]
            assert row["logprob"] == pytest.approx(np.log(law[row["text"]]), abs=1e-9)
        cold = rows[(rows["variant"].str.contains("temperature=0")) & (rows["seed"] == 0)]
        assert len(cold)
    laws = ran.tables("sft", 0)
    for _, row in rows[(rows["variant"] == "sft[temperature=0]") & (rows["seed"] == 0)].iterrows():
        law = laws[read_prompt(ran.prompts[row["example_id"]]).context]
        assert law[row["text"]] == max(law.values())


def test_it_helps_and_the_random_control_does_not(ran: Finished) -> None:
    """Not a law, but a run in which rejection sampling did nothing would be a broken one."""
    passed = (
        ran.folder.rows()
        .groupby("variant")
        .apply(lambda g: np.average(g["gold_pass"], weights=g["weight"]), include_groups=False)
    )
    assert passed["rsft[accept=argmax,k=8,lambda=inf]"] > passed["sft"] + 0.15
    assert passed["best_of_n[n=4]"] > passed["sft"] + 0.1
    control = passed["rsft[accept=random,k=8,lambda=1,match=argmax]"]
    assert abs(control - passed["sft"]) < 0.15


def test_costs_are_counted_without_a_shape(ran: Finished) -> None:
    cells = ran.cells.set_index(["variant", "seed"])
    blocks = ran.pool[ran.pool["seed"] == 0]
    # Six listed answers in most contexts: two operations each, 8 and 2 draws a prompt.
    sizes = [len(read_prompt(ran.prompts[i]).answers) for i in blocks["example_id"]]
    k8 = sum(2 * s for s, draw in zip(sizes, blocks["draw"], strict=True) if draw < 8)
    k2 = sum(2 * s for s, draw in zip(sizes, blocks["draw"], strict=True) if draw < 2)
    one, two = cells.loc[(ARGMAX, 0)], cells.loc[("rsft[accept=argmax,k=2,lambda=1]", 0)]
    assert one["sample_flops"] - two["sample_flops"] == k8 - k2
    assert one["train_flops"] > 0
    assert (cells["serve_flops"] > 0).all()
    assert (cells["serve_wall_s"] > 0).all()
    best, plain = cells.loc[("best_of_n[n=4]", 0)], cells.loc[("sft", 0)]
    assert best["serve_flops"] > 4 * plain["serve_flops"]
    assert (cells.loc[("sft_more", 0)]["steps"], cells.loc[("sft_more", 0)]["epochs_d"]) == (1, 1)
    rows = ran.folder.rows()
    assert rows["latency_s"].notna().any()


def test_reports_need_no_shape(ran: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(ran.path)]) == 0
    text = (ran.path / "report.md").read_text()
    assert "synthetic_choices" in text
    assert "nan" not in text.lower().replace("nano", "")
    example = ran.folder.rows()["example_id"].iloc[0]
    assert main(["show", str(ran.path), "--example", example]) == 0
    assert main(["compare", str(ran.path), ARGMAX, "sft"]) == 0
    capsys.readouterr()


def test_nothing_to_export(
    ran: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(ran.store.root))
    for variant in (ARGMAX, "base"):
        argv = ["export", str(ran.path), "--variant", variant, "--to", str(tmp_path / "x")]
        assert main(argv) == 2
        assert "policy 'categorical' is no Hugging Face model" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_no_torch_is_loaded(tmp_path: Path) -> None:
    """The whole run, in one process: nothing of it needs a language model."""
    small = {**CONFIG, "seeds": [0], "variants": ["sft", ARGMAX]}
    (tmp_path / "mine.yaml").write_text(json.dumps(small))
    argv = ["run", "mine.yaml", "--out", "out", "--workers", "0", "--quiet"]
    code = (
        "import sys; from rsft_bench.harness.cli import main;"
        f"code = main({argv!r}); sys.exit(code or 'torch' in sys.modules)"
    )
    env = {**os.environ, "RSFT_BENCH_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def run_small(folder: Path, out: str, **changes: Any) -> int:
    (folder / "mine.yaml").write_text(json.dumps({**CONFIG, "seeds": [0], **changes}))
    argv = ["run", str(folder / "mine.yaml"), "--out", str(folder / out), "--workers", "0"]
    return main([*argv, "--quiet"])


def test_an_edit_of_its_source_reruns_what_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rsft_bench.harness import nodes

    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    variants = ["sft", "sft_more", ARGMAX]
    store, known = Store(tmp_path / "cache"), set()

    def made() -> Counter[str]:
        new = {key: stage for key, stage, *_ in store.entries() if key not in known}
        known.update(new)
        return Counter(new.values())

    assert run_small(tmp_path, "one", variants=variants) == 0
    first = made()
    assert first["fit"] == 3
    hashed = nodes.source_hash
    edited = "rsft_bench.harness.policies.exact"
    monkeypatch.setattr(nodes, "source_hash", lambda m: hashed(m) + "x" * (m == edited))
    assert run_small(tmp_path, "two", variants=variants) == 0
    # Everything it learnt, drew or was timed on; the answers are the same, so no score is.
    assert made() == {stage: first[stage] for stage in ("base", "fit", "sample", "serve")}


def test_prompts_it_cannot_answer_are_refused_before_anything_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    suites = [{"name": "order_status", "limit": 30}]
    assert run_small(tmp_path, "out", suites=suites) == 2
    assert "suite 'order_status': policy 'categorical' needs the lines" in capsys.readouterr().err
    assert {stage for _, stage, *_ in Store(tmp_path / "cache").entries()} == {"data"}
    assert main(["plan", str(tmp_path / "mine.yaml")]) == 2


def test_an_unknown_policy_of_a_suite_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suites = [{**CONFIG["suites"][0], "policies": ["nano-1"]}]
    assert run_small(tmp_path, "out", suites=suites) == 2
    assert "lists policy 'nano-1', which the run does not have" in capsys.readouterr().err


def test_several_kinds_each_on_its_suite(
    tiny_lm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A language model answers the same prompts; a file of answers has a suite to itself."""
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    sizes = {"n_train": 8, "n_proxy_label": 8, "n_calibrate": 1, "n_select": 8, "n_confirm": 8}
    choices = {**CONFIG["suites"][0], **sizes}
    text = "Your wool scarf should arrive on 3 July."
    from rsft_bench.tasks import SUITES

    tested = SUITES.get("synthetic_choices").load({**sizes, "limit": None}, 0).examples
    lines = [{"example_id": e.example_id, "answers": [text]} for e in tested]
    (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, lines)))
    changes: dict[str, Any] = {
        "policies": [
            "categorical",
            {"name": "causal_lm", "path": str(tiny_lm_folder)},
            {"name": "recorded", "path": str(tmp_path / "answers.jsonl")},
        ],
        "suites": [
            {**choices, "policies": ["categorical", "causal_lm"]},
            {**choices, "label": "logs", "policies": ["recorded"], "variants": ["base"]},
        ],
        "variants": ["base", "sft", "sft_more", ARGMAX],
        "pool": {"max_new_tokens": 4},
        "training": {"sft_steps": 1, "steps": 1, "batch": 2},
        "reward": {"n_label": 16},
        "evaluation": {"draws": 1, "best_of_draws": 1, "primary_draws": 1, "serve_prompts": 1},
    }
    assert run_small(tmp_path, "out", **changes) == 0
    folder = RunFolder(tmp_path / "out")
    found = folder.rows().groupby(["suite", "policy"])["variant"].unique().map(sorted).to_dict()
    assert found == {
        ("synthetic_choices", "categorical"): sorted(["base", "sft", "sft_more", ARGMAX]),
        ("synthetic_choices", "causal_lm"): sorted(["base", "sft", "sft_more", ARGMAX]),
        ("logs", "recorded"): ["base"],
    }
    manifest = folder.manifest()
    assert [s["policies"] for s in manifest["suites"]] == [
        ["categorical", "causal_lm"],
        ["recorded"],
    ]
    assert [(p["suite"], p["policy"], p["b"]) for p in manifest["confirmatory"]] == [
        ("synthetic_choices", "categorical", "sft_more"),
        ("synthetic_choices", "causal_lm", "sft_more"),
    ]
    cells = folder.cells().set_index(["policy", "variant"])
    assert (cells.loc["categorical"]["serve_wall_s"] > 0).all()
    assert (cells.loc["causal_lm"]["serve_flops"] > 0).all()
    # What the model behind a file of answers cost is not known.
    assert np.isnan(cells.loc[("recorded", "base")]["evaluate_flops"])
    report = (tmp_path / "out" / "report.md").read_text()
    assert "FLOPs that some policy does not count" in report


def test_a_plan_counts_the_kinds_it_can(
    tiny_lm_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lm = {"name": "causal_lm", "path": str(tiny_lm_folder)}
    (tmp_path / "a.yaml").write_text(json.dumps({**CONFIG, "policies": [lm]}))
    (tmp_path / "b.yaml").write_text(json.dumps({**CONFIG, "policies": ["categorical", lm]}))
    plans = []
    for name in ("a", "b"):
        assert main(["plan", str(tmp_path / f"{name}.yaml"), "--json"]) == 0
        plans.append(json.loads(capsys.readouterr().out))
    # The table has no shape, wherever it stands in the list; the model's work is the same.
    assert plans[0]["flops"] == plans[1]["flops"] > 0
    assert plans[1]["completions"] == 2 * plans[0]["completions"]
    assert (plans[0]["uncounted"], plans[1]["uncounted"]) == ([], ["categorical"])
    assert main(["plan", str(tmp_path / "b.yaml")]) == 0
    assert "categorical left out: its size is not known" in capsys.readouterr().out
