"""Steps and hooks in real runs of small pipelines, with a real tracking database.

The pipelines have the datasets, tags and runner of the real ones; their steps write run folders
as a training leaves them instead of training.
"""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node
from tests.conftest import PROJECT
from tests.databases import initialised_database
from tests.tracking.conftest import METRICS, eval_event, run_json, start_event, step_event

from alpkd_pipeline.datasets.artifact import ArtifactDataset, ExperimentDataset
from alpkd_pipeline.datasets.comparison import ComparisonDataset
from alpkd_pipeline.datasets.store import StoreDataset
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.hooks import RunHooks
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.orchestration.config_loader import CellConfigLoader
from alpkd_pipeline.orchestration.runner import StageRunner
from alpkd_pipeline.pipelines.compare.pipeline import create_pipeline as comparing
from alpkd_pipeline.runs.artifact import Artifact
from alpkd_pipeline.runs.manifest import read_json, seal, write_json
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS
from alpkd_pipeline.steps.step import step
from alpkd_pipeline.steps.tracked import run_pictures_of

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


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return initialised_database(tmp_path_factory)


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
                "params:compare": MemoryDataset({"sweep": None}),
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


@pytest.fixture
def world(tmp_path: Path, database: Path) -> World:
    return World(tmp_path, database)


def test_n_trainings_are_n_runs(world: World) -> None:
    world.run(world.pipeline())
    assert world.runs() == [(STUDENT, "FINISHED"), (TEACHER, "FINISHED")]
    steps = world.rows("select step from metrics where key = 'loss.total' order by step")
    assert steps == [(1,), (1,), (2,), (2,)]
    tags = "select value from tags where key = 'stage' order by value"
    assert world.rows(tags) == [("student",), ("teacher",)]


def test_what_is_there_is_not_tracked_again(world: World) -> None:
    world.run(world.pipeline())
    before = world.rows("select count(*) from metrics")
    world.run(world.pipeline())
    assert len(world.runs()) == 2
    assert world.rows("select count(*) from metrics") == before


def test_only_what_is_missing_is_trained_and_tracked(world: World) -> None:
    world.run(world.pipeline().only_nodes("teach"))
    assert world.runs() == [(TEACHER, "FINISHED")]
    world.run(world.pipeline())
    assert [name for name, _ in world.runs()] == [STUDENT, TEACHER]


def test_a_training_that_fails_is_failed_with_its_reason(world: World) -> None:
    def diverge(folder: Path, teacher: Artifact) -> None:
        write_training(folder)
        raise ValueError("the loss became nan at step 3")

    with pytest.raises(ValueError, match="nan"):
        world.run(world.pipeline(student=diverge))
    assert world.runs() == [(STUDENT, "FAILED"), (TEACHER, "FINISHED")]
    ((reason,),) = world.rows("select value from tags where key = 'error'")
    assert "the loss became nan at step 3" in reason
    # What it told until then is kept.
    assert world.rows("select max(step) from metrics where key = 'loss.total'") == [(2,)]


def test_a_training_that_works_at_last_is_finished(world: World) -> None:
    def fail(folder: Path, teacher: Artifact) -> None:
        write_training(folder)
        raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        world.run(world.pipeline(student=fail))
    world.run(world.pipeline())
    assert "FINISHED" in {status for name, status in world.runs() if name == STUDENT}


def test_what_an_interrupted_training_left_is_not_tracked_as_part_of_the_next(
    world: World,
) -> None:
    place = world.catalog().load("teacher").expected
    left = place.with_name(f"{place.name}.work")
    left.mkdir(parents=True)
    write_training(left)
    with (left / "events.jsonl").open("a") as file:
        file.write(json.dumps(step_event(50)) + "\n")

    def begin_late(folder: Path) -> None:
        time.sleep(0.7)  # by now the sync has looked at the folder
        train(folder)

    world.run(world.pipeline(teacher=begin_late).only_nodes("teach"))
    assert world.runs() == [(TEACHER, "FINISHED")]
    assert world.rows("select max(step) from metrics where key = 'loss.total'") == [(2,)]


def test_a_result_that_cannot_be_saved_is_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alpkd_pipeline.steps import step as module

    def full(*_arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(module, "publish", full)
    with pytest.raises(Exception, match="no space left"):
        world.run(world.pipeline())
    assert world.runs() == [(TEACHER, "FAILED")]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)])
