"""Policies, rewards and metrics of another package, found by entry points."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rsft_bench.harness.cli import main
from rsft_bench.harness.runfolder import RunFolder

MODULE = '''
import hashlib
import numpy as np
from rsft_bench.harness.types import Completion, Param


class Parrot:
    """Repeats the end of the prompt; answers only, no weights."""

    name = "parrot"
    version = "1"
    options = (Param("words", 2, "words to repeat"),)
    capabilities = frozenset({"sampler"})

    def fingerprint(self, options):
        return hashlib.sha256(str(options["words"]).encode()).hexdigest()

    def load(self, options):
        return Repeats(options["words"])


class Repeats:
    def __init__(self, words):
        self.words = words

    def sample(self, prompts, draws, sampling, seed, purpose):
        return [
            Completion(i, d, " ".join(p.split()[-1 - self.words : -1]) + f" {d}", 9, 3, "stop", 0.0)
            for i, p in prompts
            for d in draws
        ]


class FewWords:
    """Short is good."""

    name = "few_words"
    doc = "1 for an answer of at most three words, else 0"
    bounded = True

    def measure(self, example, row):
        return float(len(row["text"].split()) <= 3)


class Judge:
    """Cannot be fitted, so it can be named and nothing can be accepted by it."""

    name = "judge"
    doc = "somebody's judge"


class Last:
    """A fixed reward model: the answer whose first bytes are largest."""

    name = "last"
    doc = "later in the alphabet is better"

    def fit(self, prompts, texts, labels, clusters, seed):
        return self, {"notes": ["fixed"]}

    def load(self, folder):
        return self

    def save(self, folder):
        pass

    def score(self, prompts, texts):
        return np.array([float(int.from_bytes(t.encode()[:6].ljust(6, b"\\0"))) for t in texts])

    def flops(self, answers):
        return 10.0 * answers


PARROT, FEW_WORDS, JUDGE, LAST = Parrot(), FewWords(), Judge(), Last()
'''
ENTRY_POINTS = """
[rsft_bench.policies]
parrot = theirs:PARROT

[rsft_bench.metrics]
few_words = theirs:FEW_WORDS

