"""What the parameters of a cell name: a task, its source, encoders, and what people call them."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path

from alpkd_pipeline.distillation.method_table import get_row
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import Shape, shape_of
from alpkd_pipeline.models.source import PACKAGE, ModelRef, kind_of, peek_config
from alpkd_pipeline.orchestration.stage import SharedFacts
from alpkd_pipeline.params import Params, possible_path
from alpkd_pipeline.tasks.define import define_task
from alpkd_pipeline.tasks.glue import GLUE, HUB_DATASET, HUB_REVISION
from alpkd_pipeline.tasks.own_metrics import our_metrics, own_metrics
from alpkd_pipeline.tasks.task import SourceSpec, Task

LONGEST_LABEL = 100
"""Characters of a model in the names of results, which go on: seeds, keys, a process's marks."""


class Subject:
    """The things that a set of parameters speaks of; `Cell` adds keys and folders."""

    def __init__(
        self,
        params: Params,
        project: Path,
        command: str = "",
        facts: SharedFacts | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            params: the checked parameters.
            project: the project's root; relative paths start here.
            command: what makes this cell, for people to repeat it.
            facts: what other cells of the same moment found out already.
        """
        self.params = params
        self.project = project
        self.command = command
        self.facts = facts or SharedFacts()

    @cached_property
    def task(self) -> Task:
        """The task."""
        given = self.params.task
        return define_task(
            given.name,
            text_columns=given.text_columns,
            label_names=given.labels,
            kind=given.kind,
            metrics=None if given.metrics is None else our_metrics(given.metrics),
            label_range=given.label_range,
        )

    @property
    def own_metrics(self) -> dict[Path, str]:
        """The folders of the user's own metrics, which evaluations alone compute, and digests."""
        names = self.params.task.metrics or ()
        return self.facts.once(("metrics", names), lambda: own_metrics(names, self.project))

    @cached_property
    def source(self) -> SourceSpec:
        """Where the task's rows come from."""
        given = self.params.task
        path = given.path
        if given.source == "folder" and path is None:
            path = _glue_folder()
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
            train_rows_by=given.train_rows_by,
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
        return self._shape_of(self.model)

    @cached_property
    def student_width(self) -> int | None:
        """The width of the student's states, as far as it is known before anything is loaded."""
        if self.checkpoint is not None:
            shape = self._shape_of(self.checkpoint)
            return shape.width if shape else None
        return self.params.student.hidden_size or (
            self.teacher_shape.width if self.teacher_shape else None
        )

    def _shape_of(self, model: ModelRef) -> Shape | None:
        def find() -> Shape | None:
            config = peek_config(model, self.project)
            return shape_of(config) if config else None

        return self.facts.once(("shape", model), find)

    @cached_property
    def student_heads(self) -> int | None:
        """The student's attention heads, as far as they are known before anything is loaded."""
        if self.checkpoint is not None:
            shape = self._shape_of(self.checkpoint)
            return shape.heads if shape else None
        return self.params.student.heads or (
            self.teacher_shape.heads if self.teacher_shape else None
        )

    @cached_property
    def model_types(self) -> tuple[str, ...]:
        """The families of teacher and student, as far as they are known."""
        models = (self.model, self.checkpoint)
        shapes = [self._shape_of(model) for model in models if model is not None]
        return tuple(shape.model_type for shape in shapes if shape)

    @property
    def live(self) -> bool:
        """Whether the teacher runs beside the student, because the run or the method wants it."""
        row = get_row(self.params.method.name)
        return row.live or (bool(row.needs) and self.params.signals.source == "live")

    @property
    def needs_signals(self) -> bool:
        """Whether the student reads the teacher's signals from the cache."""
        return bool(get_row(self.params.method.name).needs) and not self.live

    @property
    def needs_pretrained(self) -> bool:
        """Whether the student starts from the encoder as it was before fine-tuning."""
        return self.params.student.init_from == "pretrained"

    @property
    def model_label(self) -> str:
        """A short name of the teacher's encoder, fit for folder names."""
        return _label(self.params.teacher.model)

    @property
    def teacher_name(self) -> str:
        """What people call the teacher's run: `rte-teacher-bert-base-uncased-s0`."""
        return f"{self.task.name}-teacher-{self.model_label}-s{self.params.teacher.seed}"

    @property
    def student_name(self) -> str:
        """What people call the student's run: `rte-12to4-alp_kd-s1`, `rte-12to4-kd-skip-s1`."""
        depth = f"{self.teacher_shape.layers if self.teacher_shape else 'n'}"
        given = self.params
        words = [self.task.name, f"{depth}to{given.student.layers}", given.method.name]
        return "-".join([*words, *self._start_words, f"s{given.seed}"])

    @property
    def _start_words(self) -> list[str]:
        """What the student starts from, where it is not the first layers of the teacher."""
        given = self.params.student
        words: list[str] = [] if given.init == "first" else [given.init]
        if given.checkpoint is not None:
            words = [_label(given.checkpoint)]
        return words + ([given.init_from] if given.init_from != "teacher" else [])

    @property
    def kind_of_model(self) -> str:
        """Where the teacher's encoder comes from: demo, package, folder or hub."""
        return self.facts.once(("kind", self.model), lambda: kind_of(self.model, self.project))


def _glue_folder() -> str:
    path = os.environ.get("ALPKD_GLUE_DIR") or "data/01_raw/glue"
    try:
        return possible_path(path)
    except ValueError as error:
        raise UserError(f"environment variable ALPKD_GLUE_DIR = {path!r}: {error}") from None


def _label(model: str) -> str:
    """The last part of a model's name, fit for folder names."""
    if model.startswith(PACKAGE):
        model = model.removeprefix(PACKAGE).split("/")[0]
    last = [part for part in re.split(r"[/\\]", model) if part.strip(".~")] or ["model"]
    label = re.sub(r"[^a-z0-9._-]+", "-", last[-1].lower())[:LONGEST_LABEL]
    return label.strip("-._") or "model"
