"""Plain Markdown tables whose columns line up in the source too."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> str:
    """A Markdown table.

    Args:
        headings: one for each column.
        rows: cells as text; pipes and line breaks inside them are made harmless.
        right: the headings of columns that stand on the right, as numbers do.
    """
    cells = [[_harmless(cell) for cell in row] for row in [headings, *rows]]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(headings))]
    on_right = [heading in right for heading in headings]
    rule = ["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, on_right, strict=True)]
    lines = [cells[0], rule, *cells[1:]]
    return "\n".join(_line(line, widths, on_right) for line in lines) + "\n"


def _line(cells: Sequence[str], widths: Sequence[int], on_right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, on_right, strict=True)
    )
    return f"| {' | '.join(padded)} |"


def _harmless(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())
