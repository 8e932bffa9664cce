"""Printing and progress. Results go to stdout, progress and remarks to stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rsft_bench.harness.cli.stdout import closed, writing
from rsft_bench.harness.progress import Progress, Silent
from rsft_bench.harness.types import Json

if TYPE_CHECKING:
    from rich.progress import TaskID

PLAIN_EVERY_S = 20.0


def say(text: str) -> None:
    """One line of result."""
    with writing():
        print(text)


def note(text: str) -> None:
    """One line beside the result."""
    print(text, file=sys.stderr)


def warn_if_partial(folder: Path, manifest: Mapping[str, Json]) -> None:
    """Say on stderr that numbers come from a run that did not finish."""
    status = manifest.get("status")
    if status != "complete":
        note(f"warning: {folder} is {status}: rows may be missing; run its config again to finish")


def print_json(value: Json) -> None:
    """JSON with sorted keys; NaN becomes null and infinities words, so that any reader copes."""
    text = json.dumps(_finite(value), indent=2, sort_keys=True, ensure_ascii=False, default=str)
    say(text)


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """A table; cells are plain text, whatever brackets they hold."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for header in headers:
        table.add_column(Text(header), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # A pipe has no width: nothing is folded there, so that lines stay greppable.
    drawn = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    # Rich would exit with 1, which is the gate's code for a regression.
    drawn.on_broken_pipe = closed  # type: ignore[method-assign]
    drawn.print(table)


@contextmanager
def watching(quiet: bool, bars: bool) -> Iterator[Progress]:
    """Silent, plain lines, or bars on a terminal."""
    if quiet:
        yield Silent()
    elif bars and sys.stderr.isatty():
        with Bars() as drawn:
            yield drawn
    else:
        yield Lines()


class Lines:
    """Plain progress for logs: a line a phase and one every twenty seconds."""

    def __init__(self) -> None:
        self._name, self._total, self._done, self._reused = "", 0, 0, 0
        self._last = time.monotonic()

    def phase(self, name: str, total: int) -> None:
        """Start counting a phase."""
        self._name, self._total, self._done, self._reused = name, total, 0, 0
        note(f"{name}: {total} steps")

    def advance(self, label: str, reused: bool) -> None:
        """Count a step; print only now and then and at the end."""
        self._done += 1
        self._reused += reused
        if self._done == self._total or time.monotonic() - self._last > PLAIN_EVERY_S:
            self._last = time.monotonic()
            note(f"{self._name}: {self._done}/{self._total} ({self._reused} reused), {label}")

    def message(self, text: str) -> None:
        """Messages are in run.log."""


class Bars:
    """A rich progress bar a phase."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.fields[phase]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[label]}"),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def phase(self, name: str, total: int) -> None:
        """Begin a bar."""
        self._task = self._bars.add_task("", total=total, phase=name, label="")

    def advance(self, label: str, reused: bool) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.update(self._task, advance=1, label=f"{label}{' (reused)' * reused}"[:40])

    def message(self, text: str) -> None:
        """Messages are in run.log."""


def _finite(value: Json) -> Json:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return format(value, "g")
    return value
