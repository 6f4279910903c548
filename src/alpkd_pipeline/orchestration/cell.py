"""A cell: one (task, teacher, method, student, seed, numbers), its keys and its folders.

Every result's folder name ends with a key, the hash of all that the result depends on. So a
finished result is found again by the same parameters, and others never overwrite it.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from alpkd_pipeline.distillation.method_table import get_row
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.identity import model_digest
from alpkd_pipeline.models.shape import Shape, shape_of
from alpkd_pipeline.models.source import PACKAGE, ModelRef, kind_of, peek_config
from alpkd_pipeline.models.tokenizer_identity import tokenizer_key
from alpkd_pipeline.orchestration.stage import Stage
from alpkd_pipeline.params import Params, TrainingParams
from alpkd_pipeline.runs.code_facts import CodeFacts
from alpkd_pipeline.runs.fingerprint import code_digest, key_of, library_versions
from alpkd_pipeline.tasks.define import define_task
from alpkd_pipeline.tasks.glue import GLUE, HUB_DATASET, HUB_REVISION
from alpkd_pipeline.tasks.sources import source_digest
from alpkd_pipeline.tasks.sources.spec import SourceSpec
from alpkd_pipeline.tasks.task import Task

TRAINING_LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "numpy", "safetensors")

NO_RESULT = (
    # Bookkeeping: decides how a result is written down, not what it is.
    "alpkd_pipeline.runs.*",
    "alpkd_pipeline.errors",
    "alpkd_pipeline.training.usage",
    # Tables: the row in use is part of the key.
    "alpkd_pipeline.distillation.method_table",
    "alpkd_pipeline.distillation.registry",
    "alpkd_pipeline.tasks.glue",
    "alpkd_pipeline.tasks.sources",
)
"""Modules left out of code hashes, so that adding a method or a task keeps every other key."""

TRAININGS = ("teacher", "student")
"""The stages that train, each a tracked run of its own."""

_NO_EFFECT = {"threads", "device", "log_every"}
"""Training parameters that say where and how loudly; what they became is in the run's journal."""


