"""What the runner tells a watcher. The command line draws it; tests and the API may ignore it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives phases, finished nodes and remarks, in order, from one thread."""

    def phase(self, name: str, total: int) -> None:
        """A phase of ``total`` nodes begins."""

    def advance(self, label: str, reused: bool) -> None:
        """One node is done; ``reused`` when it came from the store."""

    def message(self, text: str) -> None:
        """One line worth keeping in the log."""


class Silent:
    """A progress that shows nothing."""

    def phase(self, name: str, total: int) -> None:
        """Ignore."""

    def advance(self, label: str, reused: bool) -> None:
        """Ignore."""

    def message(self, text: str) -> None:
        """Ignore."""
