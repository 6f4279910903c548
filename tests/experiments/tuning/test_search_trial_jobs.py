from __future__ import annotations

from typing import Any

import pytest
from tests.experiments.tuning.conftest import Maker, publish, publish_student

from alpkd_pipeline.experiments.jobs import Job
from alpkd_pipeline.experiments.plan import Missing
from alpkd_pipeline.experiments.tuning.search import add_student
from alpkd_pipeline.project.cell import Cell

KD: dict[str, Any] = {"task": "demo", "method": "kd", "layers": 2}
NO_KD = {**KD, "method": "no_kd"}


def jobs(*cells: Cell) -> list[Job]:
    """What is planned for the students of some trials `a`, `b` and so on."""
    missing = Missing()
    for name, cell in zip("abc", cells, strict=False):
        add_student(missing, cell, name)
    return [step.job for step in missing.in_order()]


def test_a_student_waits_for_its_teacher_and_its_signals(maker: Maker) -> None:
    (cell,) = maker().cells(KD, {})
    teacher, signals, student = jobs(cell)
    assert teacher.to_outputs == ("teacher",)
    assert (signals.to_outputs, signals.needs) == (("signals",), (teacher.name,))
    assert student.needs == (signals.name,)
    assert (student.name, student.to_outputs) == ("a", ("student",))
    assert student.expect == {"student": cell.student.key}


def test_a_method_without_signals_waits_for_none(maker: Maker) -> None:
    (cell,) = maker().cells(NO_KD, {})
    teacher, student = jobs(cell)
    assert (teacher.to_outputs, student.needs) == (("teacher",), (teacher.name,))


def test_methods_share_the_jobs_of_a_teacher(maker: Maker) -> None:
    (kd,), (no_kd,) = (maker().cells(target, {}) for target in (KD, NO_KD))
    made = [job.to_outputs for job in jobs(no_kd, kd)]
    assert made == [("teacher",), ("signals",), ("student",), ("student",)]


def test_what_is_there_needs_no_job(maker: Maker) -> None:
    (cell,) = maker().cells(KD, {})
    publish(cell.teacher)
    signals, _ = jobs(cell)
    assert (signals.to_outputs, signals.needs) == (("signals",), ())
    publish(cell.signals)
    (student,) = jobs(cell)
    assert student.needs == ()
    publish_student(cell, 0.5)
    assert jobs(cell) == []


def test_cells_of_one_key_share_a_job(maker: Maker) -> None:
    (one,), (two,) = (maker().cells(KD, {}) for _ in range(2))
    *_, student = jobs(one, two)
    assert len(jobs(one, two)) == 3
    assert student.name == "a"


@pytest.mark.parametrize(("selection", "kind"), [("holdout", "trial"), ("dev", "cell")])
def test_a_teacher_that_leaves_out_a_holdout_is_part_of_the_trials(
    maker: Maker, selection: str, kind: str
) -> None:
    (cell,) = maker(selection=selection).cells(KD, {})
    kinds = {job.to_outputs: job.params["run"]["kind"] for job in jobs(cell)}
    assert kinds == {("teacher",): kind, ("signals",): kind, ("student",): "trial"}
