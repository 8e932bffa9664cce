"""Errors that end a command in one line. Kernel module: imports the standard library only.

Each class carries the exit code that the command line gives it; nothing else picks exit codes.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class BenchError(Exception):
    """Base of every error this package raises on purpose. ``exit_code`` 4: infrastructure."""

    exit_code = 4


class UserError(BenchError):
    """Something the user can mend; the message names the value, the allowed set, the next step."""

    exit_code = 2


class ConfigError(UserError):
    """A config file, flag or override that cannot be used."""


class UnknownNameError(UserError):
    """A name that no registry knows."""


class DataError(UserError):
    """A data file that is not what it claims; the message names file, line or record, reason."""


class CapabilityError(UserError):
    """A policy lacks what a method or suite requires."""


class NotComparableError(BenchError):
    """Two runs or two sets of rows that must not be compared, or that cannot settle a question."""

    exit_code = 3


class InfrastructureError(BenchError):
    """Disk full, dead worker, damaged artifact: nothing the user asked for was wrong."""


class PartialRunError(InfrastructureError):
    """A run that finished only in part; what was finished is kept and reused on a rerun."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known word as a question that follows a sentence; empty where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def disk_full(error: BaseException) -> bool:
    """Whether an exception says that a disk or a quota is full.

    Libraries written in Rust (safetensors, tokenizers) raise exceptions of their own without errno.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return isinstance(error, Exception) and f"(os error {errno.ENOSPC})" in str(error)
