from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from tests.reproduce.conftest import BROUGHT, write_run

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reproduce.original import StoredRun, find_original, read_run
from alpkd_pipeline.reproduce.plan import damage
from alpkd_pipeline.store.manifest import seal
from alpkd_pipeline.store.run_folder import DamagedError
from alpkd_pipeline.tracking.settings import SyncState, write_state


def test_a_run_by_key_name_and_path(then: StoredRun) -> None:
    for text in ("1" * 8, "1" * 40, then.path.name, str(then.path)):
        assert find_original(then.store, text, None).path == then.path


def test_32_digits_may_be_those_of_a_key(then: StoredRun) -> None:
    assert find_original(then.store, "1" * 32, None).path == then.path


def test_the_id_of_an_mlflow_run_is_known_from_the_folder(then: StoredRun) -> None:
    write_state(then.path, SyncState(run_id="ab" * 16))
    assert find_original(then.store, "ab" * 16, None).path == then.path


def test_an_unknown_id_is_one_line(then: StoredRun) -> None:
    with pytest.raises(UserError, match="while tracking is off") as caught:
        find_original(then.store, "cd" * 16, None)
    assert "\n" not in str(caught.value)


def test_the_teacher_of_a_student(tmp_path: Path) -> None:
    student = write_run(tmp_path)
    assert student.teacher is None
    teacher = write_run(tmp_path, stage="teacher", key="a" * 64)
    assert student.teacher is not None
    assert student.teacher.path == teacher.path
    assert teacher.teacher is None


def test_a_model_that_was_brought_has_nothing_to_repeat(tmp_path: Path) -> None:
    brought = write_run(tmp_path, stage="teacher", run=BROUGHT)
    with pytest.raises(UserError, match="not trained here"):
        read_run(brought.path)


def test_a_teacher_that_was_brought_is_the_teacher_of_its_students(tmp_path: Path) -> None:
    student = write_run(tmp_path, run=BROUGHT)
    teacher = write_run(tmp_path, stage="teacher", key="a" * 64, run=BROUGHT)
    found = read_run(student.path).teacher
    assert found is not None
    assert (found.path, found.run, found.metrics) == (teacher.path, teacher.run, teacher.metrics)


def test_a_damaged_teacher_is_still_the_teacher(tmp_path: Path) -> None:
    student = write_run(tmp_path)
    folder = write_run(tmp_path, stage="teacher", key="a" * 64).path
    (folder / "model.safetensors").write_bytes(b"of another size")
    (folder / "events.jsonl").unlink()
    assert student.teacher is not None
    assert [difference.what for difference in damage(student)] == [
        "events.jsonl of the teacher",
        "model.safetensors of the teacher",
    ]
    (folder / "manifest.json").write_text("{")
    assert student.teacher is None
    assert student.teacher_folder == folder


def test_a_teacher_is_found_by_its_key(tmp_path: Path) -> None:
    student = write_run(tmp_path)
    folder = write_run(tmp_path, stage="teacher", key="a" * 64).path
    assert student.teacher_folder == folder
    moved = folder.rename(folder.with_name("mine"))
    assert student.teacher_folder == moved


@pytest.mark.parametrize("depth", ["/", "a/b/c/d"])
def test_a_copy_outside_of_a_store_is_one_line(then: StoredRun, depth: str) -> None:
    shallow = Path(tempfile.mkdtemp()) if depth == "/" else then.store / "copies" / depth
    try:
        shutil.copytree(then.path, shallow, dirs_exist_ok=True)
        with pytest.raises(UserError, match="lies in no store") as caught:
            find_original(then.store, str(shallow), None)
    finally:
        shutil.rmtree(shallow, ignore_errors=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["[]", '{"environment": 1}', '{"seconds": "long"}'])
def test_metrics_that_cannot_be_read(then: StoredRun, content: str) -> None:
    (then.path / "metrics.json").write_text(content)
    seal(then.path, {"key": then.key})
    with pytest.raises(UserError, match="cannot be read"):
        read_run(then.path)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"stage": "student"}'])
def test_a_run_that_cannot_be_read(then: StoredRun, content: str) -> None:
    (then.path / "run.json").write_text(content)
    with pytest.raises(DamagedError, match=r"run\.json is damaged: sha256"):
        read_run(then.path)
    seal(then.path, {"key": then.key})
    with pytest.raises(UserError, match="cannot be read"):
        read_run(then.path)
