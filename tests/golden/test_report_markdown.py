"""The layout of report.md is pinned by a file written by hand."""

from __future__ import annotations

from pathlib import Path

from rsft_bench.reports.document import Case, Document, Figure, Section, Shown, Table, Text, Verdict
from rsft_bench.reports.html import html
from rsft_bench.reports.markdown import markdown
from rsft_bench.reports.questions import Answer
from rsft_bench.reports.verdicts import Part

HOSTILE = "<script>alert(1)</script> a | b"
PART = Part("order_status", "yes", "+0.100", "RSFT − SFT: +0.100 [+0.050, +0.150]")
DOCUMENT = Document(
    title="A run",
    subtitle="1 suite, 3 seeds",
    lead="What RSFT is.",
    warnings=("Authored suites only; see `examples/sgd.yaml`.",),
    verdicts=(Verdict("order_status", "yes", "+0.100", "Pass rate: SFT 0.500"),),
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
    assert "<script" not in page
    assert "<code>examples/sgd.yaml</code>" in page
    assert "data:image/svg+xml;base64,PHN2Zy8+" in page
    assert '<section id="quality">' in page


def test_a_figure_that_was_not_drawn_is_left_out() -> None:
    assert "<img" not in html(DOCUMENT, {})
