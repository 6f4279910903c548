"""The parameters' types and the one line that a wrong one is answered with."""

from __future__ import annotations

import copy
import json
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from pydantic import ValidationError
from tests.names import NASTY

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.params import Params, known_names, validate

TRAINING: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 32,
    "lr": 4.0e-4,
    "warmup_ratio": 0.1,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "selection": "dev",
}
LEAST: dict[str, Any] = {
    "task": {"name": "demo", "source": "demo", "max_length": 64},
    "teacher": {"model": "demo", "training": {**TRAINING}},
    "student": {"layers": 4},
    "method": {"name": "kd"},
    "training": {**TRAINING},
}


def with_changes(changes: dict[str, Any]) -> dict[str, Any]:
    """The least that is needed, with the values at some dotted paths replaced."""
    values = copy.deepcopy(LEAST)
    for path, value in changes.items():
        block = values
        *parents, last = path.split(".")
        for parent in parents:
            block = block.setdefault(parent, {})
        block[last] = value
    return values


def changed(changes: dict[str, Any]) -> Params:
    return validate(with_changes(changes))


def refused(values: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        validate(values)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


def test_what_is_left_out_has_its_default() -> None:
    params = validate(LEAST)
    assert (params.seed, params.teacher.seed) == (0, 0)
    assert (params.run.store, params.run.tracking) == ("data", "sqlite")
    assert (params.signals.source, params.signals.dtype) == ("cache", "fp32")
    assert (params.training.accumulation, params.training.eval_every) == (1, "epoch")
    assert (params.student.init, params.student.head) == ("first", "teacher")


def test_teacher_and_student_have_training_blocks_of_their_own() -> None:
    params = changed({"teacher.training": {**TRAINING, "epochs": 9}})
    assert (params.teacher.training.epochs, params.training.epochs) == (9, 3)


def test_parameters_cannot_be_changed_afterwards() -> None:
    params = validate(LEAST)
    for block in (params, params.method):
        with pytest.raises(ValidationError, match="frozen"):
            block.seed = 1  # type: ignore[union-attr]
    for settings in (params.training, params.teacher, params.student, params.signals):
        with pytest.raises(FrozenInstanceError):
            setattr(settings, fields(settings)[0].name, 1)


def test_plain_values_are_json_with_the_users_names() -> None:
    params = changed({"method.lambda": 0.5, "method.overlap": 2, "task.labels": ["a", "b"]})
    plain = params.plain()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["method"]["lambda"] == 0.5
    assert "lambda_" not in plain["method"]
    assert plain["method"]["overlap"] == 2
    assert plain["task"]["labels"] == ["a", "b"]


def test_plain_values_are_valid_parameters_again() -> None:
    params = changed({"method.lambda": 0.5, "method.overlap": 2, "task.label_range": None})
    assert validate(params.plain()) == params


def test_a_method_keeps_its_own_options_apart() -> None:
    method = changed({"method.beta": 0.2, "method.overlap": 2}).method
    assert method.options == {"overlap": 2}
    assert method.beta == 0.2


@pytest.mark.parametrize(
    ("changes", "read", "value"),
    [
        ({"task.labels": "no|yes"}, lambda p: p.task.labels, ("no", "yes")),
        ({"task.metrics": "f1"}, lambda p: p.task.metrics, ("f1",)),
        ({"task.text_columns": ["a", "b"]}, lambda p: p.task.text_columns, ("a", "b")),
        ({"run.tracking": False}, lambda p: p.run.tracking, "off"),
        ({"training.lr": 1}, lambda p: p.training.lr, 1.0),
        ({"training.eval_every": 5}, lambda p: p.training.eval_every, 5),
        ({"training.threads": "auto"}, lambda p: p.training.threads, "auto"),
        ({"training.device": "cuda:3"}, lambda p: p.training.device, "cuda:3"),
        ({"seed": 2**31 - 1}, lambda p: p.seed, 2**31 - 1),
        ({"training.weight_decay": 0}, lambda p: p.training.weight_decay, 0.0),
        ({"task.label_range": [0, 5]}, lambda p: p.task.label_range, (0.0, 5.0)),
    ],
)
def test_ways_to_write_a_value(changes: dict[str, Any], read: Any, value: Any) -> None:
    found = read(changed(changes))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("seed", -1, "parameter 'seed' = -1: "),
        ("seed", 2**31, "less than"),
        ("seed", True, "not true or false"),
        ("seed", 1.5, "parameter 'seed' = 1.5"),
        ("seed", "1", "not text"),
        ("training.lr", "1e-5", "should be a number, not text"),
        ("training.lr", 0, "greater than 0"),
        ("training.lr", float("inf"), "finite"),
        ("training.warmup_ratio", 1.0, "less than 1"),
        ("training.epochs", 0, "parameter 'training.epochs' = 0"),
        ("training.epochs", None, "parameter 'training.epochs' = None"),
        ("training.max_grad_norm", 0, "greater than 0"),
        ("training.device", "gpu", "parameter 'training.device' = 'gpu'"),
        ("training.device", "cuda:", "parameter 'training.device'"),
        ("training.precision", "fp16", "'auto', 'fp32' or 'bf16'"),
        ("training.selection", "test", "'dev' or 'holdout'"),
        ("training", 3, "parameter 'training' = 3"),
        ("teacher.training.lr", 0, "parameter 'teacher.training.lr' = 0"),
        ("teacher.revision", "main", "parameter 'teacher.revision'"),
        ("teacher.sha256", "abc", "parameter 'teacher.sha256'"),
        ("teacher.model", "", "parameter 'teacher.model'"),
        ("student.layers", 0, "parameter 'student.layers' = 0"),
        ("student.init", "middle", "parameter 'student.init' = 'middle'"),
        ("method.temperature", 0, "greater than 0"),
        ("method.beta", -0.1, "parameter 'method.beta' = -0.1"),
        ("method.lambda", float("nan"), "parameter 'method.lambda' = nan"),
        ("method.pooling", "max", "'cls' or 'mean'"),
        ("signals.dtype", "bf16", "'fp16' or 'fp32'"),
        ("task.name", "../x", "parameter 'task.name' = '../x'"),
        ("task.name", "Rte", "parameter 'task.name' = 'Rte'"),
        ("task.max_length", 3, "parameter 'task.max_length' = 3"),
        ("task.text_columns", ["a", "b", "c"], "parameter 'task.text_columns'"),
        ("task.labels", [0, 1], "parameter 'task.labels' = [0, 1]: without quotes YAML reads"),
        ("task.labels", [False, True], "= [False, True]: without quotes YAML reads"),
        ("task.labels", ["a", None], "write them in quotes"),
        ("task.labels", [1.5, "a"], "write them in quotes"),
        ("task.train_rows_by", "class", "'first' or 'stratified'"),
        ("task.text_columns", [], "parameter 'task.text_columns'"),
        ("training", {**TRAINING, 1: 2}, "keys should be strings"),
        ("task.files", {"train": 3}, "parameter 'task.files.train' = 3"),
        ("task.source", "web", "'demo', 'hub', 'folder' or 'table'"),
        ("task.train_rows", 0, "greater than or equal to 1"),
        ("task.dev_fraction", 0, "greater than 0"),
        ("task.dev_fraction", 1.0, "less than 1"),
        ("run.experiment", "", "parameter 'run.experiment'"),
        ("run.store", "~no-such-user/x", "no user's here"),
        ("task.path", "x" * 300, "more than 255 bytes"),
        ("task.files", {"train": "a\0"}, "the character NUL"),
        *(
            ("export.register", name, f"parameter 'export.register' = {name!r}")
            for name in ("", "a/b", "a:b", "it's", "n" * 201)
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(path: str, value: Any, words: str) -> None:
    assert words in refused(with_changes({path: value}))


def test_a_number_that_python_does_not_write_out() -> None:
    line = refused(with_changes({"seed": 16**5000}))
    assert line.startswith("parameter 'seed' = (a number of thousands of digits): ")


@pytest.mark.parametrize(
    ("path", "value", "both"),
    [
        ("training.eval_every", "step", ("number", "'epoch'")),
        ("training.threads", 0, ("greater than or equal to 1", "'auto'")),
    ],
)
def test_a_value_of_two_kinds_is_told_both(path: str, value: Any, both: tuple[str, str]) -> None:
    line = refused(with_changes({path: value}))
    assert line.startswith(f"parameter '{path}' = {value!r}: ")
    assert all(word in line for word in both)
    assert "more)" not in line


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("training.epoch", "unknown parameter 'training.epoch'; did you mean 'training.epochs'?"),
        ("student.layer", "did you mean 'student.layers'?"),
        ("sede", "unknown parameter 'sede'; did you mean 'seed'?"),
        ("teacher.training.lrate", "unknown parameter 'teacher.training.lrate'; did you mean"),
        ("run.zzzzzzzz", "unknown parameter 'run.zzzzzzzz'; known: run.experiment, run.group"),
        (
            "zzzzzzzzzzzz",
            "; known: compare, export, method, run, seed, signals, student, task, teacher",
        ),
        ("student:layers", "write --params=student.layers=..., not student:layers"),
    ],
)
def test_an_unknown_name_is_answered_with_known_ones(path: str, words: str) -> None:
    assert words in refused(with_changes({path: 1}))


