"""Real runs of small pipelines, with a real tracking database.

The pipelines have the datasets, tags and runner of the real ones; their steps write run folders
as a training leaves them instead of training.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node
from tests.tracking.conftest import METRICS, eval_event, run_json, start_event, step_event

from alpkd_pipeline.datasets.artifact import ArtifactDataset, ExperimentDataset
from alpkd_pipeline.datasets.comparison import ComparisonDataset
from alpkd_pipeline.datasets.inputs import StoreDataset
from alpkd_pipeline.hooks import RunHooks
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.pipelines.compare import create_pipeline as comparing
from alpkd_pipeline.project.params import CompareParams
from alpkd_pipeline.project.runner import StageRunner
from alpkd_pipeline.steps.step import step
from alpkd_pipeline.store.artifact import Artifact
from alpkd_pipeline.store.manifest import write_json

DEVICES: dict[str, Any] = {
    "training": {"device": "cpu"},
    "teacher": {"training": {"device": "cpu"}},
}

Train = Callable[..., None]
Rows = list[tuple[Any, ...]]


def write_training(folder: Path) -> None:
    """What a training of two steps leaves, but for the manifest."""
    events = [start_event(), step_event(1), step_event(2), eval_event(2)]
    events.append({"event": "end", "time": 1_700_000_100.0, "seconds": 1.5, "steps": 2})
    (folder / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    write_json(folder / "metrics.json", METRICS)
    shutil.copy(DEMO_FOLDER / "config.json", folder / "config.json")
    (folder / "model.safetensors").write_bytes(b"weights")


def train(folder: Path) -> None:
    write_training(folder)


def train_from(folder: Path, teacher: Artifact) -> None:
    write_training(folder)


def score(folder: Path, model: Artifact) -> None:
    found = {"dev": {"rows": 3, "scores": {"accuracy": 0.7, "f1": 0.25}}}
    write_json(folder / "scores.json", {"splits": found})


STUDENT, TEACHER = "mrpc-6to3-alp_kd-s1", "mrpc-teacher-demo-s0"


class World:
    """A project with a teacher, a student, the student's scores and a comparison."""

    def __init__(self, root: Path, database: Path) -> None:
        self.root, self.store = root, root / "data"
        self.database = root / "mlflow.db"
        shutil.copyfile(database, self.database)
        self.tracking = "sqlite"
        self.preset: dict[str, str] = {}
        self.orders: dict[str, float] = {}
        self.facts: dict[str, dict[str, Any]] = {"teacher": {"name": TEACHER}}
        """What differs from the usual in the run.json of a stage."""

    def catalog(self) -> DataCatalog:
        artifacts: dict[str, dict[str, Any]] = {}
        places = {
            "teacher": "06_models/teachers/mrpc/demo-s0-bbbbbbbb",
            "student": "06_models/students/mrpc/kd-3L-s1-aaaaaaaa",
            "teacher_scores": "07_model_output/scores/mrpc/demo-s0-bbbbbbbb-cccccccc",
            "student_scores": "07_model_output/scores/mrpc/kd-3L-s1-aaaaaaaa-dddddddd",
            "student_evaluation": "07_model_output/evaluation/mrpc/kd-3L-s1-aaaaaaaa-eeeeeeee",
        }
        for number, (name, place_of) in enumerate(places.items(), start=1):
            key = f"{number:064x}"
            of = name.rpartition("_")[0] or name
            artifacts[name] = {
                "name": name,
                "key": key,
                "expected": str(self.store / place_of),
                "made_from": {} if of == name else {of: f"{list(places).index(of) + 1:064x}"},
                "run": run_json(stage=name, key=key) | self.facts.get(name, {}),
                "order": self.orders.get(name),
            }
        results = {n: ArtifactDataset(artifact=json.dumps(a)) for n, a in artifacts.items()}
        artifacts["comparison"] = {"name": "comparison", "key": "", "run": {"stage": "compare"}}
        artifacts["comparison"]["expected"] = str(self.store / "08")
        given = {
            "artifacts": artifacts,
            "params": {"run": {"tracking": self.tracking, "experiment": "alpkd"}, **DEVICES},
            "project": str(self.root),
            "store": str(self.store),
            **self.preset,
        }
        return DataCatalog(
            {
                **results,
                "experiment": ExperimentDataset(experiment=json.dumps(given)),
                "store": StoreDataset(filepath=str(self.store)),
                "comparison": ComparisonDataset(
                    filepath=str(self.store / "08"), store=str(self.store)
                ),
                "params:compare": MemoryDataset(CompareParams().model_dump(mode="json")),
            }
        )

    def pipeline(self, teacher: Train = train, student: Train = train_from) -> Pipeline:
        def made(name: str, build: Train, of: str, **inputs: str) -> Node:
            given = {"experiment": "experiment", **inputs}
            return node(step(of)(build), given, of, name=name, tags="stage.distill")

        return Pipeline(
            [
                made("teach", teacher, "teacher"),
                made("score_teacher", score, "teacher_scores", model="teacher"),
                made("distil", student, "student", teacher="teacher"),
                made("score_student", score, "student_scores", model="student"),
            ]
        )

    def evaluating(self, **own: float) -> Pipeline:
        def evaluate(folder: Path, model: Artifact) -> None:
            dev = {"rows": 3, "scores": {"accuracy": 0.7, "f1": 0.25, **own}}
            digests = dict.fromkeys(own, "d" * 64)
            write_json(folder / "scores.json", {"splits": {"dev": dev}, "metrics": digests})
            write_json(folder / "size.json", {"parameters": 1000})

        inputs = {"experiment": "experiment", "model": "student"}
        make = step("student_evaluation")(evaluate)
        tags = "stage.evaluate"
        return Pipeline([node(make, inputs, "student_evaluation", name="evaluate", tags=tags)])

    def comparing(self) -> Pipeline:
        return comparing()

    def run(self, pipeline: Pipeline) -> None:
        """As a Kedro session runs a pipeline."""
        manager = _create_hook_manager()
        manager.register(RunHooks())
        catalog, params = self.catalog(), {"run_id": "r"}
        manager.hook.before_pipeline_run(run_params=params, pipeline=pipeline, catalog=catalog)
        result = StageRunner().run(pipeline, catalog, manager)
        manager.hook.after_pipeline_run(
            run_params=params, run_result=result, pipeline=pipeline, catalog=catalog
        )

    def rows(self, query: str) -> Rows:
        connection = sqlite3.connect(self.database)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def runs(self) -> Rows:
        """Names, those of comparisons without their key, and statuses."""
        name = "case when name like 'comparison-%' then 'comparison' else name end"
        return self.rows(f"select {name}, status from runs order by 1")
