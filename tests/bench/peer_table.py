"""Rows of the table and their Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HEADER = (
    "| what | ours | peer | ratio | spread | share of ceiling | target | met |\n"
    "| --- | ---: | ---: | ---: | --- | ---: | --- | --- |"
)


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        what: what is compared.
        ours: our value with its unit.
        peer: the peer's.
        ratios: one a repetition; the table shows their median and their range.
        target: bound on the median.
        at_least: whether the bound is from below; otherwise from above.
        share: share of the machine's ceiling, None where there is none.
        unit: of the ratio, such as the multiplication sign or seconds.
        decimals: of the ratio.
    """

    what: str
    ours: str
    peer: str
    ratios: Sequence[float]
    target: float
    at_least: bool = True
    share: float | None = None
    unit: str = "×"
    decimals: int = 2

    @property
    def median(self) -> float:
        """The number that is held against the target."""
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool:
        """Whether the median keeps the bound."""
        return self.median >= self.target if self.at_least else self.median <= self.target

    def markdown(self) -> str:
        """The line as a table row."""
        low, high = min(self.ratios), max(self.ratios)
        spread = "-" if len(self.ratios) == 1 else f"{self._show(low)} to {self._show(high)}"
        bound = f"{'≥' if self.at_least else '≤'} {self.target:g}{self.unit}"
        cells = [
            self.what,
            self.ours,
            self.peer,
            f"**{self._show(self.median)}**",
            spread,
            "-" if self.share is None else f"{100 * self.share:.0f} %",
            bound,
            "yes" if self.met else "no",
        ]
        return "| " + " | ".join(cells) + " |"

    def _show(self, value: float) -> str:
        return f"{value:.{self.decimals}f}{self.unit}"


def table(lines: Sequence[Line]) -> str:
    """All lines under one header."""
    return "\n".join([HEADER, *(line.markdown() for line in lines)])


def per_second(values: Sequence[float]) -> str:
    """Median of some rates, for a cell."""
    return f"{statistics.median(values):,.0f}/s"