def test_a_missing_value_says_how_to_set_it() -> None:
    values = copy.deepcopy(LEAST)
    del values["student"]["layers"]
    assert refused(values) == (
        "parameter 'student.layers' is missing: set it in conf/ or with --params=student.layers=..."
    )
    del values["student"]
    assert "parameter 'student' is missing" in refused(values)


def test_a_misspelt_name_is_told_rather_than_the_gap_it_leaves() -> None:
    values = with_changes({"student.layrs": 4})
    del values["student"]["layers"]
    assert refused(values) == (
        "unknown parameter 'student.layrs'; did you mean 'student.layers'? (and 1 more)"
    )


def test_further_mistakes_are_counted() -> None:
    assert refused(with_changes({"seed": -1, "training.lr": 0, "training.epochs": 0})).endswith(
        "(and 2 more)"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"student.init": "checkpoint"}, "needs 'student.checkpoint'"),
        ({"student.checkpoint": "x"}, "only read with student.init=checkpoint"),
        ({"student.heads": 2}, "'student.heads' is only read with student.init=random"),
        (
            {"student.init": "checkpoint", "student.checkpoint": "x", "student.hidden_size": 8},
            "'student.hidden_size' is only read with student.init=random",
        ),
    ],
)
def test_a_student_s_options_fit_its_start(changes: dict[str, Any], words: str) -> None:
    assert words in refused(with_changes(changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"compare.primary": "kd"}, "'compare.primary'"),
        ({"compare.primary": ["alp_kd", "kd"]}, "= ['alp_kd', 'kd']: each question is a pair"),
        ({"compare.primary": [["kd"]]}, "'compare.primary' = [['kd']]: each question is a pair"),
        ({"compare.primary": [["a", "b", "c"]]}, "is a pair of methods: [[alp_kd, kd]]"),
        ({"compare.primary": [["kd", "kd"]]}, "kd is held against itself"),
        ({"compare.primary": "pkd|kd;kd|pkd"}, "kd and pkd are compared twice: ask it once"),
        ({"compare.primary": [["kd", 3]]}, "'compare.primary.0.1' = 3: should be text"),
        ({"compare.primary": 3}, "'compare.primary' = 3: should be a list"),
        ({"compare": 3}, "'compare' = 3: should map names to values"),
        ({"compare.looks": "5|x"}, "'compare.looks' = '5|x': should be a list of numbers"),
        ({"compare.looks": [5.5]}, "'compare.looks.0' = 5.5: should be a whole number"),
        ({"task.label_range": [0]}, "'task.label_range' = [0]: should have more entries"),
        ({"task.label_range": [0, 1, 2]}, "[0, 1, 2]: should have 2 or fewer entries"),
        ({"compare.margin": {"accuracy": 0}}, "'compare.margin.accuracy' = 0"),
        ({"compare.looks": [10, 5]}, "each larger than the one before, as [5, 10]"),
        ({"compare.looks": [2]}, "'compare.looks.0' = 2"),
        ({"compare.only": "metod=kd"}, "did you mean 'method'?"),
    ],
)
def test_what_is_asked_of_a_comparison_is_checked(changes: dict[str, Any], words: str) -> None:
    assert words in refused(with_changes(changes))


