"""A Document as Markdown. Renders only."""

from __future__ import annotations

from collections.abc import Sequence

from rsft_bench.reports.document import Block, Case, Document, Figure, Table, Text

# Characters that would start markup or HTML inside a table cell or a paragraph. The backslash and
# the ampersand are among them: they would undo another escape or make a character of their own.
ESCAPES = str.maketrans(
    {
        "\\": r"\\",
        "&": "&amp;",
        "|": r"\|",
        "<": "&lt;",
        ">": "&gt;",
        "*": r"\*",
        "_": r"\_",
        "`": r"\`",
        "[": r"\[",
        "]": r"\]",
        "~": r"\~",
    }
)


def markdown(document: Document) -> str:
    """The report as GitHub-flavoured Markdown; figures are links into ``plots/``."""
    lines = [
        f"# {escape(document.title)}",
        "",
        escape(document.subtitle),
        "",
        prose(document.lead),
        "",
    ]
    for w in document.warnings:
        lines += [f"> **Note:** {prose(w)}", ""]
    lines += [f"## {document.asked}", ""]
    for v in document.verdicts:
        caution = f" **{escape(v.caution)}**" if v.caution else ""
        numbers = f"{escape(v.short)}. {escape(v.numbers)}{caution}"
        lines.append(f"- **{escape(v.where)}: {v.word}.** {numbers}")
    lines += ["", "## Seven questions", ""]
    for a in document.answers:
        lines += [f"{a.number}. **{escape(a.question)}**", ""]
        lines += [f"   **{a.word}**: {prose(a.summary)}", ""]
        for part in a.parts:
            lines.append(f"   - {escape(part.where)}: **{part.word}**. {prose(part.text.strip())}")
        lines.append("")
    for section in document.sections:
        lines += [f"## {escape(section.title)}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def escape(text: str) -> str:
    """Text that came from data or names, on one line, with no markup or link of its own."""
    return _plain(" ".join(text.split()))


def prose(text: str) -> str:
    """Our own sentences: as ``escape``, but code between backticks stays code."""
    parts = " ".join(text.split()).split("`")
    return "".join(f"`{p}`" if i % 2 else _plain(p) for i, p in enumerate(parts))


def _plain(text: str) -> str:
    # GitHub makes links of bare addresses; an escaped colon or dot is no address.
    return text.translate(ESCAPES).replace("://", r"\://").replace("www.", r"www\.")


def grid(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(escape(h) for h in headers) + " |", "|" + " --- |" * len(headers)]
    return lines + ["| " + " | ".join(escape(c) for c in row) + " |" for row in rows]


def _block(block: Block) -> list[str]:
    if isinstance(block, Text):
        return [f"> {prose(block.text)}" if block.tone != "plain" else prose(block.text)]
    if isinstance(block, Figure):
        return [f"![{escape(block.caption)}](plots/{block.name}.svg)", "", prose(block.caption)]
    if isinstance(block, Table):
        note = ["", prose(block.note)] if block.note else []
        return [f"**{escape(block.caption)}**", "", *grid(block.headers, block.rows), *note]
    return _case(block)


def _case(case: Case) -> list[str]:
    fence = "`" * max(3, 1 + max((len(run) for run in _ticks(case.prompt)), default=0))
    lines = [f"### {escape(case.title)}", "", fence, case.prompt, fence, ""]
    if case.reference:
        lines += [f"Reference: {escape(case.reference)}", ""]
    rows = [(a.method, a.mark, a.proxy, a.text) for a in case.answers]
    return lines + grid(("method", "gold", "proxy", "answer"), rows)


def _ticks(text: str) -> list[str]:
    return [r for r in "".join(c if c == "`" else " " for c in text).split() if r]
