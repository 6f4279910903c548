"""Tables as text: Markdown, and LaTeX with booktabs for a paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from alpkd_pipeline.reporting.render.html import (
    ON_PAGE,
    Block,
    Details,
    Facts,
    Heading,
    Section,
    Text,
)
from alpkd_pipeline.reporting.tables.table import Table, TableCell
from alpkd_pipeline.reporting.tex import escape


def latex(tables: Iterable[Table]) -> str:
    """The narrow form of some tables with their captions; it needs the package booktabs."""
    return "\n".join(["% Needs \\usepackage{booktabs}.\n", *map(_table, tables)])


def _table(table: Table) -> str:
    brief = table.brief()
    lines = [_row(row) for body in brief.bodies for row in body.rows]
    tones = [body.tone for body in brief.bodies for _ in body.rows]
    # A rule below the teacher's rows, and wherever else rows of another kind begin.
    rules = [r"\midrule" if one != other else "" for one, other in pairwise([*tones, *tones[-1:]])]
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
            *(part for pair in zip(lines, rules, strict=True) for part in pair if part),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _row(row: Sequence[TableCell]) -> str:
    return _line(_bold(cell.text) if cell.strong else escape(cell.text) for cell in row)


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
                if said := block.brief().explanation:
                    yield f"{said}\n"
            case Heading():
                yield f"### {block.text}\n"
            case Details():
                yield from (f"#### {block.summary}\n", *_markdown_blocks(block.blocks))
            case Facts():
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

    `right` are the headings of columns that stand on the right, as numbers do.
    """
    columns = []
    for heading, *below in zip(headings, *rows, strict=True):
        texts = [" ".join(text.replace("|", "\\|").split()) for text in (heading, *below)]
        width, number = max(3, *map(len, texts)), heading in right
        head, *cells = (text.rjust(width) if number else text.ljust(width) for text in texts)
        columns.append([head, "-" * (width - 1) + (":" if number else "-"), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in zip(*columns, strict=True))
