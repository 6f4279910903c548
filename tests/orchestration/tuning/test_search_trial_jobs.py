from __future__ import annotations

from typing import Any

import pytest
from tests.orchestration.tuning.conftest import Maker, publish, publish_student

from alpkd_pipeline.orchestration.tuning.search import shared_jobs, student_jobs

KD: dict[str, Any] = {"task": "demo", "method": "kd", "layers": 2}
NO_KD = {**KD, "method": "no_kd"}


def test_a_student_waits_for_its_teacher_and_its_signals(maker: Maker) -> None:
    (cell,) = maker().cells(KD, {})
    (student,) = student_jobs([("trial", cell)]).values()
    teacher, signals = shared_jobs(cell)
    assert teacher.to_outputs == ("teacher",)
    assert (signals.to_outputs, signals.needs) == (("signals",), (teacher.name,))
    assert student.needs == (teacher.name, signals.name)
    assert (student.name, student.to_outputs) == ("trial", ("student",))
    assert student.expect == {"student": cell.student.key}


def test_a_method_without_signals_waits_for_none(maker: Maker) -> None:
    (cell,) = maker().cells(NO_KD, {})
    assert [job.to_outputs for job in shared_jobs(cell)] == [("teacher",)]


def test_methods_share_the_jobs_of_a_teacher(maker: Maker) -> None:
    (kd,), (no_kd,) = (maker().cells(target, {}) for target in (KD, NO_KD))
    assert next(shared_jobs(kd)).name == next(shared_jobs(no_kd)).name


def test_what_is_there_needs_no_job(maker: Maker) -> None:
    (cell,) = maker().cells(KD, {})
    publish(cell.teacher)
    (signals,) = shared_jobs(cell)
    assert (signals.to_outputs, signals.needs) == (("signals",), ())
    publish(cell.signals)
    (student,) = student_jobs([("trial", cell)]).values()
    assert student.needs == ()
    publish_student(cell, 0.5)
    assert student_jobs([("trial", cell)]) == {}


def test_cells_of_one_key_share_a_job(maker: Maker) -> None:
    (one,), (two,) = (maker().cells(KD, {}) for _ in range(2))
    assert [job.name for job in student_jobs([("a", one), ("b", two)]).values()] == ["a"]


@pytest.mark.parametrize(("selection", "kind"), [("holdout", "trial"), ("dev", "cell")])
def test_a_teacher_that_leaves_out_a_holdout_is_part_of_the_trials(
    maker: Maker, selection: str, kind: str
) -> None:
    (cell,) = maker(selection=selection).cells(KD, {})
    kinds = {job.to_outputs: job.params["run"]["kind"] for job in shared_jobs(cell)}
    assert kinds == {("teacher",): kind, ("signals",): kind}
    (student,) = student_jobs([("trial", cell)]).values()
    assert student.params["run"]["kind"] == "trial"
