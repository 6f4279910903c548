"""From the runs of a store to the tables that may be shown: cells only, means only over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.frame import CELL
from alpkd_pipeline.reporting.tables.model_size import timed_alike

if TYPE_CHECKING:
    import pandas as pd

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
