"""Reports: a run folder in, words, tables and pictures out. Imports no torch.

Everything is recomputed from the run folder's files, so a report needs no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rsft_bench.harness.errors import UserError
from rsft_bench.harness.runfolder import RunFolder, write_json, write_text
from rsft_bench.reports.analysis import analyse, as_results, compare
from rsft_bench.reports.findings import Analysis
from rsft_bench.reports.terminal import TerminalTable, table_of, terminal_table

FORMATS = ("html", "md", "json")

__all__ = [
    "FORMATS",
    "TerminalTable",
    "compare",
    "table_of",
    "terminal_table",
    "write",
]


def write(
    run: RunFolder, formats: Sequence[str] = ("html", "md"), out: Path | None = None
) -> list[Path]:
    """Write the reports of a run; plots go to ``plots/`` beside them.

    Args:
        run: the run folder.
        formats: any of ``html``, ``md`` and ``json`` (results.json).
        out: folder to write to, made if absent; the run folder itself by default.

    Returns:
        The report files written, in the order of ``formats``.

    Raises:
        UserError: an unknown format, or a file of the run that is absent or damaged.
        NotComparableError: a complete run holds rows that cannot be paired.
    """
    unknown = [f for f in formats if f not in FORMATS]
    if unknown:
        raise UserError(f"unknown report format {unknown[0]!r}; known: {', '.join(FORMATS)}")
    folder = run.path if out is None else Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    found = analyse(run)
    written = []
    if "json" in formats:
        written.append(write_json(folder / "results.json", as_results(found)))
    if "html" in formats or "md" in formats:
        written += _render(run, found, formats, folder)
    names = {"html": "report.html", "md": "report.md", "json": "results.json"}
    return sorted(written, key=lambda p: [names[f] for f in formats].index(p.name))


def _render(run: RunFolder, found: Analysis, formats: Sequence[str], folder: Path) -> list[Path]:
    # Plotting and templates take most of a second to import and only reports need them.
    from rsft_bench.reports.build import build
    from rsft_bench.reports.figures import draw
    from rsft_bench.reports.html import html
    from rsft_bench.reports.markdown import markdown

    document, figures = build(run, found), draw(found)
    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    for name, svg in figures.items():
        write_text(plots / f"{name}.svg", svg.decode("utf-8"))
    written = []
    if "html" in formats:
        written.append(write_text(folder / "report.html", html(document, figures)))
    if "md" in formats:
        written.append(write_text(folder / "report.md", markdown(document)))
    return written
