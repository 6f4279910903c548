"""What a row tells of the models behind it besides their scores: how large and how fast they are.

An entry of `MEASURES` is a column of main.csv and, with a heading, of the tables of scores in every
format. One with `of_run` is a column of students.csv and groups.csv too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.formats import millions
from alpkd_pipeline.reporting.tables.table import MISSING, number, number_or_none

if TYPE_CHECKING:
    import pandas as pd

    from alpkd_pipeline.reporting.store import RunRecord


def _times(value: Any) -> str:
    return number(value, 1, "×")


def _millions(value: Any) -> str:
    count = number_or_none(value)
    return MISSING if count is None else millions(count)


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of a row."""

    name: str  # its column in the CSV files: the mean over a row's runs, as far as it is known
    heading: str = ""  # in the tables of scores; empty: in the CSV files alone
    meaning: str = ""  # of the heading
    text: Callable[[Any], str] = number  # how the number is written
    in_teacher_rows: bool = False  # whether the tables say it in the teacher's rows
    brief: bool = True  # whether the narrow tables of Markdown and LaTeX have it too
    # how a run tells it; None: `run_frame` and `sizes` know it
    of_run: Callable[[RunRecord], Any] | None = None


MEASURES = (
    Measure("parameters", "parameters", "", _millions, in_teacher_rows=True, brief=False),
    Measure("teacher_parameters"),
    Measure(
        "compression", "smaller", "the teacher's parameters over the student's", _times, brief=False
    ),
    Measure(
        "speed_up",
        "faster",
        "the teacher's median time for one example over the student's, both on the machine and"
        " setup of most students of the task",
        _times,
        brief=False,
    ),
    Measure("latency_ms"),
    Measure("seconds", of_run=lambda run: run.metrics.get("seconds")),
)
"""In the order of the columns."""

TIMES = ("speed_up", "latency_ms")
"""What depends on where it was measured."""


def measures() -> list[str]:
    """Their names."""
    return [measure.name for measure in MEASURES]


def table_measures() -> list[Measure]:
    """Those that the tables of scores have a column of."""
    return [measure for measure in MEASURES if measure.heading]


def run_measures() -> dict[str, Callable[[RunRecord], Any]]:
    """Name -> how a run tells it, of measures that say so themselves."""
    return {m.name: m.of_run for m in MEASURES if m.of_run is not None}


def timed_alike(cells: pd.DataFrame) -> pd.DataFrame:
    """The same runs; of each task only those times that were taken in its commonest environment.

    Times of different machines, devices, libraries or numbers of threads have no common mean.
    """
    chosen = {
        task: min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
        for task, of_task in cells.groupby("task")["timed_on"]
        if (counts := of_task[of_task.fillna("") != ""].value_counts().to_dict())
    }
    alike = cells["timed_on"] == cells["task"].map(chosen)
    return cells.assign(**{name: cells[name].where(alike) for name in TIMES})


def measured(cells: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Arm -> each measure's mean over the arm's runs as far as it is known, else None."""
    wanted = measures()
    frame = cells.reindex(columns=["arm", *wanted])
    means = frame.astype(dict.fromkeys(wanted, "float64")).groupby("arm").mean()
    means["compression"] = means["teacher_parameters"] / means["parameters"]
    return {
        str(arm): {name: number_or_none(row[name]) for name in wanted}  # NaN is no JSON
        for arm, row in means.to_dict("index").items()
    }
