"""Paths that a user names for writing: made and tried, or refused in one line."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rsft_bench.harness.errors import UserError, disk_full


def writable(folder: Path, what: str) -> Path:
    """Make ``folder`` with its parents and see that a file can be put there.

    Args:
        folder: the folder to write into.
        what: the flag or variable that named it, for the message.

    Raises:
        UserError: something else stands in the way, or it may not be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise _refusal(error, folder, what, "a folder") from error


def write_output(path: Path, text: str, what: str) -> None:
    """Write a file that flag ``what`` named, with its parent folders. Raises UserError."""
    from rsft_bench.harness.runfolder import write_text

    if path.is_dir():
        raise UserError(f"{what} {path} is a folder; name a file in it")
    writable(path.parent, what)
    try:
        write_text(path, text)
    except OSError as error:
        raise _refusal(error, path, what, "a file") from error


def writable_cache() -> None:
    """See that the artifact store can be written. Raises UserError naming its variable."""
    from rsft_bench.harness.runner import default_cache

    writable(default_cache(), "RSFT_BENCH_CACHE_DIR")


def _refusal(error: OSError, path: Path, what: str, kind: str) -> Exception:
    """The line to show; a full disk stays what it is, because no other name would help."""
    if disk_full(error):
        return error
    reason = error.strerror or type(error).__name__
    return UserError(f"{what} {path} cannot be written ({reason}); name {kind} that can be")
