"""From a run folder to the training that its run.json asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.teacher_checks import check_learned
from alpkd_pipeline.store.checkpoints import drop_checkpoints, says_where_it_goes_on
from alpkd_pipeline.store.manifest import MANIFEST, read_json, room_for, seal
from alpkd_pipeline.store.run_folder import PREDICTIONS, RUN_CONFIG
from alpkd_pipeline.training.memory import memory_errors
from alpkd_pipeline.training.run_config import RunConfig, read_config
from alpkd_pipeline.training.student import record_signals, train_student
from alpkd_pipeline.training.teacher import bring_table, bring_teacher, train_teacher


def run_stage(folder: Path) -> Path:
    """Make what the folder's run.json asks for; the folder is not sealed yet.

    UserError where that is missing, damaged, or names an unknown stage; where the teacher learned
    nothing; where the memory or the disk is too small.
    """
    run = read_config(folder)
    teach = bring_teacher if run.teacher.finetuned else train_teacher
    makers: dict[str, Callable[[RunConfig], None]] = {
        "teacher": bring_table if run.teacher.is_table else teach,
        "signals": lambda run: record_signals(run, run.folder),
        "student": train_student,
    }
    if run.stage not in makers:
        raise UserError(f"{folder / RUN_CONFIG}: unknown stage {run.stage!r}")
    if run.stage in ("signals", "student") and not run.teacher.allow_constant:
        # What the teacher answered on the rows that chose it.
        teacher = run.inputs["teacher"]
        for file in (teacher / PREDICTIONS).glob("*.csv"):
            rows = pd.read_csv(file, usecols=["label", "prediction"])
            given, labels = rows["prediction"].to_numpy(), rows["label"].to_numpy()
            check_learned(run.task, teacher.name, file.stem, given, labels)
    with says_where_it_goes_on(folder), room_for(folder), memory_errors():
        makers[run.stage](run)
    return folder


def train_folder(folder: Path) -> None:
    """Make it and seal it with its manifest; an interrupted training goes on.

    UserError where the folder is finished already, or as `run_stage`.
    """
    if (folder / MANIFEST).exists():
        drop_checkpoints(folder)  # of a process that was killed when it had just finished
        raise UserError(f"{folder} is finished; to train it again, remove its {MANIFEST} first")
    run_stage(folder)
    identity = read_json(folder / RUN_CONFIG)["identity"]
    made_from = {name: key for name, key in identity["keys"].items() if key != identity["key"]}
    facts = {"stage": read_config(folder).stage, "key": identity["key"], "made_from": made_from}
    with room_for(folder):
        seal(folder, facts)
    drop_checkpoints(folder)
