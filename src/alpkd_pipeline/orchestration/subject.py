"""What the parameters of a cell name: a task, its source, encoders, and what people call them."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path

from alpkd_pipeline.distillation.method_table import get_row
from alpkd_pipeline.models.shape import Shape, shape_of
from alpkd_pipeline.models.source import PACKAGE, ModelRef, kind_of, peek_config
from alpkd_pipeline.params import Params
from alpkd_pipeline.tasks.define import define_task
from alpkd_pipeline.tasks.glue import GLUE, HUB_DATASET, HUB_REVISION
from alpkd_pipeline.tasks.sources.spec import SourceSpec
from alpkd_pipeline.tasks.task import Task


class Subject:
    """The things that a set of parameters speaks of; `Cell` adds keys and folders."""

    def __init__(self, params: Params, project: Path, command: str = "") -> None:
        """Nothing is read yet.

        Args:
            params: the checked parameters.
            project: the project's root; relative paths start here.
            command: what makes this cell, for people to repeat it.
        """
        self.params = params
        self.project = project
        self.command = command

    @cached_property
    def task(self) -> Task:
        """The task."""
        given = self.params.task
        return define_task(
            given.name,
            text_columns=given.text_columns,
            label_names=given.labels,
            kind=given.kind,
            metrics=given.metrics,
            label_range=given.label_range,
        )

    @cached_property
    def source(self) -> SourceSpec:
        """Where the task's rows come from."""
        given = self.params.task
        path = given.path
        if given.source == "folder" and path is None:
            path = os.environ.get("ALPKD_GLUE_DIR") or "data/01_raw/glue"
        dataset, revision = given.dataset, given.revision
        if given.source == "hub" and dataset is None and given.name in GLUE:
            dataset, revision = HUB_DATASET, revision or HUB_REVISION
        return SourceSpec(
            kind=given.source,
            dataset=dataset,
            config=given.config,
            revision=revision,
            path=path,
            files=given.files,
            columns=given.columns,
            train_rows=given.train_rows,
            dev_fraction=given.dev_fraction,
        )

    @property
    def model(self) -> ModelRef:
        """The encoder that the teacher is made from."""
        return ModelRef(self.params.teacher.model, self.params.teacher.revision)

    @property
    def checkpoint(self) -> ModelRef | None:
        """The encoder that the student starts from, if it is one of its own."""
        given = self.params.student
        return ModelRef(given.checkpoint, given.checkpoint_revision) if given.checkpoint else None

    @cached_property
    def teacher_shape(self) -> Shape | None:
        """The teacher's shape, as soon as its config.json is on this machine."""
        config = peek_config(self.model, self.project)
        return shape_of(config) if config else None

    @cached_property
    def student_width(self) -> int | None:
        """The width of the student's states, as far as it is known before anything is loaded."""
        if self.checkpoint is not None:
            config = peek_config(self.checkpoint, self.project)
            return shape_of(config).width if config else None
        return self.params.student.hidden_size or (
            self.teacher_shape.width if self.teacher_shape else None
        )

    @property
    def needs_signals(self) -> bool:
        """Whether the student reads the teacher's signals from the cache."""
        return bool(get_row(self.params.method.name).needs) and (
            self.params.signals.source == "cache"
        )

    @property
    def needs_pretrained(self) -> bool:
        """Whether the student starts from the encoder as it was before fine-tuning."""
        return self.params.student.init_from == "pretrained"

    @property
    def model_label(self) -> str:
        """A short name of the teacher's encoder, fit for folder names."""
        name = self.params.teacher.model
        if name.startswith(PACKAGE):
            name = name.removeprefix(PACKAGE).split("/")[0]
        last = [part for part in re.split(r"[/\\]", name) if part.strip(".~")] or ["model"]
        return re.sub(r"[^a-z0-9._-]+", "-", last[-1].lower()).strip("-._") or "model"

    @property
    def teacher_name(self) -> str:
        """What people call the teacher's run: `rte-teacher-bert-base-uncased-s0`."""
        return f"{self.task.name}-teacher-{self.model_label}-s{self.params.teacher.seed}"

    @property
    def student_name(self) -> str:
        """What people call the student's run: `rte-12to4-alp_kd-s1`."""
        depth = f"{self.teacher_shape.layers if self.teacher_shape else 'n'}"
        given = self.params
        return f"{self.task.name}-{depth}to{given.student.layers}-{given.method.name}-s{given.seed}"

    @property
    def kind_of_model(self) -> str:
        """Where the teacher's encoder comes from: demo, package, folder or hub."""
        return kind_of(self.model, self.project)
