from __future__ import annotations

from pathlib import Path

import pytest
from tests.orchestration.rerun.conftest import write_run
from tests.reporting.conftest import PARAMS

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.rerun.original import StoredRun, find_original, read_run
from alpkd_pipeline.tracking.sync_state import SyncState, write_state


def test_a_run_by_key_name_and_path(then: StoredRun) -> None:
    for text in ("1" * 8, "1" * 40, then.folder.name, str(then.folder)):
        assert find_original(then.store, text, None).folder == then.folder


def test_32_digits_may_be_those_of_a_key(then: StoredRun) -> None:
    assert find_original(then.store, "1" * 32, None).folder == then.folder


def test_the_id_of_an_mlflow_run_is_known_from_the_folder(then: StoredRun) -> None:
    write_state(then.folder, SyncState(run_id="ab" * 16))
    assert find_original(then.store, "ab" * 16, None).folder == then.folder


def test_an_unknown_id_is_one_line(then: StoredRun) -> None:
    with pytest.raises(UserError, match="while tracking is off") as caught:
        find_original(then.store, "cd" * 16, None)
    assert "\n" not in str(caught.value)


def test_the_teacher_of_a_student(tmp_path: Path) -> None:
    student = write_run(tmp_path)
    assert student.teacher is None
    teacher = write_run(tmp_path, stage="teacher", key="a" * 64)
    assert student.teacher is not None
    assert student.teacher.folder == teacher.folder
    assert teacher.teacher is None


def test_files_that_are_not_what_was_sealed(then: StoredRun) -> None:
    (then.folder / "model.safetensors").write_bytes(b"weighty")
    assert read_run(then.folder).altered == ("model.safetensors",)


def test_a_model_that_was_brought_has_nothing_to_repeat(tmp_path: Path) -> None:
    params = {**PARAMS, "teacher": {"model": "demo", "finetuned": True}}
    with pytest.raises(UserError, match="not trained here"):
        write_run(tmp_path, stage="teacher", run={"params": params})


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"stage": "student"}'])
def test_a_run_that_cannot_be_read(then: StoredRun, content: str) -> None:
    (then.folder / "run.json").write_text(content)
    with pytest.raises(UserError, match="cannot be read"):
        read_run(then.folder)