class Cell:
    """The results that a set of parameters defines, each with its key and folder."""

    def __init__(self, params: Params, project: Path, command: str = "") -> None:
        """Nothing is read yet; keys are computed when they are asked for.

        Args:
            params: the checked parameters.
            project: the project's root; relative paths start here.
            command: what makes this cell, for people to repeat it.
        """
        self.params = params
        self.project = project
        self.command = command

    # What the parameters name ---------------------------------------------------------------

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

    # Names ------------------------------------------------------------------------------------

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

    # Keys and folders -------------------------------------------------------------------------

    @cached_property
    def store(self) -> Path:
        """The folder of all results."""
        return (self.project / Path(self.params.run.store).expanduser()).resolve()

    @property
    def digest_cache(self) -> Path:
        """Where hashes of large input files are remembered."""
        return self.store / ".cache" / "digests.json"

    @cached_property
    def _code_facts(self) -> CodeFacts:
        return CodeFacts(self.store / ".cache" / "code.json")

    @cached_property
    def splits(self) -> Stage:
        """The checked raw splits."""
        given = self.params.task
        task = self.task.to_dict()
        del task["metrics"]
        facts = {
            "task": task,
            "source": source_digest(self.source, self.task, self.project, self.digest_cache),
            "train_rows": given.train_rows,
            "dev_fraction": given.dev_fraction,
            "max_overlap": given.max_overlap,
            "code": self._code(
                f"alpkd_pipeline.tasks.sources.{given.source}",
                "alpkd_pipeline.tasks.sources.dev_cut",
                "alpkd_pipeline.tasks.validate",
            ),
        }
        return self._stage("splits", facts, {}, "02_intermediate/splits", given.source)

    @cached_property
    def encoded(self) -> Stage:
        """The splits as token ids."""
        upstream = {"splits": self.splits.key}
        facts = {
            "tokenizer": tokenizer_key(self.model, self.project),
            "max_length": self.params.task.max_length,
            "code": self._code("alpkd_pipeline.tasks.encode"),
            "libraries": library_versions(("tokenizers",)),
        }
        name = f"{self.model_label}-{self.params.task.max_length}t"
        return self._stage("encoded", facts, upstream, "05_model_input/encoded", name)

    @cached_property
    def teacher(self) -> Stage:
        """The fine-tuned teacher."""
        given = self.params.teacher
        upstream = {"encoded": self.encoded.key}
        facts = {
            "model": model_digest(self.model, self.project, self.digest_cache),
            "finetuned": given.finetuned,
            "seed": given.seed,
            "training": _numbers(given.training),
            "metrics": self.task.metrics,
            "code": self._teacher_code,
            "libraries": library_versions(TRAINING_LIBRARIES),
        }
        name = f"{self.model_label}-s{given.seed}"
        return self._stage("teacher", facts, upstream, "06_models/teachers", name)

    @cached_property
    def signals(self) -> Stage:
        """What the teacher says about the train and dev splits."""
        upstream = {"teacher": self.teacher.key, "encoded": self.encoded.key}
        facts = {
            "pooling": self.params.method.pooling,
            "dtype": self.params.signals.dtype,
            "code": self._code("alpkd_pipeline.training.signals"),
        }
        name = f"{self.model_label}-s{self.params.teacher.seed}"
        return self._stage("signals", facts, upstream, "05_model_input/signals", name)

    @cached_property
    def student(self) -> Stage:
        """The student."""
        given, row = self.params, get_row(self.params.method.name)
        upstream = {"encoded": self.encoded.key, "teacher": self.teacher.key}
        if self.needs_signals:
            upstream["signals"] = self.signals.key
        method = given.method.model_dump(mode="json", exclude_none=True)
        if not row.needs:
            del method["pooling"]
        facts = {
            "student": given.student.model_dump(mode="json", exclude_defaults=True),
            "method": method,
            "live": bool(row.needs) and given.signals.source == "live",
            "training": _numbers(given.training),
            "metrics": self.task.metrics,
            "seed": given.seed,
            "code": self._student_code,
            "libraries": library_versions(TRAINING_LIBRARIES),
        }
        if self.checkpoint is not None:
            facts["checkpoint"] = model_digest(self.checkpoint, self.project, self.digest_cache)
        if self.needs_pretrained:
            facts["pretrained"] = model_digest(self.model, self.project, self.digest_cache)
        name = f"{given.method.name}-{given.student.layers}L-s{given.seed}"
        return self._stage("student", facts, upstream, "06_models/students", name)

    @cached_property
    def _teacher_code(self) -> str:
        adopted = self.params.teacher.finetuned
        return self._code(f"alpkd_pipeline.training.{'adopt' if adopted else 'teacher'}")

    @cached_property
    def _student_code(self) -> str:
        row = get_row(self.params.method.name)
        return self._code("alpkd_pipeline.training.student", row.module)

    @cached_property
    def teacher_scores(self) -> Stage:
        """The teacher's scores on the dev splits."""
        return self._scored("teacher_scores", self.teacher, "scores", self._score_facts)

    @cached_property
    def student_scores(self) -> Stage:
        """The student's scores on the dev splits."""
        return self._scored("student_scores", self.student, "scores", self._score_facts)

    @cached_property
    def teacher_evaluation(self) -> Stage:
        """The teacher on every split: predictions, scores, submission files, size."""
        return self._scored(
            "teacher_evaluation", self.teacher, "evaluation", self._evaluation_facts
        )

    @cached_property
    def student_evaluation(self) -> Stage:
        """The student on every split: predictions, scores, submission files, size."""
        return self._scored(
            "student_evaluation", self.student, "evaluation", self._evaluation_facts
        )

    @cached_property
    def teacher_latency(self) -> Stage:
        """How fast the teacher answers on this machine."""
        return self._scored("teacher_latency", self.teacher, "latency", self._latency_facts)

    @cached_property
    def student_latency(self) -> Stage:
        """How fast the student answers on this machine."""
        return self._scored("student_latency", self.student, "latency", self._latency_facts)

    @cached_property
    def _score_facts(self) -> dict[str, Any]:
        return {
            "metrics": self.task.metrics,
            "code": self._code("alpkd_pipeline.evaluation.score"),
            "libraries": library_versions(TRAINING_LIBRARIES),
        }

    @cached_property
    def _evaluation_facts(self) -> dict[str, Any]:
        more = self._code("alpkd_pipeline.evaluation.submission", "alpkd_pipeline.evaluation.size")
        return {**self._score_facts, "more": more}

    @cached_property
    def _latency_facts(self) -> dict[str, Any]:
        given = self.params.training
        return {
            "threads": given.threads,
            "device": given.device,
            "precision": given.precision,
            "machine": os.uname().nodename if hasattr(os, "uname") else "",
            "code": self._code("alpkd_pipeline.evaluation.latency"),
            "libraries": library_versions(TRAINING_LIBRARIES),
        }

    def _scored(self, name: str, of: Stage, folder: str, facts: dict[str, Any]) -> Stage:
        upstream = {of.name: of.key, "encoded": self.encoded.key}
        # The scored run's whole folder name, so that people find the scores of a run.
        label = of.path.name
        return self._stage(name, facts, upstream, f"07_model_output/{folder}", label)

    def _stage(
        self, name: str, facts: dict[str, Any], upstream: dict[str, str], place: str, label: str
    ) -> Stage:
        key = key_of({"stage": name, "facts": facts, "upstream": upstream})
        path = self.store / place / self.task.name / f"{label}-{key[:8]}"
        return Stage(name, key, path, upstream)

    def _code(self, *modules: str) -> str:
        return code_digest(modules, NO_RESULT, self._code_facts)

    # For the catalog and the nodes ---------------------------------------------------------------

    def stage(self, name: str) -> Stage:
        """A stage by the name of its dataset."""
        found = getattr(self, name, None)
        if not isinstance(found, Stage):
            raise UserError(f"the catalog asks for an unknown stage '{name}'")
        return found

    def run_facts(self, name: str) -> dict[str, Any]:
        """What run.json says about how a result is made."""
        stage = self.stage(name)
        about_student = name.startswith("student")
        facts = {
            "schema": 1,
            "stage": name,
            "name": self.student_name if about_student else self.teacher_name,
            "task": self.task.to_dict(),
            # Where results go is not what they are, and an address may hold a password.
            "params": {k: v for k, v in self.params.plain().items() if k != "run"},
            "identity": {
                "key": stage.key,
                "keys": {**self._upstream_keys(stage), name: stage.key},
                "code": self._student_code if about_student else self._teacher_code,
                "teacher_layers": self.teacher_shape.layers if self.teacher_shape else None,
                "generation": "cell",
            },
        }
        if name in TRAININGS:
            facts["description"] = self._description(about_student)
            facts["command"] = self.command
        return facts

    def _upstream_keys(self, stage: Stage) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, key in stage.made_from.items():
            found |= {**self._upstream_keys(self.stage(name)), name: key}
        return found

    def _description(self, student: bool) -> str:
        given = self.params
        teacher = f"{given.teacher.model} fine-tuned on {self.task.name}"
        if not student:
            return f"Teacher: {teacher}, seed {given.teacher.seed}."
        return (
            f"Student of {given.student.layers} layers by {given.method.name}, seed {given.seed}."
            f" {get_row(given.method.name).summary} Teacher: {teacher}."
        )

    @property
    def source_json(self) -> str:
        """The source, for the catalog."""
        return json.dumps(asdict(self.source))

    @property
    def task_json(self) -> str:
        """The task, for the catalog."""
        return json.dumps(self.task.to_dict())

    @property
    def comparison_path(self) -> Path:
        """The folder of all comparisons."""
        return self.store / "08_reporting" / "comparison"

    @property
    def tracking(self) -> dict[str, str]:
        """Where runs are tracked, for the hooks."""
        run = self.params.run
        return {
            "tracking": run.tracking,
            "experiment": run.experiment,
            "project": str(self.project),
        }

    def lookup(self, name: str) -> Any:
        """What `${cell:name}` means in the catalog: a dotted path of attributes.

        `<stage>.run` is the result's run.json as text: OmegaConf would read `${...}` in it.
        """
        head, _, tail = name.partition(".")
        if tail == "run":
            return json.dumps(self.run_facts(head))
        value: Any = self
        for part in name.split("."):
            value = getattr(value, part)
        return str(value) if isinstance(value, Path) else value

    def check(self) -> None:
        """Refuse what cannot work, as far as the files on this machine tell.

        Raises:
            UserError: names the parameter, its value and what is allowed.
        """
        from alpkd_pipeline.orchestration.cell_checks import check_cell

        check_cell(self)

    def kind_of_model(self) -> str:
        """Where the teacher's encoder comes from: demo, package, folder or hub."""
        return kind_of(self.model, self.project)


def _numbers(training: TrainingParams) -> dict[str, Any]:
    return training.model_dump(mode="json", exclude=_NO_EFFECT, exclude_defaults=True)
