from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_origin

import pytest

from alpkd_pipeline.project.params import Params, block_in, entries
from alpkd_pipeline.tracking.flatten import (
    MAX_PARAM,
    MAX_TAG,
    UNTRACKED_BLOCKS,
    WHOLE,
    event_tags,
    flat_params,
    flat_values,
    folder_name,
    note,
    run_tags,
    selection_name,
    setup_id,
    training_id,
)


def run_json(stage: str = "student", **params: Any) -> dict[str, Any]:
    return {
        "stage": stage,
        "name": "n",
        "description": "Why.",
        "command": "kedro run",
        "task": {"name": "mrpc"},
        "params": {
            "task": {"name": "mrpc", "columns": {"a": "b"}, "labels": ["no", "yes"]},
            "teacher": {"model": "demo", "seed": 4, "training": {"lr": 4e-05, "selection": "dev"}},
            "student": {"layers": 3},
            "method": {"name": "alp_kd", "lambda": 0.5, "detach_weights": True},
            "training": {"epochs": 2, "selection": "holdout"},
            "seed": 0,
            "run": {"tracking": "http://u:pw@host"},
            **params,
        },
        "identity": {
            "key": "k" * 64,
            "keys": {"splits": "d", "teacher": "t"},
            "teacher_layers": 6,
            "generation": "cell",
        },
        "provenance": {
            "git_commit": "c0ffee",
            "git_dirty": True,
            "lock": None,
            "libraries": {"torch": "2.13"},
            "python": "3.11.7",
        },
    }


def test_values_are_written_as_people_write_them() -> None:
    found = flat_params(run_json())
    assert found["task.columns"] == '{"a": "b"}'
    assert found["task.labels"] == '["no", "yes"]'
    assert found["method.lambda"] == "0.5"
    assert found["method.detach_weights"] == "true"
    assert found["seed"] == "0"


def test_dictionaries_with_names_of_a_user_are_one_parameter() -> None:
    def named(block: type, prefix: str = "") -> Iterator[str]:
        for name, annotation in entries(block).items():
            if inner := block_in(annotation):
                yield from named(inner, f"{prefix}{name}.")
            elif get_origin(annotation) is dict:
                yield f"{prefix}{name}"

    blocks = {name for name in named(Params) if name.partition(".")[0] not in UNTRACKED_BLOCKS}
    assert set(WHOLE) == blocks


def test_what_is_not_set_is_left_out() -> None:
    left_out = {"layers": None, "heads": [], "checkpoint": ""}
    assert not [n for n in flat_params(run_json(student=left_out)) if n.startswith("student")]


def test_what_changes_no_result_is_left_out() -> None:
    training = {"epochs": 2, "threads": 4, "device": "cpu", "log_every": 5}
    found = flat_params(run_json(training=training))
    assert [name for name in found if name.startswith("training")] == ["training.epochs"]


def test_how_its_teacher_was_trained_stands_in_the_teacher_s_run() -> None:
    found = flat_params(run_json())
    assert {n: v for n, v in found.items() if n.startswith("teacher")} == {
        "teacher.model": "demo",
        "teacher.seed": "4",
    }


def test_a_teacher_does_not_carry_the_settings_of_the_student_that_asked_for_it() -> None:
    found = flat_params(run_json("teacher"))
    assert (found["teacher.seed"], found["teacher.training.lr"]) == ("4", "4e-05")
    assert found["task.name"] == "mrpc"
    assert {name.split(".")[0] for name in found} == {"task", "teacher"}


def test_a_parameter_that_this_version_does_not_know_is_kept() -> None:
    assert flat_params(run_json(student={"future": {"a": 1}}))["student.future.a"] == "1"


def test_where_results_go_is_no_parameter_of_a_training() -> None:
    found = flat_params(run_json())
    assert not [name for name in found if name.startswith(("run", "compare"))]
    assert "pw" not in str(found)


def test_limits_are_those_of_mlflow() -> None:
    from mlflow.utils import validation

    assert MAX_PARAM == validation.MAX_PARAM_VAL_LENGTH
    assert MAX_TAG == validation.MAX_TAG_VAL_LENGTH


def test_long_values_are_cut() -> None:
    found = flat_params(run_json(task={"path": "x" * 7000}))["task.path"]
    assert len(found) == MAX_PARAM
    assert found.endswith("x...")


