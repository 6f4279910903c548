"""The main table of a comparison: methods against tasks, one table for each number of layers.

One line for each number that is shown. Scores are in the metric's own unit; percent only where
something is kept of the teacher.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.reporting.frame import CELL
from alpkd_pipeline.reporting.statistics.arms import arms
from alpkd_pipeline.reporting.statistics.verdict import best
from alpkd_pipeline.reporting.tables.average import (
    TEACHER,
    averages,
    percent,
    teacher_lines,
    teacher_means,
)
from alpkd_pipeline.reporting.tables.model_size import SIZES, sizes, timed_alike

if TYPE_CHECKING:
    import pandas as pd


COLUMNS = (
    "layers",
    "row",
    "label",
    "kind",
    "method",
    "task",
    "metric",
    "n",
    "mean",
    "std",
    "low",
    "high",
    "bold",
    "kept",
    "tasks",
    "rank",
    *SIZES,
    "runs",
)
_REAL = ("mean", "std", "low", "high", "kept", "rank", *SIZES)


def main_long(cells: pd.DataFrame, known: pd.DataFrame | None = None) -> pd.DataFrame:
    """Every number of the main tables on a line of its own.

    Args:
        cells: rows of `collect` that count, with the columns of `add_settings`.
        known: of `arms(cells)`, where it is there already.

    Returns:
        Columns `COLUMNS`: for each number of layers (deepest first) the teacher's lines, then
        those of the methods in the order of the methods' table; `row` counts the rows of a table.
        `n`, `mean`, `std`, `low`, `high` over seeds; `bold` as `best` says; `kept` percent of the
        teacher's score. A line whose `task` is `Average` follows each row where at least two
        tasks are shared: see `averages`; only there `tasks` and `rank` are filled. `runs` are the
        keys behind the number.

    Raises:
        ValueError: two arms of one task and depth have the same label.
    """
    import pandas as pd

    known = arms(cells) if known is None else known
    stands_out = best(cells, known=known)
    bold = set(stands_out.loc[stands_out["bold"], "arm"])
    cells = timed_alike(cells)
    lines: list[dict[str, Any]] = []
    for layers in sorted(known["layers"].unique(), reverse=True):
        here = cells[cells["layers"] == layers]
        students = list(_student_lines(here, known[known["layers"] == layers], bold))
        lines += _in_rows([*teacher_lines(here), *students], int(layers))
    return pd.DataFrame(lines, columns=list(COLUMNS)).astype(dict.fromkeys(_REAL, "float64"))


def _student_lines(
    here: pd.DataFrame, table: pd.DataFrame, bold: set[str]
) -> Iterator[dict[str, Any]]:
    size, teachers = sizes(here), teacher_means(here)
    timed = here[here["latency_ms"].notna()]
    places = dict(zip(timed["arm"], timed["timed_on"], strict=True))
    for row in table.to_dict("records"):
        names = ("label", "method", "task", "metric", "n", "mean", "std", "low", "high", "runs")
        arm = row["arm"]
        yield {
            **{name: row[name] for name in names},
            "kind": "student",
            "bold": arm in bold,
            "kept": percent(row["mean"], teachers.get(arm), row["metric"]),
            "teacher_mean": teachers.get(arm),
            "per_seed": row["per_seed"],
            "timed_on": places.get(arm, ""),
            **size[arm],
        }


def _in_rows(lines: list[dict[str, Any]], layers: int) -> Iterator[dict[str, Any]]:
    """Lines in the order of a table's rows, each row followed by its average."""
    times = Counter((line["label"], line["task"]) for line in lines)
    twice = [place for place, count in times.items() if count > 1]
    if twice:
        raise ValueError(f"two rows of {layers} layers are called {twice[0][0]} on {twice[0][1]}")
    means = averages(lines)
    order = {name: place for place, name in enumerate((TEACHER, *METHODS))}
    labels = dict.fromkeys((line["label"], line["method"]) for line in lines)
    ranked = sorted(labels, key=lambda found: (order.get(found[1], len(order)), found))
    for row, (label, _) in enumerate(ranked):
        of_row = [line for line in lines if line["label"] == label]
        for line in [*of_row, *means.get(label, [])]:
            yield {**line, "layers": layers, "row": row}


ENOUGH_SEEDS = 3
"""With fewer seeds than this nothing is said about differences."""

_SHARED = (
    "task",
    "method",
    "layers",
    "teacher_layers",
    "teacher_seed",
    "metric",
    "teacher",
    "teacher_score",
    "parameters",
    "teacher_parameters",
    "selection",
    "differs",
)
"""Columns that are the same in all runs of a group."""


def score_columns(df: pd.DataFrame) -> list[str]:
    """The columns of dev scores, `<split>.<metric>`, in their order."""
    return [str(name) for name in df.columns if "." in str(name)]


def students_table(df: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell, in the order of `collect`; what no run has is left out."""
    cells = df[df["generation"] == CELL].reset_index(drop=True).drop(columns=["generation"])
    return cells if cells.empty else cells.dropna(axis="columns", how="all")


def grouped_table(df: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, one row for each group of cells that differ in nothing but the seed.

    Args:
        df: what `collect` returned.

    Returns:
        The shared columns, `seeds` (their number n), for each score `<score> mean` and
        `<score> std` (sample standard deviation, n - 1; missing for one seed), the means of
        `seconds` and `speed_up` (where most of the task were timed), and `group`.
    """
    cells = timed_alike(df[df["generation"] == CELL])
    groups = cells.groupby("group", sort=False)
    shared = groups[list(_SHARED)].first()
    shared["seeds"] = groups["seed"].nunique()
    for name in score_columns(df):
        shared[f"{name} mean"] = groups[name].mean()
        shared[f"{name} std"] = groups[name].std()
    for name in ("seconds", "speed_up"):
        shared[name] = groups[name].mean()
    return shared.reset_index()[[*shared.columns, "group"]]