def test_a_training_that_is_stopped_is_killed(world: World, stop: BaseException) -> None:
    def stopped(folder: Path) -> None:
        write_training(folder)
        raise stop

    with pytest.raises(type(stop)):
        world.run(world.pipeline(teacher=stopped))
    assert world.runs() == [(TEACHER, "KILLED")]


def test_a_teacher_that_was_brought_fine_tuned_is_no_training(world: World) -> None:
    params = run_json()["params"]
    teacher = {**params["teacher"], "model": "x", "finetuned": True}
    brought = {**params, "teacher": teacher}
    world.facts["teacher"] = {"params": brought}
    world.run(world.pipeline())
    assert world.runs() == [(STUDENT, "FINISHED")]


def test_nodes_that_do_not_train_are_not_tracked(world: World) -> None:
    world.run(world.pipeline())
    stages = {value for (value,) in world.rows("select value from tags where key = 'stage'")}
    assert not {stage for stage in stages if "scores" in stage}


def test_off_means_off(world: World) -> None:
    world.tracking = "off"
    before = world.database.read_bytes()
    world.run(world.pipeline())
    world.run(world.comparing())
    assert world.database.read_bytes() == before
    assert not (world.root / "mlartifacts").exists()


def test_each_run_of_a_process_has_its_own_settings(world: World) -> None:
    world.run(world.pipeline().only_nodes("teach"))
    world.tracking = "off"
    world.run(world.pipeline())
    assert [name for name, _ in world.runs()] == [TEACHER]


def test_a_store_that_is_away_does_not_stop_a_training(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.tracking = "http://u:c4n4ry@127.0.0.1:9"
    with caplog.at_level(logging.WARNING, "alpkd_pipeline"):
        world.run(world.pipeline().only_nodes("teach"))
    assert world.catalog().exists("teacher")
    assert "catches up later" in caplog.text
    assert "c4n4ry" not in caplog.text


def test_a_pipeline_without_trainings_imports_no_mlflow(world: World) -> None:
    world.run(world.pipeline())
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.test_hooks import World\n"
        "root = Path(sys.argv[1])\n"
        "world = World(root / 'other', root / 'mlflow.db')\n"
        "world.store = root / 'data'\n"
        "world.run(world.pipeline())\n"
        "print(sorted({'mlflow', 'torch', 'matplotlib', 'transformers'} & set(sys.modules)))\n"
    )
    (world.root / "other").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, str(world.root)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


# Scores ------------------------------------------------------------------------------------------


SCORES = "select name, value from metrics join runs using (run_uuid) where key = 'score'"


def test_scores_reach_the_runs_of_their_models(world: World) -> None:
    world.run(world.pipeline())
    assert sorted(world.rows(SCORES)) == [(STUDENT, 0.7), (TEACHER, 0.7)]
    final = "select distinct key from metrics where key like 'final.%' order by key"
    assert world.rows(final) == [("final.dev.accuracy",), ("final.dev.f1",)]


def test_metrics_of_a_user_s_own_reach_the_run_of_their_model(world: World) -> None:
    world.run(world.pipeline())
    world.run(world.evaluating(mine=2.5))
    final = "select name, value from metrics join runs using (run_uuid) where key = 'final.dev.{}'"
    assert world.rows(final.format("mine")) == [(STUDENT, 2.5)]
    world.orders = {"student_evaluation": 1.5}
    world.run(world.evaluating(mine=1.5))
    assert len(world.runs()) == 2


def test_an_evaluation_without_them_asks_nothing_of_mlflow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run(world.pipeline())

    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("MLflow was asked")

    monkeypatch.setattr("alpkd_pipeline.tracking.folder_sync.sync_folder", refuse)
    world.run(world.evaluating())
    assert (world.store / "07_model_output/evaluation").is_dir()


