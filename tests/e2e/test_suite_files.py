"""A suite that is one Python file: only where allowed, the same in workers, in every key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rsft_bench.harness.catalog import Catalog
from rsft_bench.harness.cli import main
from rsft_bench.harness.config import parse_config
from rsft_bench.harness.errors import UserError
from rsft_bench.harness.inputs import suite_files
from rsft_bench.harness.nodes import source_hash
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.suite_files import with_suite_files

SOURCE = (Path(__file__).parents[2] / "examples" / "my_suite.py").read_text()


def config(folder: Path, **over: object) -> Path:
    (folder / "my_suite.py").write_text(SOURCE)
    content = {
        "suites": [{"name": "store_hours", "file": "my_suite.py", "n": 12}],
        "seeds": [0],
        "variants": ["sft", "sft_more"],
        "pool": {"max_new_tokens": 4},
        "training": {"lr": 0.01, "batch": 4, "sft_steps": 1, "steps": 1},
        "reward": {"n_label": 12},
        "evaluation": {"draws": 1, "best_of_draws": 1, "temperatures": [], "serve_prompts": 1},
        **over,
    }
    (folder / "mine.yaml").write_text(json.dumps(content))
    return folder / "mine.yaml"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("command", ["run", "plan", "validate"])
def test_not_run_unless_allowed(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(tmp_path)
    (tmp_path / "my_suite.py").write_text("raise SystemExit('this ran')")
    assert main([command, str(path)]) == 2
    said = capsys.readouterr().err
    assert "set `allow_code: true` or give --allow-code" in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_runs_in_a_worker_from_the_path_alone(
    tmp_path: Path, tiny_lm_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policies = [{"name": "causal_lm", "path": str(tiny_lm_folder)}]
    path = config(tmp_path, policies=policies)
    argv = ["run", str(path), "--allow-code", "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main([*argv, "--quiet"]) == 0, capsys.readouterr().err
    run = RunFolder(tmp_path / "out")
    assert set(run.rows()["suite"]) == {"store_hours"}
    assert not (tmp_path / "__pycache__").exists()
    capsys.readouterr()
    assert main(argv) == 0
    assert "already complete" in capsys.readouterr().out
    # An edit is seen, though nothing else changed.
    (tmp_path / "my_suite.py").write_text(SOURCE.replace("We close late.", "Late."))
    assert main([*argv, "--quiet"]) == 0
    assert "the data of suite 'store_hours' changed" in (tmp_path / "out" / "run.log").read_text()


def test_source_is_in_the_keys_by_content(tmp_path: Path) -> None:
    found = []
    for edit in ("", "\n# edited\n"):
        path = config(tmp_path, allow_code=True, policies=["nano-1"])
        (tmp_path / "my_suite.py").write_text(SOURCE + edit)
        content = json.loads(path.read_text())
        content["suites"][0]["file"] = str(tmp_path / "my_suite.py")
        parsed = parse_config(content)
        catalog = with_suite_files(Catalog(), parsed)
        module = catalog.suite_code("store_hours")
        assert len(module) == 1
        found.append(
            (module, source_hash(module[0]), suite_files(parsed, parsed.suites[0], catalog))
        )
    assert all(a != b for a, b in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("source", "name", "reason"),
    [
        ("1 / 0", "mine", r"my_suite.py: cannot be run: ZeroDivisionError: division by zero"),
        ("def", "mine", r"my_suite.py: cannot be run: SyntaxError"),
        ("x = 1", "mine", r"holds no suite called 'mine'"),
        ("class A:\n    name = 'mine'\nA = A()", "mine", r"suite 'mine' lacks version, licence"),
        (SOURCE, "jsonl", r"has the name of a known suite; rename it"),
    ],
)
def test_unusable_file_is_one_line(tmp_path: Path, source: str, name: str, reason: str) -> None:
    file = tmp_path / "my_suite.py"
    file.write_text(source)
    parsed = parse_config(
        {"suites": [{"name": name, "file": str(file)}], "variants": ["sft"], "allow_code": True}
    )
    with pytest.raises(UserError, match=reason) as caught:
        with_suite_files(Catalog(), parsed).suite(name)
    assert "\n" not in str(caught.value)


def test_a_config_without_files_keeps_its_hash() -> None:
    plain = {"suites": ["order_status"], "variants": ["sft"]}
    assert "file" not in parse_config(plain).resolved()["suites"][0]
    assert "allow_code" not in parse_config(plain).resolved()
    allowed = parse_config({**plain, "allow_code": True})
    assert parse_config(allowed.resolved()) == allowed
