from __future__ import annotations

from pathlib import Path

import pytest
from tests.orchestration.rerun.conftest import write_run, write_scores

from alpkd_pipeline.orchestration.rerun.damage import damage
from alpkd_pipeline.orchestration.rerun.original import StoredRun


@pytest.fixture
def student(tmp_path: Path) -> StoredRun:
    """A student with its teacher, both scored."""
    student = write_run(tmp_path)
    for run in (student, write_run(tmp_path, stage="teacher", key="a" * 64)):
        write_scores(run, dev={"accuracy": 0.75})
    return student


def found(student: StoredRun) -> list[tuple[str, str]]:
    return [(difference.kind, difference.what) for difference in damage(student)]


def test_what_is_as_it_was_sealed(student: StoredRun) -> None:
    assert found(student) == []


def test_the_student_and_its_parameters(student: StoredRun) -> None:
    for name in ("run.json", "events.jsonl"):
        path = student.folder / name
        path.write_text(path.read_text() + "\n")
    assert found(student) == [
        ("damage", "events.jsonl of the student"),
        ("parameters", "run.json of the student"),
    ]


def test_a_teacher(student: StoredRun) -> None:
    folder = student.teacher_folder
    assert folder is not None
    (folder / "model.safetensors").write_bytes(b"X")
    assert found(student) == [("damage", "model.safetensors of the teacher")]
    (folder / "manifest.json").write_text("{")
    assert found(student) == [("damage", "manifest.json of the teacher")]


def test_scores(student: StoredRun) -> None:
    teacher = student.teacher
    assert teacher is not None
    (write_scores(teacher, dev={}) / "scores.json").unlink()
    folder = write_scores(student, dev={})
    (folder / "scores.json").write_text("{")
    assert found(student) == [
        ("damage", "scores.json of the student's scores"),
        ("damage", "scores.json of the teacher's scores"),
    ]
    (folder / "manifest.json").write_text("{")
    assert found(student)[0] == ("damage", "manifest.json of the student's scores")
