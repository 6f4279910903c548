"""A table as a value; `render` turns it into HTML, Markdown and LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.formats import scaled_text

MISSING = "–"
"""What a cell says where nothing is known."""

COLLAPSED = " †"
"""Stands behind the score of a model that says the same of every row."""

COLLAPSED_MEANS = (
    "† answers one class for every dev row, or numbers that spread less than a tenth as much as the"
    " labels (of a mean: at least one of its runs does); nothing of the teacher's score is kept by"
    " that, however high the score."
)


@dataclass(frozen=True, slots=True)
class TableCell:
    """One cell."""

    text: str  # what it says, the same in every format
    href: str = ""  # where it leads, `#id` or an address
    small: str = ""  # said below it, smaller
    title: str = ""  # said when it is pointed at
    strong: bool = False  # whether it stands out
    tone: str = ""  # a class of the page's style sheet: `better`, `worse`, `quiet`, `code`
    mark: str = ""  # the method whose mark stands before the text
    id: str = ""  # what others link to


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and how a cell below it is made."""

    heading: str
    # from what a row is about to its cell; plain text stands for a cell that is no more
    cell: Callable[[Any], TableCell | str]
    number: bool = False  # whether its cells are numbers, which stand on the right
    meaning: str = ""  # of the heading, in a sentence
    brief: bool = True  # whether it is also in the narrow tables of Markdown and LaTeX

    def of(self, row: Any) -> TableCell:
        """The cell of a row."""
        made = self.cell(row)
        return TableCell(made) if isinstance(made, str) else made


def numbers(
    heading: str, cell: Callable[[Any], TableCell | str], meaning: str = "", brief: bool = True
) -> Column:
    """A column of numbers."""
    return Column(heading, cell, True, meaning, brief)


@dataclass(frozen=True, slots=True)
class Body:
    """Rows that belong together."""

    rows: Sequence[Sequence[TableCell]]  # cells; the first cell of a row is its heading
    heading: str = ""  # a line above the rows
    tone: str = ""  # a class of the style sheet, `teacher` for the teacher's rows
    id: str = ""  # what others link to
    heading_id: str = ""  # what others link to, of the line above


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption."""

    caption: str
    columns: Sequence[Column]
    bodies: Sequence[Body]
    id: str = ""  # what others link to, and what the search box is for
    tools: bool = False  # whether it gets a search box, where scripts run
    # what the headings of the bodies are; where rows have no room for headings between them, this
    # is a column of its own
    group: str = ""
    alone: str = ""  # the caption where no text stands around the table, as in a paper
    note: str = ""  # what a mark in its cells means

    @property
    def explanation(self) -> str:
        """What its columns and marks mean, as a line to read; empty where headings say it all."""
        said = "; ".join(f"{c.heading}: {c.meaning}" for c in self.columns if c.meaning)
        return f"{said}{'.' if said else ''} {self.note}".strip()

    def without_empty(self) -> Table:
        """The same without columns in which no cell says anything."""
        rows = [row for body in self.bodies for row in body.rows]
        empty = ("", "-", MISSING)
        indices = range(len(self.columns))
        return self._only([i for i in indices if any(row[i].text not in empty for row in rows)])

    def brief(self) -> Table:
        """The same for a narrow page: only its `brief` columns, with the group among them."""
        table = self._only([i for i, column in enumerate(self.columns) if column.brief])
        if not self.group:
            return table
        bodies = [
            replace(body, rows=[[TableCell(body.heading), *row] for row in body.rows], heading="")
            for body in table.bodies
        ]
        columns = [Column(self.group, str), *table.columns]
        return replace(table, columns=columns, bodies=bodies, group="")

    def _only(self, indices: Sequence[int]) -> Table:
        columns = [self.columns[i] for i in indices]
        rows = ([[row[i] for i in indices] for row in body.rows] for body in self.bodies)
        bodies = [replace(body, rows=of) for body, of in zip(self.bodies, rows, strict=True)]
        return replace(self, columns=columns, bodies=bodies)


def cells(columns: Sequence[Column], rows: Iterable[Any]) -> list[list[TableCell]]:
    """The cells of some rows."""
    return [[column.of(row) for column in columns] for row in rows]


MINUS = "−"


def number_or_none(value: Any) -> float | None:
    """The number, or None for each of the ways in which a frame says that there is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def points(value: Any, digits: int = 1, metric: str = "", plus: str = "") -> str:
    """A score from 0 to 1 in percent, without the sign: `84.3`; an error as it is: `0.634`."""
    number = number_or_none(value)
    return MISSING if number is None else _minus(scaled_text(number, metric, digits, plus))


def signed(value: Any, metric: str = "") -> str:
    """A difference of scores in points, always with its sign; of errors in their own unit."""
    return points(value, metric=metric, plus="+")


def plus_minus(mean: Any, std: Any, metric: str = "") -> str:
    """`84.3 ± 0.5`, or the mean alone for one seed."""
    texts = [
        points(value, metric=metric) for value in (mean, std) if number_or_none(value) is not None
    ]
    return " ± ".join(texts) or MISSING


def number(value: Any, digits: int = 1, unit: str = "") -> str:
    """A number with so many digits behind the point."""
    found = number_or_none(value)
    return MISSING if found is None else _minus(f"{found:,.{digits}f}") + unit


def p_text(value: Any) -> str:
    """A p value: three digits, or that it is smaller.

    A p below 0.05 is never rounded up to it: the words beside it say that it is smaller.
    """
    found = number_or_none(value)
    if found is None:
        return MISSING
    if found < 0.001:
        return "< .001"
    text = f"{found:.3f}".removeprefix("0")
    return "< .050" if found < 0.05 and text == ".050" else text


def interval(low: Any, high: Any, metric: str = "") -> str:
    """Both ends of an interval, as `signed` writes them."""
    if number_or_none(low) is None or number_or_none(high) is None:
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
    most, own = number_or_none(teacher_layers), int(layers)
    return plural(own, "layer") if most is None else f"{own} of {most:.0f} layers"


def _minus(text: str) -> str:
    return text.replace("-", MINUS)
