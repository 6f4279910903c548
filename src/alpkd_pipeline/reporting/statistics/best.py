"""Which method of a column may be printed in bold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.statistics.arms import arms
from alpkd_pipeline.reporting.statistics.family import holm
from alpkd_pipeline.reporting.statistics.paired import paired_test
from alpkd_pipeline.reporting.statistics.pairing import pair
from alpkd_pipeline.reporting.statistics.verdict import LEVEL
from alpkd_pipeline.tasks.metrics import sign

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("task", "layers", "arm", "label", "mean", "bold", "note")


def best(
    cells: pd.DataFrame, level: float = LEVEL, known: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The arm with the best mean of each task and depth, and whether it stands out.

    Args:
        cells: rows of `collect` that count, with `SETTING_COLUMNS`.
        level: of the corrected p.
        known: of `arms(cells)`, where it is there already.

    Returns:
        Columns `COLUMNS`, one row for each task and depth. `bold` is true only where the paired
        tests against all others of the column, Holm-corrected over these, are significant;
        otherwise `note` says why not.
    """
    import pandas as pd

    known = arms(cells) if known is None else known
    columns = known.groupby(["task", "layers"], sort=False)
    rows = [_best(column.to_dict("records"), level) for _, column in columns]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _best(column: list[dict[Any, Any]], level: float) -> dict[str, Any]:
    first = best_of(column)
    others = [row for row in column if row is not first]
    note = _why_not(first, others, level)
    names = ("task", "layers", "arm", "label", "mean")
    return {name: first[name] for name in names} | {"bold": not note, "note": note}


def best_of(column: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
    """The arm with the best mean, of arms of one task: the highest one, the lowest error."""
    return max(column, key=lambda row: sign(row["metric"]) * row["mean"])


def _why_not(first: dict[Any, Any], others: list[dict[Any, Any]], level: float) -> str:
    """Why the best is not shown to be better than all others; empty if it is."""
    if not others:
        return "there is nothing else in the column"
    p_values = []
    for other in others:
        if other["setting"] != first["setting"]:
            return f"{other['label']} was run in another setting"
        pairs = pair(first["units"], other["units"])
        test = paired_test(pairs.ours, pairs.theirs)
        if test.p is None or test.difference is None:
            return f"too few seeds shared with {other['label']}"
        if sign(first["metric"]) * test.difference <= 0:
            return f"not better than {other['label']} on shared seeds"
        p_values.append(test.p)
    corrected = holm(p_values)
    same = [row["label"] for row, p in zip(others, corrected, strict=True) if p >= level]
    return f"not distinguishable from {', '.join(same)}" if same else ""
