from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.experiments.conftest import finish, finish_experiment, finish_training
from tests.project.conftest import PROJECT

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.estimate import estimate
from alpkd_pipeline.experiments.plan import Plan
from alpkd_pipeline.experiments.sweep import dev_score
from alpkd_pipeline.experiments.worker import refuse_another_result
from alpkd_pipeline.store.run_folder import DamagedError

MakePlan = Callable[..., Plan]


def names(plan: Plan, kind: Any) -> list[str]:
    return [step.job.name for step in plan.of_kind(kind)]


def test_shared_work_comes_once_and_first(plan: MakePlan) -> None:
    made = plan()
    assert names(made, "teacher") == ["demo teacher t0", "demo teacher t1"]
    assert names(made, "signals") == ["demo signals t0", "demo signals t1"]
    assert len(names(made, "cell")) == 12
    assert len(names(made, "measurement")) == 6  # one of each method and depth
    kinds = [step.kind for step in made.steps]
    assert kinds == sorted(kinds, key=["teacher", "signals", "cell", "measurement"].index)
    needs = {step.job.name: step.job.needs for step in made.steps}
    assert needs["demo signals t1"] == ("demo teacher t1",)
    assert needs["demo no_kd 2L s1"] == ("demo teacher t1",)
    assert needs["demo kd 2L s1"] == ("demo signals t1",)
    assert needs["measure demo kd 2L"] == ("demo kd 2L s0",)


def test_a_task_of_ones_own_must_be_named_in_the_grid(plan: MakePlan) -> None:
    own = {"task.text_columns": ["text"], "task.labels": ["a", "b"], "task.source": "table"}
    told = r"^experiment demo .*'demo' is already defined.*one of `tasks` in sweep\.yml"
    with pytest.raises(UserError, match=told):
        plan(own)


def test_one_teacher_serves_all_seeds(plan: MakePlan) -> None:
    made = plan(teacher_seeds=[0])
    assert names(made, "teacher") == ["demo teacher t0"]
    assert names(made, "signals") == ["demo signals t0"]


def test_a_job_makes_the_scores_under_the_planned_key(plan: MakePlan) -> None:
    (step, *_) = plan().of_kind("cell")
    assert (step.job.pipeline, step.job.to_outputs) == ("distill", ("student_scores",))
    assert step.job.expect == {"student_scores": step.experiment.student_scores.key}
    assert step.job.params == step.experiment.params.plain()
    assert step.job.command.startswith("kedro run --pipeline=distill --params=")


def test_measurements_run_alone_and_the_teacher_is_timed_once(plan: MakePlan) -> None:
    steps = plan().of_kind("measurement")
    assert all(step.job.exclusive for step in steps)
    first, *others = [step.job.to_outputs for step in steps]
    assert first == ("student_latency", "student_geometry", "teacher_latency")
    # Three methods of two depths: two shapes, each timed once.
    assert sorted(others) == [("student_geometry",)] * 4 + [("student_latency", "student_geometry")]
    assert plan(measure=False).of_kind("measurement") == []


def test_what_is_there_is_done_and_what_it_needed_is_not_made(plan: MakePlan) -> None:
    before = plan(seeds=[0])
    for planned in before.experiments:
        finish_experiment(planned.experiment)
    after = plan(seeds=[0], measure=False)
    assert {planned.state for planned in after.experiments} == {"done"}
    assert after.steps == ()


def test_a_teacher_that_is_there_is_used(plan: MakePlan) -> None:
    experiment = plan(seeds=[0]).experiments[0].experiment
    finish_training(experiment, "teacher")
    finish(experiment, "teacher_scores")
    after = plan(seeds=[0])
    assert names(after, "teacher") == []
    assert after.of_kind("signals")[0].job.needs == ()


def test_a_student_without_scores_needs_nothing_else(plan: MakePlan) -> None:
    experiment = plan(seeds=[0], methods=["kd"], layers=[1]).experiments[0].experiment
    finish_training(experiment, "student")
    after = plan(seeds=[0], methods=["kd"], layers=[1], measure=False)
    (step,) = after.steps
    assert (step.job.name, step.job.needs) == ("demo kd 1L s0", ())
    assert after.experiments[0].state == "todo"


def test_no_teacher_is_trained_only_to_be_timed(plan: MakePlan) -> None:
    small = {"seeds": [0], "methods": ["kd"], "layers": [1]}
    finish_experiment(plan(**small).experiments[0].experiment)
    (step,) = plan(**small).steps
    assert step.job.to_outputs == ("student_latency",)


def test_a_student_of_other_numbers_is_stale(plan: MakePlan) -> None:
    small = {"seeds": [0], "methods": ["kd"], "layers": [1]}
    finish_experiment(plan(**small).experiments[0].experiment)
    (planned,) = plan({"training.epochs": 9}, **small).experiments
    assert (planned.state, planned.why) == ("stale", ("parameters (training.epochs)",))