[rsft_bench.rewards]
judge = theirs:JUDGE
last = theirs:LAST
"""


def install(site: Path, name: str, entry_points: str) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    install(site, "theirs", ENTRY_POINTS)
    (site / "theirs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "name"), [("policies", "parrot"), ("metrics", "few_words"), ("rewards", "judge")]
)
def test_list_names_them_and_what_they_say(
    installed: Path, kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", kind, "--json"]) == 0
    found = {entry["name"]: entry["doc"] for entry in json.loads(capsys.readouterr().out)}
    assert found[name]
    assert len(found) > 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("policies=[parot]", "Did you mean 'parrot'"),
        ("gate.metrics=[few_wrds]", "Did you mean 'few_words'"),
        ("reward.name=jugde", "Did you mean 'judge'"),
        ("reward.name=judge", "cannot accept answers"),
        ("policies=[{name: parrot, wrods: 3}]", "Did you mean 'words'"),
    ],
)
def test_a_misspelling_names_them(
    installed: Path, change: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--preset", "smoke", "--set", change]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("group", "name", "who", "kind"),
    [
        ("policies", "parrot", "theirs:PARROT, others:X", "policies"),
        ("metrics", "gold", "built in, others:X", "metrics"),
        ("rewards", "proxy", "built in, others:X", "rewards"),
    ],
)
def test_one_name_for_two_is_refused(
    installed: Path,
    group: str,
    name: str,
    who: str,
    kind: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(installed / "more", "others", f"[rsft_bench.{group}]\n{name} = others:X\n")
    monkeypatch.syspath_prepend(str(installed / "more"))
    assert main(["list", kind]) == 2
    error = capsys.readouterr().err
    assert f"{name!r} is given more than once" in error
    assert all(part in error for part in who.split(", "))
    changes = {"policies": f"policies=[{name}]", "metrics": f"gate.metrics=[{name}]"}
    change = changes.get(group, f"reward.name={name}")
    assert main(["plan", "--preset", "smoke", "--set", change]) == 2
    assert "given more than once" in capsys.readouterr().err


CONFIG = {
    "policies": [{"name": "parrot", "words": 2}],
    "suites": [{"name": "order_status", "limit": 30}],
    "seeds": [0, 1],
    "variants": ["base"],
    "evaluation": {"draws": 2},
    "gate": {"metrics": ["few_words"]},
}


def test_a_policy_that_only_samples_runs_and_is_measured(installed: Path) -> None:
    """In a worker process too; without weights nothing is trained, timed or read from a folder."""
    (installed / "mine.yaml").write_text(json.dumps(CONFIG))
    argv = ["run", "mine.yaml", "--out", "out", "--workers", "1", "--quiet"]
    code = f"import sys; from rsft_bench.harness.cli import main; sys.exit(main({argv!r}))"
    program = "if __name__ == '__main__':\n    " + code
    (installed / "job.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "job.py"], cwd=installed, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = RunFolder(installed / "out").rows()
    prompts = RunFolder(installed / "out").examples().set_index("example_id")["prompt"]
    for _, row in rows.iterrows():
        assert (
            row["text"] == " ".join(prompts[row["example_id"]].split()[-3:-1]) + f" {row['draw']}"
        )
    assert (rows["few_words"] == 1.0).all()
    manifest = RunFolder(installed / "out").manifest()
    assert manifest["policies"][0]["name"] == "parrot"
    assert (installed / "out" / "report.html").exists()


def test_an_edit_of_its_source_draws_again(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rsft_bench.harness import nodes
    from rsft_bench.harness.store import Store

    (installed / "mine.yaml").write_text(json.dumps(CONFIG))
    run = ["run", "mine.yaml", "--workers", "0", "--quiet", "--out"]
    store = Store(installed / "cache")

    def sampled() -> int:
        return sum(stage == "sample" for _, stage, _, _ in store.entries())

    assert main([*run, "one"]) == 0
    first = sampled()
    assert first > 0
    assert main([*run, "two"]) == 0
    assert sampled() == first
    hashed = nodes.source_hash
    monkeypatch.setattr(nodes, "source_hash", lambda m: hashed(m) + "x" * (m == "theirs"))
    assert main([*run, "three"]) == 0
    assert sampled() == 2 * first


def test_training_it_is_refused(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (installed / "mine.yaml").write_text(json.dumps({**CONFIG, "variants": ["sft"]}))
    assert main(["run", "mine.yaml", "--out", "out", "--quiet"]) == 2
    assert "needs capability 'trainable', which policy 'parrot' lacks" in capsys.readouterr().err


def begin(text: str) -> bytes:
    return text.encode()[:6].ljust(6, b"\0")


@pytest.mark.slow
def test_a_reward_of_theirs_accepts(installed: Path, tiny_lm_folder: Path) -> None:
    """Argmax by their score, in the pool, the selection and the rows; its source joins the keys."""
    argmax = "rsft[accept=argmax,k=4,lambda=1]"
    config = {
        "policies": [{"name": "causal_lm", "path": str(tiny_lm_folder)}],
        "suites": [{"name": "order_status", "n_train": 12, "logs_per_prompt": 2, "limit": 24}],
        "seeds": [0],
        "variants": ["sft", "best_of_n[n=2]", argmax],
        "reward": {"name": "last", "n_label": 24},
        "pool": {"max_new_tokens": 4},
        "training": {"lr": 0.01, "batch": 4, "sft_steps": 2, "steps": 2},
        "evaluation": {"draws": 1, "best_of_draws": 4, "primary_draws": 1, "serve_prompts": 1},
    }
    (installed / "mine.yaml").write_text(json.dumps(config))
    assert main(["run", "mine.yaml", "--out", "out", "--workers", "0", "--quiet"]) == 0
    folder = RunFolder(installed / "out")
    pool = folder.pool()
    first = pool[pool["draw"] < 4]
    best = {i: max(map(begin, group["text"])) for i, group in first.groupby("example_id")}
    picked = folder.selected().merge(pool, on=["example_id", "draw"], suffixes=("", "_pool"))
    assert len(picked) == 12
    assert {row["example_id"]: begin(row["text"]) for _, row in picked.iterrows()} == best
    assert folder.rows()["proxy"].notna().all()
    (report,) = folder.manifest()["proxies"]
    assert (report["notes"], report["auc"], report["n_label"]) == (["fixed"], None, 24)
