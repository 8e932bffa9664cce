"""``run.log``: every message of a run with its time, passed on to the watcher."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TextIO

from rsft_bench.harness.progress import Progress


class RunLog:
    """A progress that also writes; appends, so a resumed run keeps its history."""

    def __init__(self, path: Path, watcher: Progress) -> None:
        self._path = path
        self._watcher = watcher
        self._file: TextIO | None = None

    def __enter__(self) -> RunLog:
        # Line by line, so that a killed run leaves its history too.
        self._file = self._path.open("a", encoding="utf-8", buffering=1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.message(f"stopped by {type(error).__name__}: {error}")
        if self._file is not None:
            self._file.close()

    def phase(self, name: str, total: int) -> None:
        """Log and pass on."""
        self.message(f"phase {name}: {total} nodes")
        self._watcher.phase(name, total)

    def advance(self, label: str, reused: bool) -> None:
        """Pass on; finished nodes are logged by their own message."""
        self._watcher.advance(label, reused)

    def message(self, text: str) -> None:
        """One line with the time in UTC."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self._file is not None:
            self._file.write(f"{stamp} {text}\n")
        self._watcher.message(text)