def test_tags_of_a_student() -> None:
    found = run_tags(run_json())
    expected = {
        "stage": "student",
        "task": "mrpc",
        "method": "alp_kd",
        "layers": "3",
        "teacher_layers": "6",
        "seed": "0",
        "key": "k" * 64,
        "parent_key": "t",
        "data_key": "d",
        "generation": "cell",
        "git_dirty": "true",
        "mlflow.note.content": "Why.\n\nRepeat it with:\n\n```\nkedro run\n```",
        "mlflow.source.name": "alpkd_pipeline",
        "mlflow.source.git.commit": "c0ffee",
    }
    assert found.pop("setup") == setup_id(run_json())
    assert found == expected


def test_a_tree_without_changes_has_no_tag() -> None:
    run = run_json()
    run["provenance"]["git_dirty"] = False
    assert "git_dirty" not in run_tags(run)


def test_tags_of_a_teacher() -> None:
    found = run_tags(run_json("teacher"))
    assert (found["layers"], found["seed"]) == ("6", "4")
    assert not {"method", "parent_key"} & set(found)


def test_a_command_loses_its_credentials() -> None:
    run = run_json() | {"command": "kedro run --params=run.tracking=http://u:pw@host"}
    assert "http://***@host" in run_tags(run)["mlflow.note.content"]


def test_a_long_description_is_cut() -> None:
    assert len(run_tags(run_json() | {"description": "x" * 9000})["mlflow.note.content"]) == MAX_TAG


def test_a_note_without_a_command() -> None:
    assert note({"description": "Why."}) == "Why."


def test_hardware() -> None:
    start = {
        "event": "start",
        "device": "cuda:0",
        "device_name": "H200",
        "threads": 2,
        "libraries": {"numpy": "2"},
    }
    assert event_tags([start]) == {"hardware": "cuda:0, H200, 2 threads"}
    assert event_tags([{"event": "start"}]) == {}


def test_a_folder_is_named_relative_to_the_project(tmp_path: Path) -> None:
    assert folder_name(tmp_path / "data" / "x", tmp_path) == "data/x"
    assert folder_name(tmp_path / "x", tmp_path / "p") == "x"


@pytest.mark.parametrize(("stage", "name"), [("teacher", "dev"), ("student", "holdout")])
def test_the_selecting_rows_are_those_of_the_training_itself(stage: str, name: str) -> None:
    assert selection_name(run_json(stage)) == name


def test_a_training_is_told_by_its_key_and_its_beginning() -> None:
    ids = {training_id(key, {"time": time}) for key in ("a", "b") for time in (1.0, 1.001)}
    assert len(ids) == 4
    assert training_id("a", {"time": 1.0, "x": 1}) in ids


def test_a_setup_is_what_runs_of_other_seeds_share() -> None:
    run = run_json()
    teacher = run["params"]["teacher"]
    assert setup_id(run_json(seed=3, teacher={**teacher, "seed": 9})) == setup_id(run)
    assert setup_id(run_json(run={"tracking": "off"})) == setup_id(run)
    changes = {
        "student": {"layers": 3, "init": "skip"},
        "teacher": {**teacher, "model": "other"},
        "training": {"epochs": 3},
    }
    others = [run_json(**{name: block}) for name, block in changes.items()]
    assert len({setup_id(run) for run in [run, run_json("teacher"), *others]}) == 5


def test_the_setup_of_a_teacher_is_its_own() -> None:
    assert setup_id(run_json("teacher", student={"layers": 9})) == setup_id(run_json("teacher"))


def test_nested_values_as_parameters() -> None:
    given = {"a": {"b.c": 1}, "list": [1, "x"], "none": None}
    assert flat_values(given) == {"a.b.c": "1", "list": '[1, "x"]'}


def test_the_note_of_a_finished_run() -> None:
    text = note({"description": "Why.", "command": "kedro run"}, "| a |", "data/x")
    assert text.split("\n\n") == [
        "Why.",
        "| a |",
        "Folder: `data/x`",
        "Repeat it with:",
        "```\nkedro run\n```",
    ]


def test_tags_of_what_the_event_log_says() -> None:
    events = [
        {"event": "start", "device": "cuda", "threads": 2},
        {"event": "memory", "doing": "training", "rows": 8, "instead_of": 16, "step": 1},
        {"event": "memory", "doing": "training", "rows": 4, "instead_of": 16, "step": 3},
        {"event": "memory", "doing": "evaluation", "rows": 32, "instead_of": 64},
        {"event": "resume", "after_step": 4, "differs": {}},
        {"event": "resume", "after_step": 8, "differs": {"threads": [1, 2], "device": ["a", "b"]}},
    ]
    assert event_tags(events) == {
        "hardware": "cuda, 2 threads",
        "rows_at_once.training": "4 of 16",
        "rows_at_once.evaluation": "32 of 64",
        "resumed_on": "after step 8: threads 2 instead of 1, device b instead of a",
    }
    assert event_tags([{"event": "step"}]) == {}
