"""The files that GLUE's leader board takes: one table of predictions for each hidden test split.

Format: https://gluebenchmark.com/faq, a header `index<TAB>prediction`, rows numbered from 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.tasks.glue import GLUE, GlueTask

if TYPE_CHECKING:
    import pandas as pd


def write_submission(
    task_name: str,
    predictions: Mapping[str, pd.DataFrame],
    out: Path,
    *,
    rows: Mapping[str, int] | None = None,
) -> list[Path]:
    """Write a GLUE task's submission files, such as `RTE.tsv`.

    All predictions are checked before the first file is written. They come by split, as
    `predictions_frame` makes them (columns `idx` and `prediction`), rows in any order; `rows` are
    those that each must have, GLUE's own numbers by default.

    Returns:
        The files, two for MNLI (matched and mismatched).

    Raises:
        UserError: not a GLUE task, a test split is missing, or its rows are not 0 to n - 1, once
            each, with a prediction that the task knows.
    """
    glue = _glue_task(task_name)
    expected = glue.test_rows if rows is None else rows
    tables = {}
    for split, name in glue.submission.items():
        if split not in predictions:
            raise UserError(
                f"a {task_name} submission needs predictions of split '{split}';"
                " `kedro run --pipeline=evaluate` makes them where the data has that split"
            )
        ordered = _in_order(predictions[split], f"{task_name} {split}", expected[split])
        answers = _answers(ordered, glue, f"{task_name} {split}")
        tables[name] = "".join(f"{i}\t{answer}\n" for i, answer in enumerate(answers))
    out.mkdir(parents=True, exist_ok=True)
    for name, lines in tables.items():
        (out / name).write_text(f"index\tprediction\n{lines}", encoding="utf-8", newline="\n")
    return [out / name for name in tables]


def _glue_task(name: str) -> GlueTask:
    if name not in GLUE:
        hint = did_you_mean(name, GLUE, "; {}") or f"; choose from {', '.join(GLUE)}"
        raise UserError(f"there is no GLUE submission for task '{name}'{hint}")
    return GLUE[name]


def _in_order(frame: pd.DataFrame, what: str, rows: int) -> pd.DataFrame:
    """The rows sorted by their index, which must be 0 to rows - 1."""
    if len(frame) != rows:
        raise UserError(
            f"predictions of {what} have {len(frame)} rows, but GLUE's split has {rows}:"
            " the leader board would refuse them; predict the whole split"
        )
    ordered = frame.sort_values("idx")
    wrong = [i for i, idx in enumerate(ordered["idx"]) if idx != i]
    if wrong:
        raise UserError(
            f"predictions of {what} are not numbered 0 to {rows - 1}, once each:"
            f" {wrong[0]} is missing or stands twice in column 'idx'"
        )
    return ordered


def _answers(frame: pd.DataFrame, glue: GlueTask, what: str) -> list[str]:
    values = frame["prediction"].tolist()
    if glue.task.kind == "regression":
        if not all(math.isfinite(value) for value in values):
            raise UserError(f"predictions of {what} hold NaN or infinity: the model diverged")
        low, high = glue.task.label_range or (-math.inf, math.inf)
        return [f"{min(max(value, low), high):.3f}" for value in values]
    words = dict(enumerate(glue.submission_words))
    unknown = [value for value in values if value not in words]
    if unknown:
        raise UserError(
            f"predictions of {what} hold {unknown[0]!r}, which is no class id:"
            f" 0 to {len(words) - 1} are"
        )
    return [words[value] for value in values]
