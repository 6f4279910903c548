"""An experiment: one (task, teacher, method, student, seed, numbers), its keys and its folders.

Every result's folder name ends with a key, the hash of all that the result depends on. So a
finished result is found again by the same parameters, and others never overwrite it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from alpkd_pipeline.constraints import beyond_defaults
from alpkd_pipeline.distillation.method_spec import MethodSpec
from alpkd_pipeline.distillation.method_table import get_spec
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import FAMILIES
from alpkd_pipeline.models.source import ModelRef, kind_of, model_digest
from alpkd_pipeline.models.tokenizer_identity import tokenizer_key
from alpkd_pipeline.project.experiment_inputs import ExperimentInputs
from alpkd_pipeline.run_settings import TrainingSettings
from alpkd_pipeline.store.artifact import Artifact
from alpkd_pipeline.store.code_graph import CodeFacts
from alpkd_pipeline.store.diff import NO_EFFECT
from alpkd_pipeline.store.fingerprint import code_digest, key_of, library_versions, processor
from alpkd_pipeline.store.layout import CACHE, COMPARISONS, PLACES, store_folder
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.metrics import METRICS
from alpkd_pipeline.tasks.sources import source_digest

TRAINING_LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "safetensors")

NO_RESULT = (
    # Bookkeeping: decides how a result is written down, not what it is.
    "alpkd_pipeline.store.*",
    "alpkd_pipeline.errors",
    "alpkd_pipeline.constraints",
    "alpkd_pipeline.training.devices.freed_memory_reserved",
    "alpkd_pipeline.training.diagnostics",
    "alpkd_pipeline.training.loop.StopRequest",
    # Tables: the row in use is part of the key.
    "alpkd_pipeline.distillation.method_table.METHODS",
    "alpkd_pipeline.tasks.glue.GLUE",
    "alpkd_pipeline.tasks.metrics.METRICS",
    "alpkd_pipeline.models.shape.FAMILIES",
)
"""Left out of code hashes, so that a new method, task, metric or family keeps every other key."""

READ_CONFIG = "alpkd_pipeline.training.run_config.read_config"


def _shared(make: Callable[[Experiment], Artifact]) -> cached_property[Artifact]:
    """A stage of the parameters `task` and `teacher` alone, which many experiments share."""

    def find(experiment: Experiment) -> Artifact:
        what = (make.__name__, experiment.store, *experiment.given)
        return experiment.facts.once(what, lambda: make(experiment))

    find.__doc__ = make.__doc__
    return cached_property(find)


def _made_of(model: str, facts: str, *beside: str) -> cached_property[Artifact]:
    """A stage that is made of a model, and of other results beside it.

    Its folder begins with the model's whole name, so that people find what belongs to a run.
    """

    def find(experiment: Experiment) -> Artifact:
        upstream = {name: experiment.stage(name).key for name in (model, *beside)}
        label = experiment.stage(model).expected.name
        return experiment._stage(str(made.attrname), getattr(experiment, facts), upstream, label)

    made = cached_property(find)
    return made


class Experiment(ExperimentInputs):
    """The results that a set of parameters defines, each with its key and folder."""

    force: tuple[str, ...] = ()
    """The stages that a command wants made again, with all that follows from them."""

    ordered: float = 0.0
    """When it said so, in seconds since 1970: what was made for the order carries this time."""

    @cached_property
    def store(self) -> Path:
        """The folder of all results."""
        given = self.params.run.store
        return self.facts.once(("store", given), lambda: store_folder(self.project, given))

    @cached_property
    def given(self) -> tuple[str, str]:
        """The parameters `task` and `teacher` as text."""
        return self.params.task.model_dump_json(), repr(self.params.teacher)

    @property
    def digest_cache(self) -> Path:
        """Where hashes of large input files are remembered."""
        return self.store / CACHE / "digests.json"

    @cached_property
    def _code_facts(self) -> CodeFacts:
        return CodeFacts(self.store / CACHE / "code.json")

    @_shared
    def splits(self) -> Artifact:
        """The checked raw splits."""
        given = self.params.task
        task = {name: value for name, value in self.task.to_dict().items() if name != "metrics"}
        row = GLUE.get(self.task.name)
        facts = {
            "task": task,
            # How the raw files of a GLUE task look: its row of the table, not the table's code.
            "layout": row and repr((row.tsv, row.hub_splits, row.broken_rows)),
            "source": self.source_digest,
            "train_rows": given.train_rows,
            "dev_fraction": given.dev_fraction,
            "max_overlap": given.max_overlap,
            "code": self._code(
                f"alpkd_pipeline.tasks.sources.{given.source}.load",
                "alpkd_pipeline.tasks.sources.finish",
                "alpkd_pipeline.tasks.validate.write_splits",
            ),
        }
        if given.train_rows is not None and given.train_rows_by != "first":
            facts["train_rows_by"] = given.train_rows_by
        more = {"unlabelled", "unlabelled_rows", "group_column", "teacher_columns"}
        more |= {"teacher_values"} if given.teacher_columns else set()
        facts |= given.model_dump(include=more, exclude_defaults=True)
        return self._stage("splits", facts, {}, given.source)

    @_shared
    def encoded(self) -> Artifact:
        """The splits as token ids."""
        upstream, what = {"splits": self.splits.key}, ("tokenizer", self.model)
        facts = {
            "tokenizer": self.facts.once(what, lambda: tokenizer_key(self.model, self.project)),
            "max_length": self.params.task.max_length,
            "family": self._family(self.model),
            "code": self._code("alpkd_pipeline.models.encoder.encode_folder"),
            "libraries": library_versions(("tokenizers",)),
        }
        name = f"{self.model_label}-{self.params.task.max_length}t"
        return self._stage("encoded", facts, upstream, name)

    @_shared
    def teacher(self) -> Artifact:
        """The fine-tuned teacher."""
        given = self.params.teacher
        upstream = {"encoded": self.encoded.key}
        facts = {
            "model": self._model_digest(self.model),
            "finetuned": given.finetuned,
            "seed": given.seed,
            # Nothing is trained where a table teaches.
            "training": "table" if given.is_table else _numbers(given.training),
            "metrics": self._metrics,
            "code": self.teacher_code,
            "libraries": library_versions(TRAINING_LIBRARIES),
        }
        return self._stage("teacher", facts, upstream, self.teacher_label)

    @cached_property
    def signals(self) -> Artifact:
        """What the teacher says about the train and dev splits."""
        upstream = {"teacher": self.teacher.key, "encoded": self.encoded.key}
        facts = {
            "pooling": self.params.method.pooling,
            "dtype": self.params.signals.dtype,
            "code": self._code(READ_CONFIG, "alpkd_pipeline.training.student.record_signals"),
        }
        return self._stage("signals", facts, upstream, self.teacher_label)

    @cached_property
    def student(self) -> Artifact:
        """The student."""
        given, spec = self.params, get_spec(self.params.method.name)
        upstream = {"encoded": self.encoded.key, "teacher": self.teacher.key}
        if self.needs_signals:
            upstream["signals"] = self.signals.key
        method = given.method.model_dump(mode="json", exclude_none=True)
        if not spec.needs or spec.live:
            del method["pooling"]
        if method.get("soft_scale") == "t2":  # as it was before it could be chosen
            del method["soft_scale"]
        facts = {
            "student": beyond_defaults(given.student),
            "method": method,
            "row": _row_facts(spec),
            "live": self.live,
            "training": _numbers(given.training),
            "metrics": self._metrics,
            "seed": given.seed,
            "code": self.student_code,
            "libraries": library_versions(TRAINING_LIBRARIES),
        }
        if self.checkpoint is not None:
            facts["checkpoint"] = self._model_digest(self.checkpoint)
            facts["family"] = self._family(self.checkpoint)
        if self.needs_pretrained:
            facts["pretrained"] = self._model_digest(self.model)
        name = f"{given.method.name}-{given.student.layers}L-s{given.seed}"
        return self._stage("student", facts, upstream, name)

    @cached_property
    def teacher_code(self) -> str:
        """The hash of the code that makes the teacher."""
        teacher = self.params.teacher
        made = "bring_teacher" if teacher.finetuned else "train_teacher"
        made = "bring_table" if teacher.is_table else made
        return self._code(READ_CONFIG, f"alpkd_pipeline.training.teacher.{made}")

    @cached_property
    def student_code(self) -> str:
        """The hash of the code that makes the student."""
        method = get_spec(self.params.method.name).class_path
        return self._code(READ_CONFIG, "alpkd_pipeline.training.student.train_student", method)

    # Scores on the dev splits.
    teacher_scores = _made_of("teacher", "_score_facts", "encoded")
    student_scores = _made_of("student", "_score_facts", "encoded")
    # Both models on every split: predictions, scores, submission files, size.
    teacher_evaluation = _made_of("teacher", "_evaluation_facts", "encoded")
    student_evaluation = _made_of("student", "_evaluation_facts", "encoded")
    # How fast they answer on this machine.
    teacher_latency = _made_of("teacher", "_latency_facts", "encoded")
    student_latency = _made_of("student", "_latency_facts", "encoded")
    # Where the student's layers lie among the teacher's.
    student_geometry = _made_of("student", "_geometry_facts", "teacher", "encoded")
    # As ONNX files, and as the folder that is published.
    teacher_onnx = _made_of("teacher", "_onnx_facts")
    student_onnx = _made_of("student", "_onnx_facts")
    teacher_export = _made_of("teacher", "_export_facts", "teacher_onnx", "encoded", "splits")
    student_export = _made_of(
        "student", "_export_facts", "student_onnx", "encoded", "splits", "teacher"
    )

    @cached_property
    def _geometry_facts(self) -> dict[str, Any]:
        return {
            "pooling": self.params.method.pooling,
            "code": self._code("alpkd_pipeline.evaluation.run.geometry_run"),
            "libraries": library_versions((*TRAINING_LIBRARIES, "scikit-learn")),
        }

    @cached_property
    def _onnx_facts(self) -> dict[str, Any]:
        used = (*TRAINING_LIBRARIES, "onnx", "onnxruntime", "onnxscript")
        return {
            "opset": self.params.export.opset,
            "code": self._code("alpkd_pipeline.export.graph.convert"),
            "libraries": library_versions(used),
        }

    @cached_property
    def _export_facts(self) -> dict[str, Any]:
        settings = asdict(self.params.export)
        return {
            "settings": {n: v for n, v in settings.items() if n not in ("register", "opset")},
            # Answers of int8 depend on the processor, speeds on the machine.
            "processor": processor(),
            "machine": os.uname().nodename if hasattr(os, "uname") else "",
            "metrics": self._metrics,
            "code": self._code("alpkd_pipeline.export.publish.publish_run"),
            "libraries": library_versions((*TRAINING_LIBRARIES, "onnxruntime", "scipy")),
        }

    @cached_property
    def _score_facts(self) -> dict[str, Any]:
        return {
            "metrics": self._metrics,
            "code": self._code("alpkd_pipeline.evaluation.run.score_run"),
            "libraries": library_versions(TRAINING_LIBRARIES),
        }

    @cached_property
    def _evaluation_facts(self) -> dict[str, Any]:
        name = self.task.name
        return {
            **self._score_facts,
            "submission": repr(GLUE[name].submission_words) if name in GLUE else None,
            "code": self._code("alpkd_pipeline.evaluation.run.evaluate_run"),
            "own_metrics": {folder.name: digest for folder, digest in self.own_metrics.items()},
            "evaluate": library_versions(("evaluate",)),
        }

    @cached_property
    def _latency_facts(self) -> dict[str, Any]:
        given = self.params.training
        return {
            "threads": given.threads,
            "device": given.device,
            "precision": given.precision,
            "machine": os.uname().nodename if hasattr(os, "uname") else "",
            "code": self._code("alpkd_pipeline.evaluation.run.time_run"),
            "libraries": library_versions(TRAINING_LIBRARIES),
        }

    def _stage(
        self, name: str, facts: dict[str, Any], upstream: dict[str, str], label: str
    ) -> Artifact:
        key = key_of({"stage": name, "facts": facts, "upstream": upstream})
        path = self.store / PLACES[name] / self.task.name / f"{label}-{key[:8]}"
        return Artifact(name, key, path, upstream)

    @property
    def source_digest(self) -> dict[str, Any]:
        """What the raw data is known by."""
        return self.facts.once(
            ("source", repr(self.source), repr(self.task)),
            lambda: source_digest(self.source, self.task, self.project, self.digest_cache),
        )

    def _model_digest(self, model: ModelRef) -> dict[str, Any]:
        cache = self.digest_cache
        return self.facts.once(("model", model), lambda: model_digest(model, self.project, cache))

    def _family(self, model: ModelRef) -> str:
        """The row of a model's family; all rows for a hub model, which may not be here yet."""
        hub = kind_of(model, self.project) == "hub"
        shape = None if hub else self.shape_of(model)
        return repr(FAMILIES[shape.model_type] if shape else FAMILIES)

    @cached_property
    def _metrics(self) -> list[tuple[str, bool, str]]:
        """The task's metrics in their order: name, whether it is an error, code of its function."""
        rows = [(name, METRICS[name]) for name in self.task.metrics]
        return [
            (name, row.is_error, self._code(f"{row.function.__module__}.{row.function.__name__}"))
            for name, row in rows
        ]

    def _code(self, *entries: str) -> str:
        return self.facts.once(
            ("code", entries), lambda: code_digest(entries, NO_RESULT, self._code_facts)
        )

    def stage(self, name: str) -> Artifact:
        """A result by the name of its dataset; a UserError if there is no such result."""
        if isinstance(found := getattr(self, name, None), Artifact):
            return found
        raise UserError(f"the catalog asks for an unknown stage '{name}'")

    @property
    def comparison_path(self) -> Path:
        """The folder of all comparisons."""
        return self.store / COMPARISONS


def _row_facts(spec: MethodSpec) -> dict[str, Any]:
    """The part of a method's row that decides what it computes, beside the class."""
    return {
        "terms": sorted(spec.terms),
        "needs": sorted(spec.needs),
        "bucket": spec.bucket,
        "compares_layers": spec.compares_layers,
        "fewest_rows": spec.fewest_rows,
        **({"swaps_blocks": True} if spec.swaps_blocks else {}),
    }


def _numbers(training: TrainingSettings) -> dict[str, Any]:
    return {n: value for n, value in beyond_defaults(training).items() if n not in NO_EFFECT}
