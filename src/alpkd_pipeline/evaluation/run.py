"""Scoring, evaluating, timing and comparing saved models, as a folder's run.json asks for it.

GLUE's leader board takes one table of predictions for each hidden test split. Its format, by
https://gluebenchmark.com/faq: a header `index<TAB>prediction`, rows numbered from 0.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.evaluation.geometry import measure_geometry
from alpkd_pipeline.evaluation.latency import measure_latency, model_size
from alpkd_pipeline.evaluation.score import SCORES, score_splits
from alpkd_pipeline.store.manifest import read_json, write_json
from alpkd_pipeline.store.run_folder import RUN_CONFIG, input_place
from alpkd_pipeline.tasks.glue import GLUE, GlueTask
from alpkd_pipeline.tasks.metrics import Judge, score_predictions
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.devices import Hardware, resolve_hardware
from alpkd_pipeline.training.run_config import RunConfig, read_config

log = logging.getLogger(__name__)


def score_run(
    model: Path, encoded: Path, folder: Path, *, splits: str, by: Judge = score_predictions
) -> None:
    """Score a saved model on the `dev` splits, or predict `all`, as the folder's run.json says."""
    run = read_config(folder)
    names = [*run.task.dev_splits]
    if splits == "all":
        names = ["train", *names, *run.task.test_splits]
    size, on = run.training.eval_batch_size, _hardware(run)
    table = run.stage.startswith("teacher") and run.teacher.is_table
    score_splits(
        *(model, encoded, run.task, folder, on), splits=names, batch_size=size, by=by, table=table
    )


def _hardware(run: RunConfig) -> Hardware:
    """That of the training of the scored model, in the precision in which users load it."""
    return resolve_hardware(run.training.device, "fp32", run.training.threads)


def evaluate_run(model: Path, encoded: Path, folder: Path) -> None:
    """Predictions and scores on every split, GLUE submission files, size."""
    from alpkd_pipeline.evaluation.metrics import scoring

    task, asked = read_config(folder).task, read_json(folder / RUN_CONFIG).get("metrics", {})
    own = {input_place(folder, place): digest for place, digest in asked.items()}
    with scoring(task, own) as by:
        score_run(model, encoded, folder, splits="all", by=by)
    if own:
        digests = {metric.name: digest for metric, digest in own.items()}
        write_json(folder / SCORES, {**read_json(folder / SCORES), "metrics": digests})
    _submit(task, folder)
    write_json(folder / "size.json", model_size(model))


def _submit(task: Task, folder: Path) -> None:
    files = {split: folder / "predictions" / f"{split}.csv" for split in task.test_splits}
    glue = task.name in GLUE and task.label_names == GLUE[task.name].task.label_names
    if not glue or not all(path.is_file() for path in files.values()):
        return
    try:
        frames = {split: pd.read_csv(path) for split, path in files.items()}
        write_submission(task.name, frames, folder / "submission")
    except UserError as error:
        log.warning("no submission files: %s", error)


def time_run(model: Path, encoded: Path, folder: Path) -> None:
    """Latency and throughput on this machine."""
    run = read_config(folder)
    # Teacher and student under the same conditions: those of the student's training.
    asked = run.distilling
    hardware = resolve_hardware(asked.device, asked.precision, asked.threads)
    write_json(folder / "latency.json", measure_latency(model, encoded, run.task, hardware))


def geometry_run(student: Path, teacher: Path, encoded: Path, folder: Path) -> None:
    """Distances and a common plane of the layers of student and teacher."""
    run = read_config(folder)
    found = measure_geometry(student, teacher, encoded, run.task, _hardware(run), run.pooling)
    write_json(folder / "geometry.json", found)


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
    if task_name not in GLUE:
        hint = did_you_mean(task_name, GLUE, "; {}") or f"; choose from {', '.join(GLUE)}"
        raise UserError(f"there is no GLUE submission for task '{task_name}'{hint}")
    glue = GLUE[task_name]
    expected = glue.test_rows if rows is None else rows
    tables = {}
    for split, name in glue.submission.items():
        if split not in predictions:
            raise UserError(
                f"a {task_name} submission needs predictions of split '{split}';"
                " `kedro run --pipeline=evaluate` makes them where the data has that split"
            )
        ordered = _in_order(predictions[split], f"{task_name} {split}", expected[split])
        values = _submitted_values(ordered, glue, f"{task_name} {split}")
        tables[name] = "".join(f"{i}\t{answer}\n" for i, answer in enumerate(values))
    out.mkdir(parents=True, exist_ok=True)
    for name, lines in tables.items():
        (out / name).write_text(f"index\tprediction\n{lines}", encoding="utf-8", newline="\n")
    return [out / name for name in tables]


def _in_order(frame: pd.DataFrame, what: str, rows: int) -> pd.DataFrame:
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


def _submitted_values(frame: pd.DataFrame, glue: GlueTask, what: str) -> list[str]:
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
