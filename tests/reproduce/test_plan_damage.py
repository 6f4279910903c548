from __future__ import annotations

from pathlib import Path

import pytest
from tests.reproduce.conftest import write_run, write_scores

from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.reproduce.plan import damage
from alpkd_pipeline.store.manifest import sha256_file
from alpkd_pipeline.store.run_folder import DamagedError


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


def test_the_student(student: StoredRun) -> None:
    for name in ("run.json", "events.jsonl"):
        path = student.path / name
        path.write_text(path.read_text() + "\n")
    assert found(student) == [
        ("damage", "events.jsonl of the student"),
        ("damage", "run.json of the student"),
    ]
    event_log = damage(student)[0]
    assert event_log.then == f"sha256 {student.manifest['files']['events.jsonl']['sha256']}"
    assert event_log.now == sha256_file(student.path / "events.jsonl")


@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
def test_what_a_teacher_was_made_with_must_be_known(student: StoredRun, name: str) -> None:
    assert student.teacher_folder is not None
    path = student.teacher_folder / name
    path.write_text(path.read_text() + "\n")
    with pytest.raises(DamagedError, match=f"{name} is damaged: sha256"):
        damage(student)


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