def test_lists_are_written_with_bars_on_the_command_line() -> None:
    given = {"compare.looks": "5|10", "compare.primary": "alp_kd|kd;kd|no_kd"}
    compare = changed(given).compare
    assert compare.looks == (5, 10)
    assert compare.primary == (("alp_kd", "kd"), ("kd", "no_kd"))
    assert changed({"compare.looks": 5}).compare.looks == (5,)
    assert changed({"task.label_range": "0|2.5"}).task.label_range == (0, 2.5)


def test_a_random_student_may_have_sizes_of_its_own() -> None:
    student = changed({"student.init": "random", "student.hidden_size": 32}).student
    assert student.hidden_size == 32


def test_known_names_are_those_that_users_write() -> None:
    names = known_names()
    assert names == sorted(set(names))
    assert {"method.lambda", "teacher.training.lr", "training.lr", "seed", "run.store"} <= {*names}
    assert "method.lambda_" not in names


@pytest.mark.parametrize(
    "name",
    ["run.store", "task.path", "teacher.model", "student.checkpoint", "task.files.train"],
)
@pytest.mark.parametrize(
    "value",
    [
        "s3://bucket/x",
        "gs://b",
        "memory://x",
        "simplecache::s3://bucket/x",
        "zip://x::memory://y",
        "file:///data/x",
        "FILE:/data",
        "hf://org/name",
        "az+v2://u:pw@host/x",
        "s3:/bucket",
        "host:/folder",
    ],
)
def test_an_address_is_no_path(name: str, value: str) -> None:
    changes = {name: value} | ({"student.init": "checkpoint"} if "checkpoint" in name else {})
    with pytest.raises(
        UserError, match=r"only folders and files of a local or shared file"
    ) as error:
        validate(with_changes(changes))
    assert str(error.value).startswith(f"parameter '{name}' = '")
    assert "pw" not in str(error.value)


@pytest.mark.parametrize(
    "value", ["a:b", "a::b", "./s3:/x", "/data/s3://x", "x/http://y", "~/a", *NASTY]
)
def test_a_path_may_have_any_name(value: str) -> None:
    assert validate(with_changes({"run.store": value})).run.store == value


def test_the_store_needs_a_name() -> None:
    with pytest.raises(UserError, match=r"'run.store' = ''"):
        validate(with_changes({"run.store": ""}))
