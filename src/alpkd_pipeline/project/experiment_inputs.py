"""What an experiment's parameters name: a task, its source, encoders, and their names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from alpkd_pipeline.constraints import possible_path
from alpkd_pipeline.distillation.method_table import get_spec
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import Shape, shape_of
from alpkd_pipeline.models.source import PACKAGE, ModelRef, kind_of, peek_config
from alpkd_pipeline.project.params import Params, TaskParams
from alpkd_pipeline.store.layout import GLUE_FOLDER
from alpkd_pipeline.tasks.glue import GLUE, HUB_DATASET, HUB_REVISION
from alpkd_pipeline.tasks.labels import class_names
from alpkd_pipeline.tasks.metrics import check_metrics, our_metrics, own_metrics
from alpkd_pipeline.tasks.sources.demo import TASK as DEMO
from alpkd_pipeline.tasks.task import SourceSpec, Task

FORCE = "force"
"""The runtime parameter by which an order to make stages again reaches the steps."""

FORCE_NAMES = (
    "data_prep",
    "finetune_teacher",
    "signals",
    "distill",
    "evaluate",
    "export",
    "compare",
)
"""The stages as users name them for `--force`; nodes carry them as tags."""


def parse_force(text: str) -> tuple[str, ...]:
    """The stages to make again; the UserError names an unknown one and all that are known."""
    names = tuple(part for part in text.replace(",", "+").split("+") if part)
    unknown = [name for name in names if name not in FORCE_NAMES]
    if unknown and names != ("all",):
        raise UserError(
            f"--force {unknown[0]}: unknown stage; use {', '.join(FORCE_NAMES)}, several joined by"
            " +, or all"
        )
    return FORCE_NAMES if unknown else names


Found = TypeVar("Found")


class SharedFacts:
    """A memory for facts that hold as long as no file changes.

    Every `Experiment` has one of its own, so that it sees the files as they are; the experiments of
    a grid share one, so that 2,000 experiments are planned with one look at each file.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def once(self, what: Hashable, find: Callable[[], Found]) -> Found:
        """The fact of a name, found out when it is first asked for; exceptions are not kept.

        The name holds everything that the fact depends on but the files.
        """
        if what not in self._known:
            self._known[what] = find()
        return self._known[what]


LONGEST_LABEL = 100
"""Characters of a model in the names of results, which go on: seeds, keys, a process's marks."""


@dataclass(eq=False)
class ExperimentInputs:
    """The things that a set of parameters speaks of; `Experiment` adds keys and folders.

    Nothing is read before it is asked for.
    """

    params: Params  # checked
    project: Path  # the project's root; relative paths start here
    command: str = ""  # what makes this experiment, for people to repeat it
    # What experiments of a moment find out once.
    facts: SharedFacts = field(default_factory=SharedFacts)

    @cached_property
    def task(self) -> Task:
        """The task."""
        return define_task(self.params.task)

    @property
    def own_metrics(self) -> dict[Path, str]:
        """The folders of the user's own metrics, which evaluations alone compute, and digests."""
        names = self.params.task.metrics or ()
        return self.facts.once(("metrics", names), lambda: own_metrics(names, self.project))

    @cached_property
    def source(self) -> SourceSpec:
        """Where the task's rows come from."""
        given = self.params.task
        found = given.model_dump(include={entry.name for entry in fields(SourceSpec)})
        found |= {"kind": given.source, "unlabelled": given.unlabelled == "allow"}
        if given.source == "folder" and given.path is None:
            found["path"] = _glue_folder()
        if given.source == "hub" and given.dataset is None and given.name in GLUE:
            found |= {"dataset": HUB_DATASET, "revision": given.revision or HUB_REVISION}
        return SourceSpec(**found)

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
        return self.shape_of(self.model)

    @cached_property
    def _start_shape(self) -> Shape | None:
        return self.shape_of(self.checkpoint or self.model)

    @property
    def student_width(self) -> int | None:
        """The width of the student's states, as far as it is known before anything is loaded."""
        shape = self._start_shape
        return self.params.student.hidden_size or (shape.width if shape else None)

    @property
    def student_heads(self) -> int | None:
        """The student's attention heads, as far as they are known before anything is loaded."""
        shape = self._start_shape
        return self.params.student.heads or (shape.heads if shape else None)

    def shape_of(self, model: ModelRef) -> Shape | None:
        """The shape of an encoder whose config.json is on this machine."""

        def find() -> Shape | None:
            config = peek_config(model, self.project)
            return shape_of(config) if config else None

        return self.facts.once(("shape", model), find)

    @cached_property
    def model_types(self) -> tuple[str, ...]:
        """The families of teacher and student, as far as they are known."""
        models = filter(None, (self.model, self.checkpoint))
        return tuple(shape.model_type for shape in map(self.shape_of, models) if shape)

    @property
    def live(self) -> bool:
        """Whether the teacher runs beside the student, because the run or the method wants it."""
        spec = get_spec(self.params.method.name)
        return spec.live or (bool(spec.needs) and self.params.signals.source == "live")

    @property
    def needs_signals(self) -> bool:
        """Whether the student reads the teacher's signals from the cache."""
        return bool(get_spec(self.params.method.name).needs) and not self.live

    @property
    def needs_pretrained(self) -> bool:
        """Whether the student starts from the encoder as it was before fine-tuning."""
        return self.params.student.init_from == "pretrained"

    @property
    def model_label(self) -> str:
        """A short name of the teacher's encoder, fit for folder names."""
        return _label(self.params.teacher.model)

    @property
    def teacher_label(self) -> str:
        """What the teacher's folders are called: its encoder, or `table`, and its seed."""
        label = "table" if self.params.teacher.is_table else self.model_label
        return f"{label}-s{self.params.teacher.seed}"

    @property
    def teacher_name(self) -> str:
        """What people call the teacher's run: `rte-teacher-bert-base-uncased-s0`."""
        return f"{self.task.name}-teacher-{self.teacher_label}"

    @property
    def student_name(self) -> str:
        """What people call the student's run: `rte-12to4-alp_kd-s1`, `rte-12to4-kd-skip-s1`."""
        depth = f"{self.teacher_shape.layers if self.teacher_shape else 'n'}"
        given, student = self.params, self.params.student
        words = [self.task.name, f"{depth}to{student.layers}", given.method.name]
        # What the student starts from, where it is not the first layers of the teacher.
        if student.checkpoint is not None:
            words.append(_label(student.checkpoint))
        elif student.init != "first":
            words.append(student.init)
        words += [student.init_from] if student.init_from != "teacher" else []
        return "-".join([*words, f"s{given.seed}"])

    @property
    def kind_of_model(self) -> str:
        """Where the teacher's encoder comes from: demo, package, folder or hub."""
        return self.facts.once(("kind", self.model), lambda: kind_of(self.model, self.project))


