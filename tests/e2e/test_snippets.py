"""The README's snippets: short, shown as they are, found by entry points, and they run."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from rsft_bench.harness.cli import main
from rsft_bench.harness.runfolder import RunFolder

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SNIPPETS = ("my_suite.py", "my_method.py")
ENTRY_POINTS = """
[rsft_bench.suites]
store_hours = my_suite:STORE_HOURS

[rsft_bench.methods]
sft_half = my_method:SFT_HALF
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snippets as an installed package: modules and a dist-info folder on the path."""
    site = tmp_path / "site"
    info = site / "snippets-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: snippets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    for name in SNIPPETS:
        (site / name).write_text((EXAMPLES / name).read_text())
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def code_lines(text: str) -> int:
    """Lines after the docstring that are not blank, imports included."""
    docstring = ast.parse(text).body[0]
    assert docstring.end_lineno is not None
    return sum(bool(line.strip()) for line in text.splitlines()[docstring.end_lineno :])


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_is_under_thirty_lines(name: str) -> None:
    assert 10 < code_lines((EXAMPLES / name).read_text()) < 30


def test_list_names_the_plug_ins(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, name in (("suites", "store_hours"), ("methods", "sft_half")):
        assert main(["list", kind, "--json"]) == 0
        assert name in {entry["name"] for entry in json.loads(capsys.readouterr().out)}


def test_the_suite_can_support_a_conclusion(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Enough clusters, disjoint between splits; test prompts do not follow the seed."""
    from rsft_bench.harness.catalog import Catalog

    suite = Catalog().suite("store_hours")
    first, other = (suite.load({"n": 120}, seed).examples for seed in (0, 1))
    clusters = {s: {e.cluster for e in first if e.split == s} for s in ("select", "confirm")}
    assert [len(c) for c in clusters.values()] == [30, 30]
    assert not clusters["select"] & clusters["confirm"]
    confirm = [[e for e in data if e.split == "confirm"] for data in (first, other)]
    assert confirm[0] == confirm[1]
    assert all(suite.judge(e, e.references[0]).gold_pass for e in first)
    assert not any(suite.judge(e, "").gold_pass for e in first)


@pytest.mark.slow
def test_both_snippets_run(installed: Path, tiny_lm_folder: Path) -> None:
    """Through the command line, with a worker process that must find the plug-ins as well."""
    config = {
        "policies": [{"name": "causal_lm", "path": str(tiny_lm_folder)}],
        "suites": [{"name": "store_hours", "n": 12}],
        "seeds": [0],
        "variants": ["sft", "sft_more", "sft_half", "sft_half[temperature=0.5]"],
        "pool": {"max_new_tokens": 4},
        "training": {"lr": 0.01, "batch": 4, "sft_steps": 2, "steps": 4},
        "reward": {"n_label": 12},
        "evaluation": {"draws": 1, "best_of_draws": 1, "temperatures": [], "serve_prompts": 1},
    }
    (installed / "mine.yaml").write_text(json.dumps(config))
    argv = ["run", "mine.yaml", "--out", "out", "--workers", "1", "--quiet"]
    assert main(argv) == 0
    folder = RunFolder(installed / "out")
    assert set(folder.rows()["variant"]) == set(config["variants"])  # type: ignore[call-overload]
    # Half the steps are half the training tokens, but for the padding of four random batches.
    trained = folder.cells().set_index("variant")["train_tokens"]
    assert trained["sft_half"] / trained["sft_more"] == pytest.approx(0.5, abs=0.1)


def tool() -> ModuleType:
    """``tools/snippets.py`` as a module."""
    spec = importlib.util.spec_from_file_location("snippets", ROOT / "tools" / "snippets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_shows_the_files_as_they_are() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tool().rewritten(text) == text, "run: python tools/snippets.py"


def test_blocks_are_filled_and_stay_filled(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    empty = "Before\n<!-- snippet: a.py -->\n<!-- /snippet -->\nAfter\n"
    full = "Before\n<!-- snippet: a.py -->\n```python\nx = 1\n```\n<!-- /snippet -->\nAfter\n"
    assert tool().rewritten(empty, tmp_path) == full
    assert tool().rewritten(full, tmp_path) == full
    assert tool().rewritten("no block\n", tmp_path) == "no block\n"
