"""What the catalog is told about an experiment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.own_metrics import write_metric
from tests.project.conftest import PROJECT, Load

from alpkd_pipeline.project.catalog_values import RESULTS, CatalogValues, run_facts
from alpkd_pipeline.project.config_loader import ConfigError
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.store.run_folder import input_place
from alpkd_pipeline.tasks.metrics import folder_digest
from alpkd_pipeline.tasks.sources import demo

OF_STUDENT = ("student_evaluation", "student_latency", "student_geometry")
PUBLISHED = ("student_onnx", "student_export")
OF_TEACHER = ("teacher_evaluation", "teacher_latency")


def lookup(experiment: Experiment, name: str) -> Any:
    return CatalogValues(experiment, lambda: None)(name)


def test_paths_are_text(load: Load) -> None:
    experiment = load().experiment
    assert lookup(experiment, "student.path") == str(experiment.student.path)
    assert lookup(experiment, "project") == str(PROJECT)


def test_dotted_names_reach_into_the_parameters(load: Load) -> None:
    experiment = load({"seed": 3}).experiment
    assert lookup(experiment, "params.seed") == 3
    assert lookup(experiment, "params.teacher.sha256") is None
    assert lookup(experiment, "needs_signals") is True
    assert json.loads(lookup(experiment, "student.artifact"))["key"] == experiment.student.key


def test_structures_are_json_text(load: Load) -> None:
    experiment = load().experiment
    assert json.loads(lookup(experiment, "source_json"))["kind"] == "demo"
    assert json.loads(lookup(experiment, "task_json"))["label_names"] == ["negative", "positive"]
    student = json.loads(lookup(experiment, "student.artifact"))
    assert student["run"] == json.loads(json.dumps(run_facts(experiment, "student")))
    assert student["expected"] == str(experiment.student.path)
    assert json.loads(lookup(experiment, "experiment"))["artifacts"]["student"] == student


def test_an_experiment_has_its_parameters_and_places(load: Load) -> None:
    experiment = load({"run.tracking": "off", "run.experiment": "x"}).experiment
    found = json.loads(lookup(experiment, "experiment"))
    assert found["params"]["run"]["tracking"] == "off"
    assert found["params"] == json.loads(json.dumps(experiment.params.plain()))
    assert (found["project"], found["store"]) == (str(PROJECT), str(experiment.store))
    assert (found["preset"], found["title"]) == (None, None)


def test_signals_that_nobody_reads_are_not_used(load: Load) -> None:
    for method, used in (("alp_kd", True), ("no_kd", False)):
        experiment = load({"method.name": method}).experiment
        assert json.loads(lookup(experiment, "signals.artifact"))["used"] is used
        assert json.loads(lookup(experiment, "student.artifact"))["used"] is True


@pytest.mark.parametrize(
    ("force", "again"),
    [
        ("", set()),
        ("compare", {"comparison"}),
        ("distill", {"student", "student_scores", *OF_STUDENT, *PUBLISHED, "comparison"}),
        (
            "signals",
            {"signals", "student", "student_scores", *OF_STUDENT, *PUBLISHED, "comparison"},
        ),
        ("export", {*PUBLISHED, "teacher_onnx", "teacher_export"}),
        ("evaluate", {*OF_STUDENT, *OF_TEACHER, "comparison"}),
        ("all", {*RESULTS, "comparison"}),
        ("data_prep", {*RESULTS, "comparison"}),
    ],
)
def test_an_order_is_for_a_stage_and_what_follows(load: Load, force: str, again: set[str]) -> None:
    loader = load({"force": force})
    found = json.loads(loader["catalog"]["experiment"]["experiment"])["artifacts"]
    assert {name for name, facts in found.items() if facts["order"] is not None} == again
    assert len({facts["order"] for facts in found.values()} - {None}) <= 1
    assert "force" not in loader["parameters"]
    assert "force" not in loader.experiment.command


def test_an_unknown_stage_is_refused(load: Load) -> None:
    with pytest.raises(ConfigError, match="--force student: unknown stage; use data_prep"):
        _ = load({"force": "student"}).experiment


@pytest.mark.parametrize("name", ["nothing", "student.nothing", "params.nothing"])
def test_a_name_that_means_nothing(load: Load, name: str) -> None:
    with pytest.raises(AttributeError, match="nothing"):
        lookup(load().experiment, name)


def test_facts_of_a_student(load: Load) -> None:
    experiment = load({"method.name": "kd", "seed": 2}).experiment
    facts = run_facts(experiment, "student")
    assert facts["stage"] == "student"
    assert facts["name"] == f"demo-12to4-kd-s2-{experiment.student.key[:4]}"
    assert facts["params"]["method"]["name"] == "kd"
    assert facts["identity"]["key"] == experiment.student.key
    assert facts["identity"]["teacher_layers"] == 12
    assert facts["command"].startswith("kedro run --pipeline=distill --params=")
    assert "4 layers by kd, seed 2" in facts["description"]


def test_trainings_name_their_raw_data(load: Load) -> None:
    experiment = load().experiment
    for name in ("teacher", "student"):
        assert run_facts(experiment, name)["source"] == {"kind": "demo", "sha256": demo.digest()}
    assert "source" not in run_facts(experiment, "signals")


def test_facts_name_every_key_upstream(load: Load) -> None:
    experiment = load().experiment
    keys = run_facts(experiment, "student_scores")["identity"]["keys"]
    stages = ("splits", "encoded", "teacher", "signals", "student", "student_scores")
    assert keys == {name: experiment.stage(name).key for name in stages}
    assert set(run_facts(experiment, "teacher")["identity"]["keys"]) == {
        "splits",
        "encoded",
        "teacher",
    }


def test_only_trainings_say_how_to_repeat_them(load: Load) -> None:
    experiment = load().experiment
    told = {
        n
        for n in ("teacher", "student", "signals", "splits")
        if "command" in run_facts(experiment, n)
    }
    assert told == {"teacher", "student"}


def test_nothing_says_where_results_or_tracking_lie(load: Load) -> None:
    secret = "http://user:c4n4ry@server"
    experiment = load({"run.tracking": secret}).experiment
    for name in ("splits", "teacher", "student", "student_scores"):
        text = json.dumps(json.loads(lookup(experiment, f"{name}.artifact"))["run"])
        assert "c4n4ry" not in text
        assert str(experiment.store) not in text
        assert "run" not in json.loads(text)["params"]


def test_evaluations_alone_know_the_metrics_of_a_user_s_own(load: Load, tmp_path: Path) -> None:
    folder = write_metric(tmp_path / "mine")
    experiment = load({"task.metrics": ["accuracy", str(folder), "f1_macro"]}).experiment
    for name in ("teacher", "student", "student_scores", "student_evaluation"):
        facts = run_facts(experiment, name)
        assert facts["task"]["metrics"] == ("accuracy", "f1_macro")
        assert facts["params"]["task"]["metrics"] == ["accuracy", "f1_macro"]
        assert ("metrics" in facts) == (name == "student_evaluation")
    ((place, digest),) = run_facts(experiment, "student_evaluation")["metrics"].items()
    assert digest == folder_digest(folder)
    assert not Path(place).is_absolute()
    experiment.student_evaluation.work.mkdir(parents=True)
    assert input_place(experiment.student_evaluation.work, place) == folder


def test_metrics_that_nobody_named_stay_unnamed(load: Load) -> None:
    facts = run_facts(load().experiment, "student_evaluation")
    assert facts["params"]["task"]["metrics"] is None
    assert "metrics" not in facts
