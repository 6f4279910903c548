"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from alpkd_pipeline.reporting.tables.table import Table


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
    """A Markdown table of plain texts.

    Args:
        headings: one for each column.
        rows: cells as text; pipes and line breaks inside them are made harmless.
        right: the headings of columns that stand on the right, as numbers do.
    """
    lines = [
        [" ".join(cell.replace("|", "\\|").split()) for cell in row] for row in [headings, *rows]
    ]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    align = [str.rjust if heading in right else str.ljust for heading in headings]
    lines.insert(
        1,
        [
            "-" * (width - 1) + (":" if heading in right else "-")
            for heading, width in zip(headings, widths, strict=True)
        ],
    )
    padded = (
        [put(cell, width) for put, cell, width in zip(align, line, widths, strict=True)]
        for line in lines
    )
    return "".join(f"| {' | '.join(line)} |\n" for line in padded)
