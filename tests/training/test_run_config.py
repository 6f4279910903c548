"""Reading run.json: the file that a training is started from, also by hand and elsewhere."""

from __future__ import annotations

import copy
import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from tests.training.conftest import PARAMS, TRAINING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources.demo import TASK
from alpkd_pipeline.training.run_config import RunConfig, read_config

RUN: dict[str, Any] = {
    "stage": "student",
    "name": "demo-12to2-alp_kd-s1",
    "task": TASK.to_dict(),
    "params": {
        **PARAMS,
        "seed": 1,
        "teacher": {**PARAMS["teacher"], "seed": 7, "training": {**TRAINING, "epochs": 9}},
    },
    "inputs": {"encoded": "../encoded", "teacher": "../../teachers/t"},
    "identity": {"key": "k"},
}


def written(folder: Path, text: str | None = None, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    run = {**copy.deepcopy(RUN), **changes}
    (folder / "run.json").write_text(text if text is not None else json.dumps(run))
    return folder


def read(tmp_path: Path, **changes: Any) -> RunConfig:
    return read_config(written(tmp_path / "students" / "s.work", **changes))


def test_it_is_what_the_file_says(tmp_path: Path) -> None:
    run = read(tmp_path)
    assert (run.stage, run.name) == ("student", "demo-12to2-alp_kd-s1")
    assert run.task == TASK
    assert run.folder == tmp_path / "students" / "s.work"


def test_inputs_are_relative_to_the_folder(tmp_path: Path) -> None:
    assert read(tmp_path).inputs == {
        "encoded": (tmp_path / "students" / "encoded").resolve(),
        "teacher": (tmp_path / "teachers" / "t").resolve(),
    }


def test_a_moved_store_reads_its_own_inputs(tmp_path: Path) -> None:
    read(tmp_path / "one")
    (tmp_path / "one").rename(tmp_path / "two")
    run = read_config(tmp_path / "two" / "students" / "s.work")
    assert run.inputs["encoded"] == (tmp_path / "two" / "students" / "encoded").resolve()


def test_an_absolute_input_stays_where_it_is(tmp_path: Path) -> None:
    run = read(tmp_path, inputs={"model": str(tmp_path / "model")})
    assert run.inputs["model"] == (tmp_path / "model").resolve()


def test_teacher_and_student_have_their_own_numbers(tmp_path: Path) -> None:
    student, teacher = read(tmp_path), read(tmp_path, stage="teacher")
    assert (student.seed, teacher.seed) == (1, 7)
    assert (student.training.epochs, teacher.training.epochs) == (1, 9)
    assert (student.teacher.training.epochs, teacher.distilling.epochs) == (9, 1)


def test_signals_are_recorded_with_the_teacher_s_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, stage="signals").seed == 7


def test_the_loop_gets_its_part_of_the_block(tmp_path: Path) -> None:
    settings = read(tmp_path).training
    assert (settings.batch_size, settings.lr, settings.accumulation) == (16, 4e-4, 1)
    assert (settings.eval_every, settings.patience, settings.log_every) == ("epoch", None, 2)


def test_a_change_of_the_block_does_not_reach_the_run(tmp_path: Path) -> None:
    run = read(tmp_path)
    with pytest.raises(FrozenInstanceError):
        run.training.epochs = 99  # type: ignore[misc]
    assert run.training.epochs == 1


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_config(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_folder_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nowhere"):
        assert refused(folder).startswith(f"{folder / 'run.json'} does not exist")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"text"', '{"stage": "student"}'])
def test_a_file_that_is_no_run(tmp_path: Path, text: str) -> None:
    line = refused(written(tmp_path / "x", text))
    assert str(tmp_path / "x" / "run.json") in line
    assert "is not the configuration of a training" in line


@pytest.mark.parametrize("missing", ["stage", "name", "task", "params", "inputs"])
def test_a_part_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    run = {key: value for key, value in RUN.items() if key != missing}
    assert f"'{missing}'" in refused(written(tmp_path, json.dumps(run)))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(b"\xff\xfe{}")
    assert "is not the configuration of a training" in refused(tmp_path)


def test_an_unknown_field_of_the_task_is_refused(tmp_path: Path) -> None:
    task = {**TASK.to_dict(), "colour": "blue"}
    assert "colour" in refused(written(tmp_path, task=task))


@pytest.mark.parametrize("changes", [{"inputs": []}, {"task": ["demo"]}], ids=["inputs", "task"])
def test_a_list_where_a_mapping_belongs(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert "is not the configuration of a training" in refused(written(tmp_path, **changes))
