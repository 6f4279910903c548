"""Tables as text: Markdown, and LaTeX with booktabs for a paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from alpkd_pipeline.reporting.tables.table import Cell, Table
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


def _row(row: Sequence[Cell]) -> str:
    return _line(_bold(cell.text) if cell.strong else escape(cell.text) for cell in row)


def _bold(text: str) -> str:
    """The number in bold, its deviation as it is."""
    number, *deviation = escape(text).split(" ", 1)
    return " ".join([f"\\textbf{{{number}}}", *deviation])


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def markdown(table: Table) -> str:
    """The narrow form of a table, without its caption; what stands out is bold."""
    brief = table.brief()
    rows = [
        [f"**{cell.text}**" if cell.strong else cell.text for cell in row]
        for body in brief.bodies
        for row in body.rows
    ]
    numbers = [column.heading for column in brief.columns if column.number]
    return markdown_table([column.heading for column in brief.columns], rows, numbers)


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
