"""The Makefile notices what changes an installation, and lint sees every folder of Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "VENV=.venv", *argv], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one module a folder, and a Python that does nothing."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("harness", "tasks", "baselines", "reports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.py").touch()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    past = time.time() - 100
    for path in tmp_path.rglob("*"):
        os.utime(path, (past, past))
    done = make(tmp_path, "venv")
    assert done.returncode == 0, done.stderr
    assert make(tmp_path, "-q", "venv").returncode == 0
    return tmp_path


def test_a_deleted_module_is_a_reason_to_install(checkout: Path) -> None:
    (checkout / "harness" / "one.py").unlink()
    assert make(checkout, "-q", "venv").returncode == 1


def test_an_edited_or_new_module_is_a_reason_to_install(checkout: Path) -> None:
    (checkout / "tasks" / "two.py").touch()
    assert make(checkout, "-q", "venv").returncode == 1


def test_compiled_files_are_no_reason_to_install(checkout: Path) -> None:
    cache = checkout / "reports" / "__pycache__"
    cache.mkdir()
    past = time.time() - 50
    os.utime(checkout / "reports", (past, past))
    (cache / "one.cpython-311.pyc").touch()
    assert make(checkout, "-q", "venv").returncode == 0


def test_lint_covers_every_folder_with_python() -> None:
    folders = {file.relative_to(ROOT).parts[0] for file in ROOT.glob("[!.]*/**/*.py")}
    folders -= {"build", "runs"}
    assert {"harness", "tests", "examples"} <= folders
    commands = [line for line in make(ROOT, "-n", "lint").stdout.splitlines() if "ruff" in line]
    assert len(commands) == 2
    for command in commands:
        assert folders <= set(command.split())
