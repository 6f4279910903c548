"""What steps bring to MLflow, in real runs of small pipelines."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.databases import initialised_database
from tests.steps.world import STUDENT, TEACHER, World, train, write_training
from tests.tracking.conftest import METRICS, run_json, step_event

from alpkd_pipeline.steps.step import run_pictures_of
from alpkd_pipeline.store.artifact import Artifact
from alpkd_pipeline.store.manifest import read_json, seal, write_json


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return initialised_database(tmp_path_factory)


@pytest.fixture
def world(tmp_path: Path, database: Path) -> World:
    return World(tmp_path, database)


def test_n_trainings_are_n_runs(world: World) -> None:
    world.run(world.pipeline())
    assert world.runs() == [(STUDENT, "FINISHED"), (TEACHER, "FINISHED")]
    steps = world.rows("select step from metrics where key = 'loss/total' order by step")
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
    assert world.rows("select max(step) from metrics where key = 'loss/total'") == [(2,)]


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
    assert world.rows("select max(step) from metrics where key = 'loss/total'") == [(2,)]


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
        "from tests.steps.world import World\n"
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
        cwd=Path(__file__).parents[2],
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


@pytest.mark.parametrize(("run_type", "rows"), [("cell", 1), ("trial", 0)])
def test_trials_are_not_in_the_tracked_table(world: World, run_type: str, rows: int) -> None:
    identity = run_json(key=f"{2:064x}")["identity"] | {"generation": run_type}
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
