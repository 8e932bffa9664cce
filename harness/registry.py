"""Explicit name -> object tables. Kernel module: imports the standard library and errors only."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, Protocol, TypeVar

from rsft_bench.harness.errors import UnknownNameError, UserError, did_you_mean


class Named(Protocol):
    """Anything that states its own registered name."""

    @property
    def name(self) -> str:
        """The name under which configs and reports know the object."""


T_co = TypeVar("T_co", bound=Named, covariant=True)


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """One line: the value, near names, the allowed set and where to look."""
    names = sorted(known)
    hint = did_you_mean(name, names)
    listing = f"see `rsft-bench list {kind_plural(kind)}`"
    return UnknownNameError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(names)}; {listing}")


def kind_plural(kind: str) -> str:
    """'policy' -> 'policies', 'suite' -> 'suites'."""
    return kind[:-1] + "ies" if kind.endswith("y") else kind + "s"


class Registry(Generic[T_co]):
    """An immutable table of built-in objects plus third-party entry points, loaded on first miss.

    Args:
        kind: singular word used in messages, such as ``"suite"``.
        items: built-in objects; two with one name raise ``ValueError``.
        group: entry-point group whose names join the built-in ones. A name that is given twice,
            by two packages or by a package and this program, is a UserError wherever it is asked
            for: which object is meant must not depend on the installation order.
    """

    def __init__(self, kind: str, items: Iterable[T_co], group: str | None = None) -> None:
        built = list(items)
        self.kind = kind
        self._group = group
        self._items: dict[str, T_co] = {item.name: item for item in built}
        if len(self._items) < len(built):
            raise ValueError(f"duplicate {kind} name in {[i.name for i in built]}")

    def get(self, name: str) -> T_co:
        """Return the object called ``name``.

        Raises:
            UnknownNameError: no such name; a near one is suggested.
            UserError: two objects have that name.
        """
        entries = self._entries()
        self._refuse_twice(name, entries)
        if name in self._items:
            return self._items[name]
        for entry in entries:
            if entry.name == name:
                loaded: T_co = entry.load()
                return loaded
        raise unknown(self.kind, name, self.names())

    def names(self) -> list[str]:
        """All known names, sorted; plug-ins are named without importing them.

        Raises:
            UserError: two objects have one name.
        """
        entries = self._entries()
        for entry in entries:
            self._refuse_twice(entry.name, entries)
        return sorted({*self._items, *(entry.name for entry in entries)})

    def __iter__(self) -> Iterator[T_co]:
        return (self.get(name) for name in self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def _entries(self) -> tuple[EntryPoint, ...]:
        return () if self._group is None else _entries(self._group, tuple(sys.path))

    def _refuse_twice(self, name: str, entries: tuple[EntryPoint, ...]) -> None:
        claims = [entry.value for entry in entries if entry.name == name]
        if len(claims) + (name in self._items) > 1:
            who = ", ".join([*(["built in"] if name in self._items else []), *claims])
            raise UserError(
                f"{self.kind} {name!r} is given more than once ({who}); rename the entry point in "
                f"group {self._group!r} or uninstall its package"
            )


@functools.cache
def _entries(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Entry points of a group as installed along ``path``, one a (name, object)."""
    return tuple({(e.name, e.value): e for e in entry_points(group=group)}.values())
