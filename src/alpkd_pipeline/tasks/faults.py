"""What is wrong with a data set, said once and completely. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError, plural
from alpkd_pipeline.tasks.labels import is_missing
from alpkd_pipeline.tasks.task import Task, normalise

if TYPE_CHECKING:
    import pandas as pd


SHOWN_ROWS = 5
"""How many row numbers a fault lists before it only counts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule that some rows of one split break.

    Attributes:
        split: the split's name.
        file: where the rows come from; empty when unknown.
        rule: what is wrong, as the end of a sentence (`sentence is empty`).
        count: how many rows break the rule; 0 when the fault is not one of rows.
        rows: the numbers of the first of them, counted from 1.
        unit: what the numbers count: `line` of the file or `row` of the table.
    """

    split: str
    file: str
    rule: str
    count: int = 0
    rows: tuple[int, ...] = ()
    unit: str = "row"

    def __str__(self) -> str:
        place = f"{self.split} ({self.file})" if self.file else self.split
        return f"{place}{self._where()}: {self.rule}"

    def _where(self) -> str:
        if not self.count:
            return ""
        shown = ", ".join(str(row) for row in self.rows[:SHOWN_ROWS])
        more = ", ..." if self.count > min(len(self.rows), SHOWN_ROWS) else ""
        return f", {plural(self.count, self.unit)} ({shown}{more})"


class DataFaults(UserError):  # noqa: N818 -- it holds many faults
    """Every fault of every split of a data set: a header line, then one line per fault.

    Attributes:
        faults: the faults in the order of the splits.
    """

    def __init__(self, task: str, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        header = (
            f"the data of task '{task}' has {plural(len(self.faults), 'fault')}, nothing was"
            " written; put right:"
        )
        super().__init__("\n".join([header, *(f"  - {fault}" for fault in self.faults)]))


TextKey = tuple[str, ...]
"""All texts of a row, normalised, in order; empty where a text is missing."""


def text_keys(frame: pd.DataFrame, task: Task) -> list[TextKey]:
    """What makes a row the same as another, for each row."""
    columns = (
        ["" if is_missing(text) else normalise(str(text)) for text in frame[name]]
        for name in task.text_columns
    )
    return list(zip(*columns, strict=True))


def count_shared(keys: Sequence[TextKey], known: set[TextKey]) -> int:
    """How many rows are among the known ones; rows that lack a text are not compared."""
    return sum(all(key) and key in known for key in keys)


def count_repeated(keys: Sequence[TextKey]) -> int:
    """How many rows repeat an earlier one."""
    return len(keys) - len(set(keys))
