from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.experiments.conftest import finish_training
from tests.project.conftest import Load

from alpkd_pipeline.experiments.plan import EarlierStudents, differences, why_stale
from alpkd_pipeline.project.catalog_values import run_facts
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.project.presets import PresetInUse
from alpkd_pipeline.store.manifest import seal, write_json
from alpkd_pipeline.store.run_folder import DamagedError


def facts(experiment: Experiment) -> dict[str, Any]:
    return {**run_facts(experiment, "student"), "provenance": {"libraries": {"torch": "2.0.0"}}}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"training.lr": 1e-5}, "parameters (training.lr)"),
        ({"teacher.training.epochs": 9}, "parameters (teacher.training.epochs)"),
        ({"task.train_rows": 9}, "parameters (task.train_rows)"),
    ],
)
def test_parameters_are_named_and_what_follows_from_them_is_not(
    load: Load, change: dict[str, Any], why: str
) -> None:
    now = load(change).experiment
    assert [w for w in differences(now, facts(load().experiment)) if "libraries" not in w] == [why]


def test_many_parameters_are_counted(load: Load) -> None:
    names = ("epochs", "lr", "batch_size", "weight_decay", "max_grad_norm", "accumulation")
    now = load({f"training.{name}": 3 for name in names}).experiment
    (first, *_) = differences(now, facts(load().experiment))
    assert first.count("training.") == 4
    assert first.endswith("and 2 more)")


@pytest.mark.parametrize(
    ("stage", "why"), [("splits", "data"), ("encoded", "data"), ("teacher", "teacher")]
)
def test_other_inputs_under_the_same_parameters(load: Load, stage: str, why: str) -> None:
    experiment = load().experiment
    then = facts(experiment)
    then["identity"]["keys"][stage] = "0" * 64
    assert why in differences(experiment, then)


def test_code_and_libraries(load: Load) -> None:
    experiment = load().experiment
    then = facts(experiment)
    then["identity"]["code"] = "0" * 64
    code, libraries = differences(experiment, then)
    assert code == "code"
    assert libraries.startswith("libraries (torch 2.0.0 -> ")


def test_what_has_no_effect_is_no_reason(load: Load) -> None:
    then = facts(load({"training.threads": 2, "training.log_every": 1}).experiment)
    assert not any("parameters" in why for why in differences(load().experiment, then))


def test_the_most_similar_earlier_student_counts(load: Load) -> None:
    for change in ({"training.lr": 1e-3, "training.epochs": 1}, {"training.lr": 1e-3}):
        finish_training(load(change).experiment, "student")
    assert why_stale(load().experiment, EarlierStudents()) == ("parameters (training.lr)",)


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"method.name": "kd"}, {"student.layers": 2}, {"teacher.seed": 1}]
)
def test_another_experiment_is_no_earlier_student(load: Load, other: dict[str, Any]) -> None:
    finish_training(load(other).experiment, "student")
    assert why_stale(load().experiment, EarlierStudents()) == ()


def test_a_folder_of_another_shape_is_passed_over_and_a_damaged_one_is_refused(load: Load) -> None:
    folder = finish_training(load({"training.lr": 1e-3}).experiment, "student")
    (folder / "run.json").write_text("{}")
    with pytest.raises(DamagedError, match=r"run\.json is damaged: sha256"):
        why_stale(load().experiment, EarlierStudents())
    seal(folder, {"key": "1" * 64})
    assert why_stale(load().experiment, EarlierStudents()) == ()


NOW = PresetInUse("tune-base-b", {"training.lr": 8e-4}, "tune-base-b: best of 2 trials")


def record_search(store: Path, name: str, lr: float) -> None:
    study = {"task": "demo", "method": "alp_kd", "layers": 4}
    best = {"best": {"values": {"training.lr": lr}}}
    write_json(store / f"08_reporting/searches/{name}.json", {"studies": [{**study, **best}]})


@pytest.mark.parametrize(
    ("then", "preset", "why"),
    [
        (4e-4, NOW, "made without preset tune-base-b"),
        (2e-4, NOW, "made with preset tune-base-a, not tune-base-b"),
        (2e-4, None, "made with preset tune-base-a"),
    ],
)
def test_a_student_of_another_preset(
    load: Load, then: float, preset: PresetInUse | None, why: str
) -> None:
    made = load({"training.lr": then}).experiment
    finish_training(made, "student")
    record_search(made.store, "tune-base-a", 2e-4)
    record_search(made.store, "tune-base-b", 8e-4)
    now = load({"training.lr": 8e-4 if preset else 3e-4}).experiment
    assert why_stale(now, EarlierStudents(), preset) == ("parameters (training.lr)", why)


def test_a_student_of_the_same_preset_and_a_record_that_is_damaged(load: Load) -> None:
    made = load({"training.lr": 8e-4, "training.epochs": 1}).experiment
    finish_training(made, "student")
    write_json(made.store / "08_reporting/searches/x.json", {"studies": [{"best": 1}]})
    now = load({"training.lr": 8e-4}).experiment
    assert why_stale(now, EarlierStudents(), NOW) == ("parameters (training.epochs)",)
