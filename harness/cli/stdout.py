"""Standard output, whose reader may go away: `rsft-bench show RUN | head` is no fault.

Any other broken pipe (a worker that died, a socket) is one, so the two must not be mixed up.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class StdoutClosed(Exception):  # noqa: N818 - not an error: the reader has seen enough
    """The reader of standard output closed it."""


def closed() -> None:
    """Raise StdoutClosed; what a library calls that has noticed it by itself."""
    raise StdoutClosed


@contextmanager
def writing() -> Iterator[None]:
    """Turn a pipe that breaks while standard output is written into ``StdoutClosed``."""
    try:
        yield
    except BrokenPipeError:
        raise StdoutClosed from None


def flush() -> None:
    """Write out what is buffered; raises StdoutClosed."""
    with writing():
        sys.stdout.flush()