def _glue_folder() -> str:
    path = os.environ.get("ALPKD_GLUE_DIR") or GLUE_FOLDER
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


KNOWN: dict[str, Task] = {DEMO.name: DEMO, **{name: row.task for name, row in GLUE.items()}}

OWN = ("text_columns", "labels", "kind", "label_range")
"""What defines a task of the user's own."""


def define_task(given: TaskParams) -> Task:
    """A known task, perhaps with other metrics, or one made from what the user says about it.

    A new one needs its text columns and the label names of a classification, or a kind. Its
    default metric is accuracy, or pearson for a regression.

    Raises:
        UserError: something is missing, contradicts, or redefines a known task.
    """
    name = given.name
    if name not in KNOWN:
        task = _own_task(given)
    elif word := next((word for word in OWN if getattr(given, word) is not None), ""):
        raise UserError(
            f"parameter 'task.{word}': task '{name}' is already defined; leave 'task.{word}' out"
            " (columns of other names: task.columns), or choose another task.name for a task of"
            " your own"
        )
    else:
        task = KNOWN[name]
    if given.metrics is not None:
        task = replace(task, metrics=our_metrics(given.metrics))
    check_metrics(task.metrics, task.kind, task.num_labels)
    return task


def _own_task(given: TaskParams) -> Task:
    name, names, label_range = given.name, given.labels or (), given.label_range
    if given.text_columns is None:
        raise UserError(
            f"task '{name}' is not one of {', '.join(KNOWN)}; for a task of your own set"
            " task.text_columns and task.labels (or task.kind: regression) in conf/"
        )
    kind = given.kind or ("classification" if names else None)
    if kind is None:
        raise UserError(
            f"task '{name}' needs task.labels (the class names in label order)"
            " or task.kind=regression"
        )
    if kind == "classification" and len(set(names)) < 2:
        raise UserError(f"task '{name}': task.labels must name at least two different classes")
    class_names(names)
    if kind == "regression" and names:
        raise UserError(f"task '{name}' is a regression: leave task.labels out")
    if label_range and not label_range[0] < label_range[1]:
        raise UserError(
            f"task '{name}': task.label_range = {list(label_range)} should begin with the lowest"
            " label and end with the highest"
        )
    if kind == "classification" and label_range:
        raise UserError(f"task '{name}' is a classification: leave task.label_range out")
    metric = "accuracy" if kind == "classification" else "pearson"
    return Task(name, kind, given.text_columns, names, (metric,), label_range)
