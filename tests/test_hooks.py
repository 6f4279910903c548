"""The hooks around real runs of small pipelines, with a real tracking database.

The pipelines have the datasets, tags and runner of the real ones; their nodes write run folders
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
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from tests.conftest import PROJECT
from tests.databases import initialised_database
from tests.tracking.conftest import METRICS, eval_event, run_json, start_event, step_event

from alpkd_pipeline.datasets.comparison import ComparisonDataset
from alpkd_pipeline.datasets.folder import FolderDataset
from alpkd_pipeline.datasets.store import StoreDataset
from alpkd_pipeline.datasets.work import WorkDataset
from alpkd_pipeline.hooks import TrackingHooks, run_pictures_of
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.orchestration.config_loader import CellConfigLoader
from alpkd_pipeline.orchestration.runner import StageRunner
from alpkd_pipeline.reporting.comparison import gather, write_comparison
from alpkd_pipeline.runs.manifest import read_json, seal, write_json
from alpkd_pipeline.runs.run_folder import Work
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS

Train = Callable[[Work], Path]
Rows = list[tuple[Any, ...]]


def write_training(folder: Path) -> None:
    """What a training of two steps leaves, but for the manifest."""
    events = [start_event(), step_event(1), step_event(2), eval_event(2)]
    events.append({"event": "end", "time": 1_700_000_100.0, "seconds": 1.5, "steps": 2})
    (folder / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    write_json(folder / "metrics.json", METRICS)
    shutil.copy(DEMO_FOLDER / "config.json", folder / "config.json")
    (folder / "model.safetensors").write_bytes(b"weights")


def train(work: Work) -> Path:
    folder = work.begin()
    write_training(folder)
    return folder


def train_from(work: Work, teacher: Path) -> Path:
    return train(work)


def score(work: Work, model: Path) -> Path:
    folder = work.begin()
    found = {"dev": {"rows": 3, "scores": {"accuracy": 0.7, "f1": 0.25}}}
    write_json(folder / "scores.json", {"splits": found})
    return folder


def compare(store: Path, work: Work) -> Path:
    folder = work.begin()
    write_comparison(gather(store), folder)
    return folder


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
        self.hooks = TrackingHooks()
        self.tracking = "sqlite"
        self.facts: dict[str, dict[str, Any]] = {"teacher": {"name": TEACHER}}
        """What differs from the usual in the run.json of a stage."""

    def catalog(self) -> DataCatalog:
        place = {"tracking": self.tracking, "experiment": "alpkd", "project": str(self.root)}
        entries: dict[str, Any] = {
            "tracking": MemoryDataset(place),
            "store": StoreDataset(filepath=str(self.store)),
            "comparison": ComparisonDataset(filepath=str(self.store / "08"), store=str(self.store)),
            "comparison_work": WorkDataset(
                filepath=str(self.store / "08.work"), project=str(self.root)
            ),
        }
        places = {
            "teacher": "06_models/teachers/mrpc/demo-s0-bbbbbbbb",
            "student": "06_models/students/mrpc/kd-3L-s1-aaaaaaaa",
            "teacher_scores": "07_model_output/scores/mrpc/demo-s0-bbbbbbbb-cccccccc",
            "student_scores": "07_model_output/scores/mrpc/kd-3L-s1-aaaaaaaa-dddddddd",
        }
        for number, (name, place_of) in enumerate(places.items(), start=1):
            key = f"{number:064x}"
            run = run_json(stage=name, key=key) | self.facts.get(name, {})
            path = self.store / place_of
            of = name.removesuffix("_scores")
            made_from = {} if of == name else {of: f"{list(places).index(of) + 1:064x}"}
            entries[name] = FolderDataset(
                filepath=str(path), facts={"key": key, "stage": name, "made_from": made_from}
            )
            entries[f"{name}_work"] = WorkDataset(
                filepath=f"{path}.work", project=str(self.root), run=json.dumps(run)
            )
        return DataCatalog(entries)

    def pipeline(self, teacher: Train = train, student: Callable[..., Path] = train_from):
        def scored(name: str):
            inputs = {"work": f"{name}_scores_work", "model": name}
            return node(score, inputs, f"{name}_scores", name=f"score_{name}", tags="stage.distill")

        tags = ["training", "stage.distill"]
        return Pipeline(
            [
                node(teacher, {"work": "teacher_work"}, "teacher", name="teach", tags=tags),
                scored("teacher"),
                node(
                    student,
                    {"work": "student_work", "teacher": "teacher"},
                    "student",
                    name="distil",
                    tags=tags,
                ),
                scored("student"),
            ]
        )

    def comparing(self) -> Pipeline:
        inputs = {"store": "store", "work": "comparison_work"}
        return Pipeline([node(compare, inputs, "comparison", name="compare", tags="stage.compare")])

    def run(self, pipeline: Pipeline, force: str = "") -> None:
        """As a Kedro session runs a pipeline."""
        manager = _create_hook_manager()
        manager.register(self.hooks)
        catalog, params = self.catalog(), {"run_id": "r"}
        manager.hook.before_pipeline_run(run_params=params, pipeline=pipeline, catalog=catalog)
        try:
            result = StageRunner(force=force).run(pipeline, catalog, manager)
        except Exception as error:
            manager.hook.on_pipeline_error(
                error=error, run_params=params, pipeline=pipeline, catalog=catalog
            )
            raise
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
    def diverge(work: Work, teacher: Path) -> Path:
        write_training(work.begin())
        raise ValueError("the loss became nan at step 3")

    with pytest.raises(ValueError, match="nan"):
        world.run(world.pipeline(student=diverge))
    assert world.runs() == [(STUDENT, "FAILED"), (TEACHER, "FINISHED")]
    ((reason,),) = world.rows("select value from tags where key = 'error'")
    assert "the loss became nan at step 3" in reason
    # What it told until then is kept.
    assert world.rows("select max(step) from metrics where key = 'loss.total'") == [(2,)]


def test_a_training_that_works_at_last_is_finished(world: World) -> None:
    def fail(work: Work, teacher: Path) -> Path:
        write_training(work.begin())
        raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        world.run(world.pipeline(student=fail))
    world.run(world.pipeline())
    assert "FINISHED" in {status for name, status in world.runs() if name == STUDENT}


def test_what_an_interrupted_training_left_is_not_tracked_as_part_of_the_next(
    world: World,
) -> None:
    work: Work = world.catalog().load("teacher_work")
    write_training(work.begin())
    with (work.folder / "events.jsonl").open("a") as file:
        file.write(json.dumps(step_event(50)) + "\n")

    def begin_late(work: Work) -> Path:
        time.sleep(0.7)  # by now the sync has looked at the folder
        return train(work)

    world.run(world.pipeline(teacher=begin_late).only_nodes("teach"))
    assert world.runs() == [(TEACHER, "FINISHED")]
    assert world.rows("select max(step) from metrics where key = 'loss.total'") == [(2,)]


def test_a_result_that_cannot_be_saved_is_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alpkd_pipeline.datasets import folder

    def full(*_arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(folder, "publish", full)
    with pytest.raises(Exception, match="no space left"):
        world.run(world.pipeline())
    assert world.runs() == [(TEACHER, "FAILED")]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)])
def test_a_training_that_is_stopped_is_killed(world: World, stop: BaseException) -> None:
    def stopped(work: Work) -> Path:
        write_training(work.begin())
        raise stop

    with pytest.raises(type(stop)):
        world.run(world.pipeline(teacher=stopped))
    # Kedro's error hook hears of exceptions only; the command tells the hooks of the rest.
    world.hooks.close_as_failed(stop)
    assert world.runs() == [(TEACHER, "KILLED")]


def test_closing_twice_closes_once(world: World) -> None:
    world.run(world.pipeline())
    world.hooks.close_as_failed(KeyboardInterrupt())
    assert {status for _, status in world.runs()} == {"FINISHED"}


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
        world.hooks.after_context_created(SimpleNamespace(config_loader=loader))
        caplog.clear()
        with caplog.at_level("INFO"):
            world.run(world.pipeline())
        assert capsys.readouterr().out.count("student with preset tune-x") == titles
        assert caplog.text.count("preset in use: training.lr=0.0008 (tune-x: best of 2;") == titles
