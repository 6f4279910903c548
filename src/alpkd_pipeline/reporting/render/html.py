"""Sections of tables, pictures and sentences as one HTML file that asks for nothing.

The template knows how each block looks; nothing on the page needs a script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.reporting.plots.canvas import SHAPES, mark_of
from alpkd_pipeline.reporting.tables.table import Table

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph in a tone of the style sheet; one without a tone is plain text.

    In both what stands between backticks is typed as it is.
    """

    text: str
    tone: str


ON_PAGE = "on-page"
"""The tone of what is said of the page alone, of its pictures and links."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms and what is to be said of them."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Legend:
    """The marks and lines of configurations."""

    marks: Mapping[str, str]  # what is written -> the name of its mark


@dataclass(frozen=True, slots=True)
class Plate:
    """One picture: `svg` of `canvas.svg`, a title above it, a note below."""

    svg: str
    title: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Details:
    """Something to open."""

    summary: str
    blocks: Sequence[Block]


Block = str | Table | Text | Heading | Facts | Legend | list[Plate] | Details
"""Pictures of a list stand side by side, as many as the window has room for."""


Section = tuple[str, str, Sequence[Block]]
"""A part of the page: what others link to, its heading and what is below that."""


def page_html(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The page with a sentence below its title; the same sections give the same text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Names of tasks and paths may hold anything.
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.j2").render(
        title=title,
        lead=lead,
        sections=sections,
        css=(HERE / "page.css").read_text("utf-8").strip(),
        script=(HERE / "page.js").read_text("utf-8").strip(),
        kind=lambda block: type(block).__name__.lower(),
        mark_of=mark_of,
        shapes=SHAPES,
        dashes={"-": "none", "--": "5 2.5", ":": "1.5 2.5", "-.": "5 2 1.5 2"},
    )
