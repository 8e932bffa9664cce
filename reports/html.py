"""A Document as one self-contained HTML file: inline style, figures as data, nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from rsft_bench.reports.document import Document


def html(document: Document, figures: Mapping[str, bytes]) -> str:
    """Render with autoescape: no text of a run can become markup.

    Args:
        document: the report.
        figures: SVG bytes by figure name; a figure that was not drawn is left out.
    """
    environment = Environment(
        loader=PackageLoader("rsft_bench.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    pictures = {name: base64.b64encode(svg).decode() for name, svg in figures.items()}
    template = environment.get_template("report.html.j2")
    return template.render(d=document, pictures=pictures) + "\n"


def prose(text: str) -> Markup:
    """Our own sentences, escaped, with code between backticks set as code."""
    parts = text.split("`")
    marked = [
        Markup("<code>{}</code>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts)
    ]
    return Markup("").join(marked)
