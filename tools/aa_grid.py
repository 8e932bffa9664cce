"""The page of the A/A grid of law L17 (harness/statistics/aa_grid.py), measured in full.

Run as `make aa-grid`; writes docs/aa-grid.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from rsft_bench.harness.statistics.aa_grid import (
    ALLOWED,
    FAILS,
    GRID,
    HOLDS,
    LOW,
    REPLICATES,
    Cell,
    Rate,
    judge,
    measure,
)

PAGE = Path("docs/aa-grid.md")
HEAD = "seeds S | seed share | clusters C | replicates | rejected | L17"


def page(rates: Mapping[Cell, Rate]) -> str:
    """The grid as Markdown, with what it means."""
    words = judge(rates)
    count = {w: sum(v == w for v in words.values()) for w in (HOLDS, FAILS, LOW)}
    failing = sorted({cell.seeds for cell, word in words.items() if word == FAILS})
    over = sum(rate.share > ALLOWED for rate in rates.values())
    where = f" (all of them at S = {', '.join(map(str, failing))})" if failing else ""
    lines = [
        "# A/A grid: how often the two-way test rejects where nothing differs",
        "",
        "Made by `make aa-grid`. Two arms with one law, tested at 5 % with the interval that the",
        "reports give every paired difference. L17 fails in a cell that rejects significantly more",
        "than 5 % + 2 points (one-sided exact binomial test, Holm over the 27 cells); under 3 % a",
        "cell is conservative. The formula is the protocol's and is not tuned to this table.",
        "",
        f"{count[HOLDS]} cells hold, {count[FAILS]} fail{where}, {count[LOW]} are conservative; "
        f"{over} lie above 7 %, significantly or not.",
        "",
        f"| {HEAD} |",
        "|" + " ---: |" * 5 + " --- |",
    ]
    for cell, rate in rates.items():
        values = (*cell, rate.replicates, f"{rate.share:.4f}", words[cell])
        lines.append("| " + " | ".join(map(str, values)) + " |")
    return "\n".join(lines) + "\n"


def parse(text: str) -> tuple[dict[Cell, Rate], dict[Cell, str]]:
    """Rates and verdicts of a page."""
    rates, words = {}, {}
    for line in text.splitlines():
        parts = [p.strip() for p in line.strip("| ").split("|")]
        if len(parts) == 6 and parts[0].isdigit():
            cell = Cell(int(parts[0]), float(parts[1]), int(parts[2]))
            rates[cell] = Rate(round(float(parts[4]) * int(parts[3])), int(parts[3]))
            words[cell] = parts[5]
    return rates, words


def main() -> int:
    """Measure and write the page; 0 whatever it says: the page is the result."""
    rates = {cell: measure(cell, REPLICATES[cell.seeds]) for cell in GRID}
    PAGE.write_text(page(rates), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
