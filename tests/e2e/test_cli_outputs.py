"""Commands that read a run: where they write, what they warn of, and folders that are damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from synthetic_run import write_synthetic_run

from rsft_bench.harness.cli import main


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small finished run in ``run`` and its baseline in ``base``."""
    root = tmp_path_factory.mktemp("outputs")
    write_synthetic_run(
        root / "run",
        **{"suites": ("order_status",), "seed_sd": 0.005, "per_cluster": 8, "results": False},
    )
    run, base = str(root / "run"), str(root / "base")
    assert main(["baseline", "save", run, "--to", base, "--accept-margin", "0.1"]) == 0
    return root


@pytest.fixture
def folder(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to damage, as working folder; ``file`` is in the way of every path below it."""
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    assert text.startswith("rsft-bench: ")
    return text


@pytest.mark.parametrize(
    "argv",
    [
        ["report", "run", "--quiet", "--to", "file"],
        ["report", "run", "--quiet", "--to", "file/below"],
        ["baseline", "save", "run", "--accept-margin", "0.1", "--to", "file"],
        ["baseline", "save", "run", "--accept-margin", "0.1", "--to", "file/below"],
    ],
)
def test_a_file_in_the_way_is_named(
    argv: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert "file" in one_line(capsys)


@pytest.mark.parametrize("flag", ["--junit", "--markdown"])
@pytest.mark.parametrize("place", ["file/below.xml", "."])
def test_a_gate_summary_that_cannot_be_written_does_not_swallow_the_verdict(
    flag: str, place: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", "run", "--baseline", "base", flag, place]) == 2
    found = capsys.readouterr()
    assert "Gate: pass" in found.out
    assert found.err.count("\n") == 1
    assert flag in found.err


def test_gate_makes_the_folders_of_its_summaries(folder: Path) -> None:
    to = ["--junit", "ci/x/gate.xml", "--markdown", "ci/y/gate.md"]
    assert main(["gate", "run", "--baseline", "base", *to]) == 0
    assert "<testsuite" in (folder / "ci/x/gate.xml").read_text()
    assert "Gate: pass" in (folder / "ci/y/gate.md").read_text()


def set_status(run: Path, status: str) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "status": status}))


@pytest.mark.parametrize(
    "argv", [["report", "run", "--format", "md", "--quiet"], ["compare", "run", "sft", "base"]]
)
def test_a_partial_run_is_announced(
    argv: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 0
    assert capsys.readouterr().err == ""
    set_status(folder / "run", "partial")
    assert main(argv) == 0
    found = capsys.readouterr()
    assert "warning: run is partial" in found.err
    assert "warning" not in found.out


def test_show_checks_the_suite(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "run", "--suite", "order_status"]) == 0
    example = capsys.readouterr().out.split()[1]
    for more in ([], ["--example", example]):
        assert main(["show", "run", "--suite", "order_statu", *more]) == 2
        text = one_line(capsys)
        assert "no suite 'order_statu'. Did you mean 'order_status'" in text
    assert main(["show", "run", "--suite", "order_status", "--example", example]) == 0


def test_show_lists_one_suite_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = {"suites": ("order_status", "returns_refunds"), "seeds": (0,), "per_cluster": 1}
    run = str(write_synthetic_run(tmp_path / "two", **two, results=False))  # type: ignore[arg-type]
    assert main(["show", run, "--suite", "returns_refunds"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"returns_refunds"}


REFERENCE = {"chrf", "bleu", "rouge_l", "embedding"}


def test_compare_takes_every_metric_that_list_names(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "metrics", "--json"]) == 0
    for metric in json.loads(capsys.readouterr().out):
        # Measured only where evaluation.satisfaction or gate.metrics asks for it.
        if metric["name"].startswith("satisfaction_") or metric["name"] in REFERENCE:
            continue
        argv = ["compare", "run", "sft", "base", "--metric", metric["name"]]
        assert main(argv) == 0, capsys.readouterr().err
        assert metric["name"] in capsys.readouterr().out
    assert main(["compare", "run", "sft", "base", "--metric", "logprobs"]) == 2
    assert "logprob, latency_s" in one_line(capsys)


def test_compare_of_a_metric_without_values_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["compare", "run", "sft", "base", "--metric", "latency_s", "--split", "select"]
    assert main(argv) == 0
    assert "n/a no interval, p n/a, n 0" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["rows.parquet", "cells.parquet", "examples.parquet"])
@pytest.mark.parametrize("keep", [0, 100, -9])
def test_a_truncated_table_is_named(
    name: str, keep: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "run" / name
    file.write_bytes(file.read_bytes()[:keep])
    assert main(["report", "run"]) == 2
    assert f"{name}: not readable as parquet" in one_line(capsys)
    assert not (folder / "run" / "report.html").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not readable as JSON"),
        ('{"run": {', "not readable as JSON"),
        ("[]", "expected a JSON object"),
        ("\x00\xff", "baseline.json"),
    ],
)
def test_a_damaged_baseline_is_named(
    content: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "base" / "baseline.json").write_text(content, encoding="latin-1")
    assert main(["gate", "run", "--baseline", "base"]) == 2
    assert words in one_line(capsys)


@pytest.mark.parametrize("key", ["run", "suites", "arms", "blocking", "margins", "components"])
def test_a_baseline_that_lost_a_key_is_named(
    key: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "base" / "baseline.json"
    info = json.loads(file.read_text())
    del info[key]
    file.write_text(json.dumps(info))
    assert main(["gate", "run", "--baseline", "base"]) == 2
    assert f"not a baseline ('{key}'" in one_line(capsys)


def test_a_baseline_of_no_known_version_is_not_comparable(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "base" / "baseline.json").write_text("{}")
    assert main(["gate", "run", "--baseline", "base"]) == 3
    assert "baseline has schema_version None" in capsys.readouterr().out


def test_truncated_values_of_a_baseline_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "base" / "values.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    assert main(["gate", "run", "--baseline", "base"]) == 2
    assert "values.parquet" in one_line(capsys)
