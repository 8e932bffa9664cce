"""Explicit name -> object tables. Kernel module: imports the standard library and errors only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from typing import Generic, Protocol, TypeVar

from rsft_bench.harness.errors import UnknownNameError


class Named(Protocol):
    """Anything that states its own registered name."""

    @property
    def name(self) -> str:
        """The name under which configs and reports know the object."""


T_co = TypeVar("T_co", bound=Named, covariant=True)


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """One line: the value, near names, the allowed set and where to look."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
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
        group: entry-point group searched for names that are not built in; built-ins win clashes.
    """

    def __init__(self, kind: str, items: Iterable[T_co], group: str | None = None) -> None:
        built = list(items)
        self.kind = kind
        self._group = group
        self._items: dict[str, T_co] = {item.name: item for item in built}
        if len(self._items) < len(built):
            raise ValueError(f"duplicate {kind} name in {[i.name for i in built]}")

    def get(self, name: str) -> T_co:
        """Return the object called ``name``. Raises UnknownNameError with a near name."""
        if name not in self._items:
            plugin = self._plugin(name)
            if plugin is None:
                raise unknown(self.kind, name, self.names())
            return plugin
        return self._items[name]

    def names(self) -> list[str]:
        """All known names, sorted; plug-ins are named without importing them."""
        return sorted({*self._items, *self._plugin_names()})

    def __iter__(self) -> Iterator[T_co]:
        return (self.get(name) for name in self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def _plugin_names(self) -> list[str]:
        return [] if self._group is None else [e.name for e in entry_points(group=self._group)]

    def _plugin(self, name: str) -> T_co | None:
        if self._group is None:
            return None
        for entry in entry_points(group=self._group, name=name):
            loaded: T_co = entry.load()
            return loaded
        return None
