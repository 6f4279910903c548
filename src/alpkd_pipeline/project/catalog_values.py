"""What `${experiment:...}` means in the catalog: an experiment's values that datasets need."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

from alpkd_pipeline.distillation.method_table import get_spec
from alpkd_pipeline.errors import plural
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.project.presets import PresetInUse
from alpkd_pipeline.store.artifact import Artifact, ResolvedExperiment
from alpkd_pipeline.store.layout import MODELS
from alpkd_pipeline.store.lineage import with_pipeline

RESULTS = {
    "splits": "data_prep",
    "encoded": "data_prep",
    "teacher": "finetune_teacher",
    "teacher_scores": "finetune_teacher",
    "signals": "signals",
    "student": "distill",
    "student_scores": "distill",
    "teacher_evaluation": "evaluate",
    "student_evaluation": "evaluate",
    "teacher_latency": "evaluate",
    "student_latency": "evaluate",
    "student_geometry": "evaluate",
    "teacher_onnx": "export",
    "student_onnx": "export",
    "teacher_export": "export",
    "student_export": "export",
}
"""The results of an experiment in an order in which they can be made, each with the stage by which
`--force` names it."""

OF_A_MODEL = frozenset(
    {"teacher_evaluation", "teacher_latency", "teacher_onnx", "teacher_export", "student_geometry"}
)
"""What a teacher has that is a model and no table."""


class CatalogValues:
    """What `${experiment:...}` means for one experiment."""

    def __init__(self, experiment: Experiment, preset: Callable[[], PresetInUse | None]) -> None:
        self._experiment, self._preset = experiment, preset

    def __call__(self, name: str) -> Any:
        """The value of a dotted name: text, a number or None.

        The name is a path of attributes of the experiment (`model.revision`,
        `params.teacher.sha256`), or `<result>.artifact`, or one of those below. Structures are
        given as JSON text, since OmegaConf would read `${...}` in them.
        """
        experiment = self._experiment
        head, _, tail = name.partition(".")
        if tail == "artifact":
            return _json(self._artifacts[head])
        if name == "experiment":
            return _json(self._resolved())
        if name == "compare_json":
            return _json(experiment.params.compare.model_dump(mode="json"))
        if name == "source_json":
            return _json(asdict(experiment.source))
        if name == "task_json":
            return _json(experiment.task.to_dict())
        value = attrgetter(name)(experiment)
        return str(value) if isinstance(value, Path) else value

    def _resolved(self) -> ResolvedExperiment:
        experiment, preset = self._experiment, self._preset()
        return ResolvedExperiment(
            artifacts=self._artifacts,
            params=experiment.params.plain(),
            project=experiment.project,
            store=experiment.store,
            preset=str(preset) if preset else None,
            title=f"student with preset {preset.name}" if preset else None,
        )

    @cached_property
    def _artifacts(self) -> dict[str, Artifact]:
        experiment, again = self._experiment, set[str]()
        found: dict[str, Artifact] = {}
        for name, group in RESULTS.items():
            stage = experiment.stage(name)
            if group in experiment.force or again & set(stage.made_from):
                again.add(name)
            order = experiment.ordered if name in again else None
            used = not (experiment.params.teacher.is_table and name in OF_A_MODEL)
            used = experiment.needs_signals if name == "signals" else used
            facts = run_facts(experiment, name)
            found[name] = replace(stage, run=facts, used=used, order=order)
        compare = experiment.params.compare.model_dump(mode="json")
        compared = {name for name in again if RESULTS[name] != "export"}
        found["comparison"] = Artifact(
            name="comparison",
            key="",  # known only when the step begins
            expected=experiment.comparison_path,
            run={"stage": "compare", "params": {"compare": compare}},
            order=experiment.ordered if compared or "compare" in experiment.force else None,
        )
        return found


def _json(value: Any) -> str:
    """Paths as text, objects as their attributes."""
    return json.dumps(value, default=lambda one: str(one) if isinstance(one, Path) else vars(one))


def run_facts(experiment: Experiment, name: str) -> dict[str, Any]:
    """What run.json says about how a result is made."""
    stage, about_student = experiment.stage(name), name.startswith("student")
    untold = {"run", "compare"} if RESULTS[name] == "export" else {"run", "compare", "export"}
    params = {k: v for k, v in experiment.params.plain().items() if k not in untold}
    if experiment.params.task.metrics is not None:
        # The user's own metrics are part of evaluations alone, which list them themselves.
        params["task"]["metrics"] = list(experiment.task.metrics)
    facts: dict[str, Any] = {
        "schema": 1,
        "stage": name,
        "name": experiment.student_name if about_student else experiment.teacher_name,
        "task": experiment.task.to_dict(),
        "params": params,  # without where results go: an address may hold a password
        "identity": {
            "key": stage.key,
            "keys": {**_upstream_keys(experiment, stage), name: stage.key},
            "code": experiment.student_code if about_student else experiment.teacher_code,
            "teacher_layers": experiment.teacher_shape.layers if experiment.teacher_shape else None,
            "generation": experiment.params.run.kind,
        },
    }
    if name.endswith("_evaluation") and (own := experiment.own_metrics):
        facts["metrics"] = {os.path.relpath(f, stage.work): own[f] for f in own}
    if RESULTS[name] == "export":
        pipeline = "export" if about_student else "export_teacher"
        facts["command"] = with_pipeline(experiment.command, pipeline)
    if name in MODELS:  # each a training, and a tracked run of its own
        facts |= {
            # Equal for equal results, and for no others: people meet the same digits in the folder.
            "name": f"{facts['name']}-{stage.key[:4]}",
            "group": experiment.params.run.group,
            # Which raw data it was: a key alone would not tell data from the code that reads it.
            "source": experiment.source_digest,
            "description": _description(experiment, about_student),
            "command": experiment.command,
        }
    return facts


def _upstream_keys(experiment: Experiment, stage: Artifact) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, key in stage.made_from.items():
        found |= {**_upstream_keys(experiment, experiment.stage(name)), name: key}
    return found


def _description(experiment: Experiment, about_student: bool) -> str:
    given = experiment.params
    teacher = f"{given.teacher.model} fine-tuned on {experiment.task.name}"
    if given.teacher.is_table:
        teacher = f"columns of the table of {experiment.task.name}"
    if not about_student:
        return f"Teacher: {teacher}, seed {given.teacher.seed}."
    return (
        f"Student of {plural(given.student.layers, 'layer')} by {given.method.name}, seed"
        f" {given.seed}. {get_spec(given.method.name).summary} Teacher: {teacher}."
    )
