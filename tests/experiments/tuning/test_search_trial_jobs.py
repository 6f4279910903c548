from __future__ import annotations

from typing import Any

import pytest
from tests.experiments.tuning.conftest import Maker, publish, publish_student

from alpkd_pipeline.experiments.jobs import Job
from alpkd_pipeline.experiments.plan import Missing
from alpkd_pipeline.experiments.tuning.search import add_student
from alpkd_pipeline.project.experiment import Experiment

KD: dict[str, Any] = {"task": "demo", "method": "kd", "layers": 2}
NO_KD = {**KD, "method": "no_kd"}


def jobs(*experiments: Experiment) -> list[Job]:
    """What is planned for the students of some trials `a`, `b` and so on."""
    missing = Missing()
    for name, experiment in zip("abc", experiments, strict=False):
        add_student(missing, experiment, name)
    return [step.job for step in missing.in_order()]


def test_a_student_waits_for_its_teacher_and_its_signals(maker: Maker) -> None:
    (experiment,) = maker().experiments(KD, {})
    teacher, signals, student = jobs(experiment)
    assert teacher.to_outputs == ("teacher",)
    assert (signals.to_outputs, signals.needs) == (("signals",), (teacher.name,))
    assert student.needs == (signals.name,)
    assert (student.name, student.to_outputs) == ("a", ("student",))
    assert student.expect == {"student": experiment.student.key}


def test_a_method_without_signals_waits_for_none(maker: Maker) -> None:
    (experiment,) = maker().experiments(NO_KD, {})
    teacher, student = jobs(experiment)
    assert (teacher.to_outputs, student.needs) == (("teacher",), (teacher.name,))


def test_methods_share_the_jobs_of_a_teacher(maker: Maker) -> None:
    (kd,), (no_kd,) = (maker().experiments(target, {}) for target in (KD, NO_KD))
    made = [job.to_outputs for job in jobs(no_kd, kd)]
    assert made == [("teacher",), ("signals",), ("student",), ("student",)]


def test_what_is_there_needs_no_job(maker: Maker) -> None:
    (experiment,) = maker().experiments(KD, {})
    publish(experiment.teacher)
    signals, _ = jobs(experiment)
    assert (signals.to_outputs, signals.needs) == (("signals",), ())
    publish(experiment.signals)
    (student,) = jobs(experiment)
    assert student.needs == ()
    publish_student(experiment, 0.5)
    assert jobs(experiment) == []


def test_experiments_of_one_key_share_a_job(maker: Maker) -> None:
    (one,), (two,) = (maker().experiments(KD, {}) for _ in range(2))
    *_, student = jobs(one, two)
    assert len(jobs(one, two)) == 3
    assert student.name == "a"


@pytest.mark.parametrize(("selection", "kind"), [("holdout", "trial"), ("dev", "cell")])
def test_a_teacher_that_leaves_out_a_holdout_is_part_of_the_trials(
    maker: Maker, selection: str, kind: str
) -> None:
    (experiment,) = maker(selection=selection).experiments(KD, {})
    kinds = {job.to_outputs: job.params["run"]["kind"] for job in jobs(experiment)}
    assert kinds == {("teacher",): kind, ("signals",): kind, ("student",): "trial"}