def test_scores_of_a_run_that_is_not_in_this_store_are_left_to_a_sync(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.tracking = "off"
    world.run(world.pipeline().only_nodes("teach"))
    world.tracking = "sqlite"
    with caplog.at_level(logging.WARNING, "alpkd_pipeline"):
        world.run(world.pipeline().only_nodes("teach", "score_teacher"))
    assert world.runs() == []
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


# The comparison ----------------------------------------------------------------------------------


def test_a_comparison_is_a_run_of_its_own_once(world: World) -> None:
    world.run(world.pipeline())
    world.run(world.comparing())
    world.run(world.comparing())
    assert world.runs() == [
        ("comparison", "FINISHED"),
        (STUDENT, "FINISHED"),
        (TEACHER, "FINISHED"),
    ]


@pytest.mark.parametrize(("generation", "rows"), [("cell", 1), ("trial", 0)])
def test_trials_are_not_in_the_tracked_table(world: World, generation: str, rows: int) -> None:
    identity = run_json(key=f"{2:064x}")["identity"] | {"generation": generation}
    world.facts["student"] = {"identity": identity}
    world.run(world.pipeline())
    world.run(world.comparing())
    (table,) = world.root.glob("mlartifacts/**/table.json")
    assert len(read_json(table)["data"]) == rows


def test_a_store_that_is_away_does_not_undo_a_comparison(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.tracking = "off"
    world.run(world.pipeline())
    world.tracking = "http://127.0.0.1:9"
    with caplog.at_level(logging.WARNING, "alpkd_pipeline"):
        world.run(world.comparing())
    assert world.catalog().exists("comparison")
    assert "did not get into MLflow" in caplog.text


def test_an_empty_store_may_be_compared(world: World) -> None:
    world.run(world.comparing())
    assert world.catalog().exists("comparison")
    assert world.runs() == [("comparison", "FINISHED")]


# The end of a run --------------------------------------------------------------------------------


def test_the_end_is_a_table_and_where_things_are(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run(world.pipeline())
    said = capsys.readouterr().out
    assert "teacher" in said
    assert "dev accuracy" in said
    assert f"student: {world.store / '06_models/students/mrpc/kd-3L-s1-aaaaaaaa'}" in said
    assert "mlflow: make mlflow" in said
    ((run_id,),) = world.rows(f"select run_uuid from runs where name = '{STUDENT}'")
    assert said.splitlines()[-1].endswith(f"/runs/{run_id}")


def test_it_is_said_again_when_nothing_had_to_be_made(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run(world.pipeline())
    first = capsys.readouterr().out
    world.run(world.pipeline())
    assert capsys.readouterr().out == first


def test_a_teacher_alone_has_a_table_without_a_student(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run(world.pipeline().only_nodes("teach", "score_teacher"))
    said = capsys.readouterr().out
    assert "teacher" in said
    assert "student" not in said


def test_a_comparison_says_where_its_page_is(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run(world.pipeline())
    capsys.readouterr()
    world.run(world.comparing())
    said = capsys.readouterr().out
    assert "report.html" in said
    assert "student: " not in said
    assert "students: http://127.0.0.1:5000/#/experiments/" in said


def test_without_tracking_there_is_no_way_to_mlflow(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.tracking = "off"
    world.run(world.pipeline())
    assert "mlflow" not in capsys.readouterr().out


def test_a_pipeline_without_scores_says_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run(world.pipeline().only_nodes("teach"))
    assert capsys.readouterr().out == ""


def test_pictures_of_a_training(tmp_path: Path) -> None:
    write_training(tmp_path)
    write_json(tmp_path / "run.json", run_json())
    seal(tmp_path, {})
    assert list(run_pictures_of(tmp_path)) == ["attention.png"]
    plain = {name: value for name, value in METRICS.items() if name != "attention"}
    write_json(tmp_path / "metrics.json", plain)
    assert read_json(tmp_path / "metrics.json") == plain
    seal(tmp_path, {})
    assert run_pictures_of(tmp_path) == {}


def test_a_preset_in_use_is_named_before_and_in_the_table(
    world: World,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(PROJECT / "conf", conf)
    entry = {"where": {"method": "kd"}, "set": {"training.lr": 8e-4}, "by": "tune-x: best of 2"}
    tuned = conf / "base" / "parameters" / "tuned.yml"
    for entries, titles in (([entry], 1), ([], 0)):
        tuned.write_text(yaml.safe_dump({"tuned": entries}))
        given = {"method": {"name": "kd"}}
        loader = CellConfigLoader(str(conf), runtime_params=given, **CONFIG_LOADER_ARGS)
        experiment = json.loads(loader["catalog"]["experiment"]["experiment"])
        world.preset = {name: experiment[name] for name in ("preset", "title")}
        caplog.clear()
        with caplog.at_level("INFO"):
            world.run(world.pipeline())
        assert capsys.readouterr().out.count("student with preset tune-x") == titles
        assert caplog.text.count("preset in use: training.lr=0.0008 (tune-x: best of 2;") == titles


GONE = "cuda:1000"
"""A device that no machine has."""


@pytest.mark.parametrize("asked", ["training", "teacher"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    there = {"device": GONE}
    monkeypatch.setitem(DEVICES, asked, there if asked == "training" else {"training": there})
    with pytest.raises(UserError, match=f"'{GONE}': this machine has no such device"):
        world.run(world.pipeline())
    assert not world.store.exists()
