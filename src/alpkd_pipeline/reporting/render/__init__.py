"""Sections of tables, pictures and sentences as an HTML file that asks for nothing and as Markdown,
tables also as LaTeX with booktabs for a paper.

The page's template knows how each block looks; nothing on it needs a script.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.reporting.plots.canvas import SHAPES, mark_of
from alpkd_pipeline.reporting.tables.table import Table, TableCell
from alpkd_pipeline.reporting.tex import escape

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph in a tone of the style sheet; one without a tone is plain text. In both what
    stands between backticks is typed as it is."""

    text: str
    tone: str


ON_PAGE = "on-page"  # the tone of what is said of the page alone, of its pictures and links


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Terms:
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


Block = str | Table | Text | Heading | Terms | Legend | list[Plate] | Details
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


def latex(tables: Iterable[Table]) -> str:
    """The narrow form of some tables with their captions; it needs the package booktabs."""
    return "\n".join(["% Needs \\usepackage{booktabs}.\n", *map(_table, tables)])


def _table(table: Table) -> str:
    brief, lines, tone = table.brief(), list[str](), None
    for body in brief.bodies:
        for row in body.rows:
            if tone not in (None, body.tone):  # below the teacher's rows, and wherever others begin
                lines.append(r"\midrule")
            lines.append(_line(_bold(c.text) if c.strong else escape(c.text) for c in row))
            tone = body.tone
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{escape(table.alone or table.caption)}}}",
            f"\\label{{tab:{table.id}}}",
            f"\\begin{{tabular}}{{{''.join('r' if c.number else 'l' for c in brief.columns)}}}",
            r"\toprule",
            _line(escape(column.heading) for column in brief.columns),
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _bold(text: str) -> str:
    """The number in bold, its deviation as it is."""
    number, *deviation = escape(text).split(" ", 1)
    return " ".join([f"\\textbf{{{number}}}", *deviation])


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def page_markdown(title: str, sections: Iterable[Section]) -> str:
    """The sections of a page without their pictures."""
    parts = [f"# {title}\n"]
    for _, heading, blocks in sections:
        parts += [f"## {heading}\n", *_markdown_blocks(blocks)]
    return "\n".join(parts)


def _markdown_blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Table():
                yield f"{block.caption}:\n\n{markdown(block)}"
                if explanation := block.brief().explanation:
                    yield f"{explanation}\n"
            case Heading():
                yield f"### {block.text}\n"
            case Details():
                yield from (f"#### {block.summary}\n", *_markdown_blocks(block.blocks))
            case Terms():
                yield "".join(f"- {term}: {text}\n" for term, text in block.rows)
            case str():
                yield f"{block}\n"
            case Text() if block.tone != ON_PAGE:
                yield f"{block.text}\n"


def markdown(table: Table) -> str:
    """The narrow form of a table, without its caption; what stands out is bold, what stands below
    a cell's text follows in brackets."""
    brief = table.brief()
    rows = [[_markdown_cell(cell) for cell in row] for body in brief.bodies for row in body.rows]
    numbers = [column.heading for column in brief.columns if column.number]
    return markdown_table([column.heading for column in brief.columns], rows, numbers)


def _markdown_cell(cell: TableCell) -> str:
    text = f"**{cell.text}**" if cell.strong else cell.text
    return f"{text} ({cell.small})" if cell.small else text


def markdown_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> str:
    """A Markdown table of plain texts; pipes and line breaks inside cells are made harmless.
    Columns with a heading of `right` stand on the right, as numbers do."""
    columns = []
    for heading, *below in zip(headings, *rows, strict=True):
        texts = [" ".join(text.replace("|", "\\|").split()) for text in (heading, *below)]
        width, number = max(3, *map(len, texts)), heading in right
        head, *cells = (text.rjust(width) if number else text.ljust(width) for text in texts)
        columns.append([head, "-" * (width - 1) + (":" if number else "-"), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in zip(*columns, strict=True))