def test_two_teachers_of_one_seed_have_names_of_their_own(plan: MakePlan) -> None:
    rule = {"where": {"layers": 1}, "set": {"teacher.training.epochs": 9}}
    found = names(plan(seeds=[0], overrides=[rule]), "teacher")
    assert len(found) == len(set(found)) == 2
    assert found[0] == "demo teacher t0"
    assert found[1].startswith("demo teacher t0 ")


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        (
            {"layers": [13]},
            "experiment demo no_kd 13L s0: parameter 'student.layers' = 13: teacher.model",
        ),
        (
            {"tasks": ["mrpc"]},
            "experiment mrpc no_kd 2L s0: parameter 'task.name' = 'mrpc' does not",
        ),
    ],
)
def test_a_experiment_that_cannot_work_is_named(
    plan: MakePlan, entries: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError) as error:
        plan(**entries)
    assert str(error.value).startswith(told)


def test_planning_writes_no_results(plan: MakePlan, tmp_path: Path) -> None:
    plan()
    left = {path.name for path in (tmp_path / "store").glob("*")}
    assert left <= {".cache"}


def test_a_latency_may_be_taken_on_another_machine_than_the_one_that_plans(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, *_ = plan(seeds=[0]).of_kind("measurement")
    assert "student_latency" in step.job.to_outputs
    assert step.job.expect["student"] == step.experiment.student.key
    there = SimpleNamespace(nodename="elsewhere")
    monkeypatch.setattr(os, "uname", lambda: there)
    refuse_another_result(PROJECT, step.job)


@pytest.mark.parametrize("setting", ["training.threads=2", "training.precision=bf16"])
def test_students_timed_in_another_way_are_timed_again(plan: MakePlan, setting: str) -> None:
    name, _, value = setting.partition("=")
    rule = {"where": {"method": "kd"}, "set": {name: int(value) if value.isdigit() else value}}
    steps = plan(seeds=[0], layers=[2], overrides=[rule]).of_kind("measurement")
    timed = [step for step in steps if "student_latency" in step.job.to_outputs]
    assert len(timed) == 2


def test_a_experiment_is_done_whatever_its_folders_are_called(plan: MakePlan) -> None:
    first, second, *_ = plan().experiments
    for planned, stage in ((first, "student_scores"), (second, "student")):
        finish_experiment(planned.experiment)
        path = planned.experiment.stage(stage).path
        path.rename(path.with_name("a name of mine"))
    made = plan()
    assert [planned.name for planned in made.experiments if planned.state == "done"] == [
        first.name,
        second.name,
    ]
    assert dev_score(made.experiments[0]) == 0.5
    assert made.experiments[1].experiment.student.path.name == "a name of mine"


ONE = {"seeds": [0], "methods": ["kd"], "layers": [2], "measure": False}


@pytest.mark.parametrize("file", ["metrics.json", "manifest.json"])
def test_a_student_that_lost_bytes_is_made_again_though_its_scores_are_there(
    plan: MakePlan, file: str
) -> None:
    (planned,) = plan(**ONE).experiments
    finish_experiment(planned.experiment)
    assert [experiment.state for experiment in plan(**ONE).experiments] == ["done"]
    (planned.experiment.student.path / file).write_text("{")
    made = plan(**ONE)
    (again,) = made.experiments
    assert (again.state, again.why) == (
        "stale",
        (f"damaged: {planned.experiment.student.path.name}/{file}",),
    )
    (step,) = made.of_kind("cell")
    assert step.job.to_outputs == ("student", "student_scores")
    assert step.job.expect.keys() == {"student", "student_scores"}
    assert estimate(made.steps).unknown == 2  # it is no example of how long anything takes


def test_scores_that_lost_bytes_are_made_again(plan: MakePlan) -> None:
    (planned,) = plan(**ONE).experiments
    finish_experiment(planned.experiment)
    (planned.experiment.student_scores.path / "scores.json").write_text("{")
    made = plan(**ONE)
    assert made.experiments[0].why == (
        f"damaged: {planned.experiment.student_scores.path.name}/scores.json",
    )
    assert [step.job.to_outputs for step in made.steps] == [("student_scores",)]


def test_scores_that_are_others_are_refused(plan: MakePlan) -> None:
    (planned,) = plan(**ONE).experiments
    finish_experiment(planned.experiment, 0.5)
    path = planned.experiment.student_scores.path / "scores.json"
    path.write_text(path.read_text().replace("0.5", "0.6"))
    for look in (lambda: plan(**ONE), lambda: dev_score(planned)):
        with pytest.raises(DamagedError, match=r"scores\.json is damaged: sha256"):
            look()
