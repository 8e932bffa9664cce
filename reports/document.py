"""The report as plain data, rendered alike by HTML and Markdown. No computing, no I/O.

A block is a paragraph, a table, a figure (by name of its plot) or an example with its answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rsft_bench.reports.questions import Answer


@dataclass(frozen=True)
class Text:
    """One paragraph. ``tone`` warn marks what a reader must not miss."""

    text: str
    tone: Literal["plain", "warn", "note"] = "plain"
    kind: str = field(default="text", init=False)


@dataclass(frozen=True)
class Table:
    """A table of finished words. ``strong`` marks rows to stand out, by index."""

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    strong: tuple[int, ...] = ()
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Figure:
    """A plot by name, with what it shows in words for those who cannot see it."""

    name: str
    caption: str
    kind: str = field(default="figure", init=False)


@dataclass(frozen=True)
class Shown:
    """One answer of one method. ``mark`` is pass, fail or n/a."""

    method: str
    text: str
    mark: Literal["pass", "fail", "n/a"]
    proxy: str


@dataclass(frozen=True)
class Case:
    """One prompt with the answers of several methods side by side."""

    title: str
    prompt: str
    reference: str
    answers: tuple[Shown, ...]
    kind: str = field(default="case", init=False)


Block: TypeAlias = Text | Table | Figure | Case


@dataclass(frozen=True)
class Section:
    """A heading with its blocks. ``folded`` sections start closed in HTML."""

    title: str
    blocks: tuple[Block, ...]
    folded: bool = False

    @property
    def anchor(self) -> str:
        """Heading as an HTML id."""
        words = "".join(c if c.isalnum() else " " for c in self.title.lower()).split()
        return "-".join(words)


@dataclass(frozen=True)
class Verdict:
    """The headline of one suite; ``caution`` is what a reader must not miss beside the word."""

    where: str
    word: str
    short: str
    numbers: str
    caution: str = ""


@dataclass(frozen=True)
class Document:
    """A whole report. ``asked`` heads the verdicts."""

    title: str
    subtitle: str
    lead: str
    warnings: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    answers: tuple[Answer, ...]
    sections: tuple[Section, ...]
    asked: str = "Does RSFT beat SFT?"
