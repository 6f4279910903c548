"""How the page writes numbers and names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.report.blocks import Cell
from alpkd_pipeline.reporting.statistics.summary import scaled_text

MISSING = "–"
MINUS = "−"


def known(value: Any) -> float | None:
    """The number, or None for each of the ways in which a frame says that there is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def points(value: Any, digits: int = 1, metric: str = "") -> str:
    """A score from 0 to 1 in percent, without the sign: `84.3`; an error as it is: `0.634`."""
    number = known(value)
    return MISSING if number is None else _minus(scaled_text(number, metric, digits))


def signed(value: Any, metric: str = "") -> str:
    """A difference of scores in points, always with its sign; of errors in their own unit."""
    number = known(value)
    return MISSING if number is None else _minus(scaled_text(number, metric, plus="+"))


def plus_minus(mean: Any, std: Any, metric: str = "") -> str:
    """`84.3 ± 0.5`, or the mean alone for one seed."""
    texts = [points(value, metric=metric) for value in (mean, std) if known(value) is not None]
    return " ± ".join(texts) or MISSING


def number(value: Any, digits: int = 1, unit: str = "") -> str:
    """A number with so many digits behind the point."""
    found = known(value)
    return MISSING if found is None else _minus(f"{found:,.{digits}f}") + unit


def p_text(value: Any) -> str:
    """A p value: three digits, or that it is smaller.

    A p below 0.05 is never rounded up to it: the words beside it say that it is smaller.
    """
    found = known(value)
    if found is None:
        return MISSING
    if found < 0.001:
        return "< .001"
    text = f"{found:.3f}".removeprefix("0")
    return "< .050" if found < 0.05 and text == ".050" else text


def interval(low: Any, high: Any, metric: str = "") -> str:
    """Both ends of an interval, as `signed` writes them."""
    if known(low) is None or known(high) is None:
        return MISSING
    return f"{signed(low, metric)} to {signed(high, metric)}"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def seeds_text(seeds: Iterable[int]) -> str:
    """Seeds in order, runs of them as ranges: `0–4, 7`."""
    parts: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    shown = (f"{p[0]}–{p[-1]}" if len(p) > 2 else ", ".join(map(str, p)) for p in parts)
    return ", ".join(shown)


def listed(names: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = list(names) or [MISSING]
    return f"{', '.join(first)} and {last}" if first else last


def anchor(*parts: object) -> str:
    """An id for a page: letters, digits and hyphens, whatever the parts hold."""
    return "-".join(re.sub(r"[^A-Za-z0-9_]+", "_", str(part)) for part in parts)


def depth(layers: Any, teacher_layers: Any = None) -> str:
    """`3 of 6 layers`."""
    most = known(teacher_layers)
    if most is None:
        return plural(int(layers), "layer")
    return f"{int(layers)} of {most:.0f} layers"


def method_cell(label: str, method: str, **more: Any) -> Cell:
    """A method's name behind its mark."""
    return Cell(label, mark=method, **more)


def _minus(text: str) -> str:
    return text.replace("-", MINUS)


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
