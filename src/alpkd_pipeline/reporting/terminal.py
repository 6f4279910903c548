"""The small table that a run prints when it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from alpkd_pipeline.reporting.numbers import millions, score_text, seconds_text

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One line of the table.

    Attributes:
        model: what the line is about: `teacher`, `student (alp_kd)`.
        layers: transformer layers.
        parameters: parameters in all.
        scores: score name -> value, `{"dev accuracy": 0.93}`; lines may have different names.
        seconds: how long its training took, None where it is not known.
    """

    model: str
    layers: int
    parameters: int
    scores: Mapping[str, float]
    seconds: float | None = None


def summary_table(rows: Sequence[ModelSummary], title: str | None = None) -> Table:
    """The table of a teacher and its students.

    It uses no colours, only the terminal's own and bold, so that it reads well on light and dark
    backgrounds.

    Args:
        rows: one line each, in this order.
        title: said above the table.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    table = Table(
        title=None if title is None else Text(title),
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
    )
    table.add_column("model", overflow="fold")
    for heading in ("layers", "parameters", *names, "seconds"):
        table.add_column(Text(heading), justify="right")
    for row in rows:
        scores = (score_text(row.scores.get(name)) for name in names)
        table.add_row(
            Text(row.model),
            str(row.layers),
            millions(row.parameters),
            *scores,
            seconds_text(row.seconds),
        )
    return table


def print_summary(
    rows: Sequence[ModelSummary], title: str | None = None, file: TextIO | None = None
) -> None:
    """Print the table; plain text without control codes where the output is not a terminal.

    Args:
        rows: one line each, in this order.
        title: said above the table.
        file: where to; standard output by default.
    """
    from rich.console import Console

    Console(file=file, highlight=False).print(summary_table(rows, title))
