from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.experiments.conftest import finish_training

from alpkd_pipeline.experiments.estimate import Estimate, duration, estimate
from alpkd_pipeline.experiments.plan import Plan
from alpkd_pipeline.store.run_folder import DamagedError

MakePlan = Callable[..., Plan]
ONE: dict[str, Any] = {"seeds": [0], "methods": ["kd"], "layers": [2], "measure": False}


def student(plan: Plan) -> list[Any]:
    return plan.of_kind("cell")


def test_nothing_is_known_of_an_empty_store(plan: MakePlan) -> None:
    assert estimate(plan(**ONE).steps) == Estimate(0.0, 2)


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        # 10 s for 2 epochs of 100 rows: 50 ms an example.
        ({"training.epochs": 2}, 10.0),
        ({"training.epochs": 6}, 30.0),
        ({"training.epochs": 2, "task.train_rows": 50}, 5.0),
        # Rows without a label come on top of these.
        ({"training.epochs": 2, "task.train_rows": 50, "task.unlabelled": "allow"}, 10.0),
    ],
)
def test_the_same_method_and_depth_by_epochs_and_rows(
    plan: MakePlan, change: dict[str, Any], seconds: float
) -> None:
    finish_training(plan({"training.lr": 1e-9}, **ONE).experiments[0].experiment, "student")
    assert estimate(student(plan(change, **ONE))).seconds == pytest.approx(seconds)


def test_another_method_and_depth_by_the_number_of_layers(plan: MakePlan) -> None:
    finish_training(plan({"training.lr": 1e-9}, **ONE).experiments[0].experiment, "student")
    other = {**ONE, "methods": ["alp_kd"], "layers": [6]}
    found = estimate(student(plan({"training.epochs": 2}, **other)))
    assert found == Estimate(pytest.approx(30.0), 0)


def test_teachers_by_teachers(plan: MakePlan) -> None:
    given = {"teacher.training.epochs": 4}
    finish_training(
        plan({"teacher.training.lr": 1e-9}, **ONE).experiments[0].experiment, "teacher", 8.0
    )
    found = estimate(plan(given, **ONE).of_kind("teacher"))
    assert found == Estimate(pytest.approx(16.0), 0)


@pytest.mark.parametrize("file", ["run.json", "metrics.json", "manifest.json"])
def test_all_damaged_trainings_are_named(plan: MakePlan, file: str) -> None:
    folders = [
        finish_training(plan({"training.lr": rate}, **ONE).experiments[0].experiment, "student")
        for rate in (1e-9, 2e-9)
    ]
    for folder in folders:
        (folder / file).write_text("{")
    with pytest.raises(DamagedError) as error:
        estimate(student(plan(seeds=[0], methods=["alp_kd"], layers=[6], measure=False)))
    assert {(d.folder, d.file) for d in error.value.damages} == {(f, file) for f in folders}


def test_signals_and_measurements_count_nothing(plan: MakePlan) -> None:
    made = plan(**{**ONE, "measure": True})
    assert estimate([*made.of_kind("signals"), *made.of_kind("measurement")]) == Estimate(0.0, 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1, "1 s"), (89, "89 s"), (91, "2 min"), (5000, "83 min"), (12_000, "3 h 20 min")],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
