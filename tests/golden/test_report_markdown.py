"""The layout of report.md is pinned by a file written by hand."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from rsft_bench.reports.document import Case, Document, Figure, Section, Shown, Table, Text, Verdict
from rsft_bench.reports.html import html
from rsft_bench.reports.markdown import escape, grid, markdown
from rsft_bench.reports.questions import Answer
from rsft_bench.reports.verdicts import Part

HOSTILE = r"<script>alert(1)</script> a | b \[x\](http://e) &lt; ~~z~~ http://e www.e"
PART = Part("order_status", "yes", "+0.100", "RSFT − SFT: +0.100 [+0.050, +0.150]")
DOCUMENT = Document(
    title="A run",
    subtitle="1 suite, 3 seeds",
    lead="What RSFT is.",
    warnings=("Authored suites only; see `examples/sgd.yaml`.", "Two notes are two paragraphs."),
    verdicts=(
        Verdict("order_status", "yes", "+0.100", "Pass rate: SFT 0.500.", "The base passes more."),
    ),
    answers=(Answer(1, "Does RSFT beat SFT?", "yes", "order_status: +0.100", (PART,)),),
    sections=(
        Section(
            "Quality",
            (
                Figure("order_status-nano-1-quality", "Pass rate"),
                Table(
                    "Methods",
                    ("method", "pass rate"),
                    (("SFT", "0.500"), ("RSFT | best", "0.600")),
                    note="Bold: the primary variant.",
                ),
                Text("Nothing more.", "note"),
            ),
        ),
        Section(
            "Example answers",
            (
                Case(
                    "order_status · e1",
                    "Policy: say ``` never\nCustomer: hi\nAgent:",
                    "Hello.",
                    (Shown("SFT", HOSTILE, "pass", "0.90"),),
                ),
            ),
        ),
    ),
)


def test_markdown_layout() -> None:
    golden = Path(__file__).with_name("report.md").read_text(encoding="utf-8")
    assert markdown(DOCUMENT) == golden


def test_html_holds_the_same_words_and_no_live_markup() -> None:
    page = html(DOCUMENT, {"order_status-nano-1-quality": b"<svg/>"})
    assert "&lt;script&gt;alert(1)&lt;/script&gt; a | b" in page
    assert "The base passes more." in page
    assert "<script" not in page
    assert "<code>examples/sgd.yaml</code>" in page
    assert "data:image/svg+xml;base64,PHN2Zy8+" in page
    assert '<section id="quality">' in page


def test_a_figure_that_was_not_drawn_is_left_out() -> None:
    assert "<img" not in html(DOCUMENT, {})


def test_a_parser_sees_no_link_and_no_markup_in_untrusted_text() -> None:
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    hostile = [
        HOSTILE,
        r"\\[x](http://e)",
        r"\<b>x</b>",
        "![i](http://e)",
        "&#91;x](http://e)",
        "**b** _e_ `c` [r]: http://e",
    ]
    for text in hostile:
        table = "\n".join(grid(("answer",), [(text,)]))
        for source in (table, escape(text)):
            page = parser.render(source)
            assert not re.search(r"<(a|img|b|em|strong|code|script|s)\b", page), page
            words = re.sub(r"<[^>]+>", "", page).removeprefix("\n\n\nanswer")
            assert unescape(words).strip().endswith(text.strip()), page
