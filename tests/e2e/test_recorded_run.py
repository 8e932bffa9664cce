"""Existing logs scored without a model, and files whose content counts, not their name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rsft_bench.harness.cli import main
from rsft_bench.harness.runfolder import RunFolder
from rsft_bench.harness.store import Store
from rsft_bench.tasks.jsonl import JSONL

CONFIG = """
policies: [{name: recorded, path: answers.jsonl}]
suites: [{name: jsonl, path: data.jsonl}]
seeds: [0, 1]
variants: [base]
evaluation: {draws: 2}
"""
RUN = ["run", "mine.yaml", "--out", "out", "--workers", "0", "--no-progress"]


def write_data(folder: Path, word: str = "late") -> None:
    rows = [
        {
            "example_id": f"q{i}",
            "prompt": f"Where is order {i}?",
            "answers": [f"Order {i} is {word}."],
            "facts": [str(i)],
            "cluster": f"c{i // 2}",
        }
        for i in range(120)
    ]
    (folder / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))


def write_answers(folder: Path, second: str = "no") -> None:
    """Two answers for tested prompts only: the first right, the second as given."""
    tested = [
        e.example_id
        for e in JSONL.load({"path": str(folder / "data.jsonl")}, 0).examples
        if e.split in ("select", "confirm")
    ]
    lines = [{"example_id": i, "answers": [f"It is {i[1:]}.", second]} for i in tested]
    (folder / "answers.jsonl").write_text("\n".join(map(json.dumps, lines)))


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, answers and a config, run once into ``out``."""
    write_data(tmp_path)
    write_answers(tmp_path)
    (tmp_path / "mine.yaml").write_text(CONFIG)
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert main(RUN) == 0
    return tmp_path


def test_answers_of_tested_prompts_are_enough(logs: Path) -> None:
    """No proxy, so no answers on proxy_label; every figure that the report names is there."""
    folder = RunFolder(logs / "out")
    rows = folder.rows()
    assert set(rows["split"]) == {"select", "confirm"}
    # Of two draws one states the order number.
    assert rows["gold_pass"].mean() == 0.5
    assert rows["proxy"].isna().all()
    stages = {stage for _, stage, _, _ in Store(logs / "cache").entries()}
    assert stages == {"data", "base", "sample", "score"}
    text = (logs / "out" / "report.md").read_text()
    named = re.findall(r"\((plots/[^)]+)\)", text)
    assert named
    assert all((logs / "out" / name).exists() for name in named)
    assert not any("cost" in name for name in named)
    assert (logs / "out" / "report.html").exists()


def test_a_gate_on_the_proxy_needs_labels(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the gate blocks on the proxy there must be one, so proxy_label must be answered."""
    argv = ["run", "mine.yaml", "--out", "gated", "--workers", "0", "--quiet"]
    assert main([*argv, "--set", "gate.metrics=[proxy]"]) == 2
    assert "recorded answers" in capsys.readouterr().err


@pytest.mark.parametrize("changed", ["data", "answers"])
def test_an_edited_file_is_not_reused(
    logs: Path, changed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(RUN) == 0
    assert "already complete" in capsys.readouterr().out
    if changed == "data":
        write_data(logs, word="lost")
    else:
        write_answers(logs, second="never")
    assert main(RUN) == 0
    assert "already complete" not in capsys.readouterr().out
    found = RunFolder(logs / "out")
    if changed == "data":
        assert {text for refs in found.examples()["references"] for text in refs} == {
            f"Order {i} is lost." for i in range(120)
        }
    else:
        assert (found.rows()["text"] == "never").sum() == len(found.rows()) / 2
    what = {"data": "the data of suite 'jsonl'", "answers": "policy 'recorded'"}[changed]
    assert f"{what} changed since" in (logs / "out" / "run.log").read_text()
    assert main(RUN) == 0
    assert "already complete" in capsys.readouterr().out


def test_files_that_are_gone_leave_a_finished_run_alone(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (logs / "data.jsonl").unlink()
    (logs / "answers.jsonl").unlink()
    assert main(RUN) == 0
    assert "already complete" in capsys.readouterr().out


def test_the_check_of_files_imports_no_torch(logs: Path) -> None:
    code = (
        "import sys; from rsft_bench.harness.cli import main;"
        f"code = main({RUN!r}); sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=logs,
        env={**os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "already complete" in done.stdout


def test_sgd_names_files_by_content(tmp_path: Path) -> None:
    from rsft_bench.harness.errors import DataError
    from rsft_bench.tasks.sgd import SGD

    (tmp_path / "train").mkdir()
    file = tmp_path / "train" / "dialogues_001.json"
    file.write_text("[]")
    (tmp_path / "train" / "schema.json").write_text("{}")
    first = SGD.digest({"path": str(tmp_path)})
    (tmp_path / "train" / "schema.json").write_text("{ }")
    assert SGD.digest({"path": str(tmp_path)}) == first
    file.write_text("[ ]")
    assert SGD.digest({"path": str(tmp_path)}) != first
    with pytest.raises(DataError, match="no folder"):
        SGD.digest({"path": str(tmp_path / "none")})


# -- --fresh --------------------------------------------------------------------------------


def keys(folder: Path) -> set[str]:
    return {key for key, *_ in Store(folder / "cache").entries()}


def test_fresh_makes_everything_again_beside_the_old(logs: Path) -> None:
    old = keys(logs)
    assert main([*RUN, "--fresh"]) == 0
    new = keys(logs) - old
    assert len(new) == len(old)
    assert old < keys(logs)
    # Twice fresh is fresh again, and nothing lies where the commands would not look.
    assert main([*RUN, "--fresh"]) == 0
    assert len(keys(logs)) == 3 * len(old)
    assert {p.name for p in (logs / "cache").iterdir()} == {"objects", "tmp"}
    # Without the flag the finished folder is whole, and another folder finds the unsalted store.
    assert main(RUN) == 0
    assert main([*RUN[:3], "other", *RUN[4:]]) == 0
    assert len(keys(logs)) == 3 * len(old)


@pytest.mark.parametrize("again", [["--fresh"], []])
def test_a_fresh_run_cut_off_goes_on_where_it_stopped(
    logs: Path, again: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rsft_bench.harness.runlog import RunLog

    old = keys(logs)
    advance = RunLog.advance
    done: list[str] = []

    def stop(self: RunLog, label: str, reused: bool) -> None:
        advance(self, label, reused)
        done.append(label)
        if len(done) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunLog, "advance", stop)
    assert main([*RUN, "--fresh"]) == 130
    monkeypatch.undo()
    monkeypatch.setenv("RSFT_BENCH_CACHE_DIR", str(logs / "cache"))
    monkeypatch.chdir(logs)
    half = keys(logs) - old
    assert 0 < len(half) < len(old)
    assert main([*RUN, *again]) == 0
    assert len(keys(logs)) == 2 * len(old)
    assert half < keys(logs)


def test_the_environment_asks_for_fresh_and_resume_overrules_it(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = keys(logs)
    monkeypatch.setenv("RSFT_BENCH_FRESH", "1")
    assert main([*RUN, "--resume"]) == 0
    assert keys(logs) == old
    assert main(RUN) == 0
    assert len(keys(logs)) == 2 * len(old)
