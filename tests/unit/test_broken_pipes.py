"""A reader that leaves ends quietly; any other broken pipe is a fault."""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from rsft_bench.harness.cli import console, main, schema_command


def broken() -> None:
    raise BrokenPipeError(32, "Broken pipe")


def with_command(body: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit code of a command that does ``body``."""

    def run(args: argparse.Namespace) -> int:
        body()
        return 0

    monkeypatch.setattr(schema_command, "run", run)
    return main(["schema"])


def test_a_pipe_that_breaks_inside_a_command_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert with_command(broken, monkeypatch) == 4
    error = capsys.readouterr().err
    assert "unforeseen BrokenPipeError: [Errno 32] Broken pipe" in error
    assert error.count("\n") == 1


class Gone(io.StringIO):
    """A standard output whose reader has left; ``late``: noticed only when flushed."""

    def __init__(self, late: bool) -> None:
        super().__init__()
        self.late = late
        self.sink = os.open(os.devnull, os.O_WRONLY)

    def write(self, text: str) -> int:
        if not self.late:
            broken()
        return len(text)

    def flush(self) -> None:
        broken()

    def fileno(self) -> int:
        return self.sink


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("how", ["say", "json", "table"])
def test_a_reader_that_left_is_none(late: bool, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: dict[str, Callable[[], None]] = {
        "say": lambda: console.say("x"),
        "json": lambda: console.print_json({"a": 1}),
        "table": lambda: console.print_table(["a"], [["1"]]),
    }
    monkeypatch.setattr(sys, "stdout", Gone(late))
    assert with_command(bodies[how], monkeypatch) == 141


def test_a_real_pipe_without_reader_ends_with_141_and_without_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = "import sys; from rsft_bench.harness.cli import main; sys.exit(main(['schema']))"
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
