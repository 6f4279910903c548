from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import datasets
import evaluate
import numpy as np
import pytest
from tests.evaluation.conftest import STS, TASK
from tests.own_metrics import plain, write_metric

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.metrics import TaskMetric, scoring
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.metrics import METRICS, folder_digest, score_predictions
from alpkd_pipeline.tasks.task import Task

FIT = {
    kind: tuple(name for name, row in METRICS.items() if row.kind == kind)
    for kind in ("classification", "regression")
}
TASKS = {
    **{name: row.task for name, row in GLUE.items()},
    "all of two classes": Task("two", "classification", ("a",), ("n", "y"), FIT["classification"]),
    "all of numbers": Task("r", "regression", ("a",), (), FIT["regression"]),
}
INPUTS = "'predictions', 'references'"
GIVEN, LABELS = np.array([1, 1, 0, 1]), np.array([1, 0, 0, 0])
"""Two rows are answered with more than is right, none with less."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where evaluate would write, for a user who set nothing."""
    place = tmp_path / "home"
    monkeypatch.setattr(evaluate.config, "HF_MODULES_CACHE", place / "modules")
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", place / "metrics")
    return place


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    before = list(sys.path)
    yield
    assert sys.path == before
    assert not [name for name in sys.modules if name.startswith("evaluate_modules")]


def own(*folders: Path) -> dict[Path, str]:
    return {folder: folder_digest(folder) for folder in folders}


def scores_of(
    folder: Path, task: Task = TASK, given: np.ndarray = GIVEN, labels: np.ndarray = LABELS
) -> dict[str, float]:
    """The scores of one metric of the user's own."""
    with scoring(task, own(folder)) as by:
        found = by(task, given, labels)
    assert {name: found.pop(name) for name in task.metrics} == score_predictions(
        task, given, labels
    )
    return found


@pytest.mark.parametrize("name", TASKS)
def test_agrees_with_the_plain_functions_to_the_last_bit(name: str) -> None:
    task, draw = TASKS[name], np.random.default_rng(0)
    if task.kind == "regression":
        predictions, labels = draw.uniform(0, 5, 3000), draw.uniform(0, 5, 3000)
    else:
        predictions, labels = (draw.integers(0, task.num_labels, 3000) for _ in range(2))
    with scoring(task, {}) as by:
        found = by(task, predictions, labels)
    assert found == score_predictions(task, predictions, labels)
    assert tuple(found) == task.metrics
    assert isinstance(TaskMetric(task), evaluate.Metric)


def test_every_metric_of_ours_went_that_way() -> None:
    assert {name for task in TASKS.values() for name in task.metrics} == set(METRICS)


@pytest.mark.parametrize("name", GLUE)
def test_lists_do_too(tmp_path: Path, name: str) -> None:
    task = GLUE[name].task
    draw = np.random.default_rng(0)
    if task.kind == "regression":
        predictions, labels = draw.uniform(0, 5, 40), draw.uniform(0, 5, 40)
    else:
        predictions, labels = (draw.integers(0, task.num_labels, 40) for _ in range(2))
    metric = TaskMetric(task, cache_dir=str(tmp_path))
    found = metric.compute(predictions=predictions.tolist(), references=labels.tolist())
    assert found == score_predictions(task, predictions, labels)
    assert tuple(found) == task.metrics


def test_batches_add_up(tmp_path: Path) -> None:
    metric = TaskMetric(GLUE["mrpc"].task, cache_dir=str(tmp_path))
    metric.add_batch(predictions=[1, 0], references=[1, 1])
    metric.add(prediction=0, reference=0)
    # class 1: one true positive, one false negative
    assert metric.compute() == {"accuracy": pytest.approx(2 / 3), "f1": pytest.approx(2 / 3)}


def test_what_cannot_be_scored_is_said_as_ever() -> None:
    with scoring(TASK, {}) as by, pytest.raises(UserError, match="1 of 2 labels are hidden"):
        by(TASK, np.array([1, 0]), np.array([1, -1]))


def test_a_number_is_called_after_its_module(tmp_path: Path) -> None:
    assert scores_of(write_metric(tmp_path / "too_much")) == {"too_much": 2.0}


def test_several_numbers_are_called_after_what_the_module_calls_them(tmp_path: Path) -> None:
    told = "return {'more': sum(p > r for p, r in pairs), 'less': sum(p < r for p, r in pairs)}"
    found = scores_of(write_metric(tmp_path / "sides", told), given=LABELS, labels=GIVEN)
    assert found == {"sides.more": 0.0, "sides.less": 2.0}
    assert {type(value) for value in found.values()} == {float}


@pytest.mark.parametrize("told", ["0.25", "{'x': np.float32(0.25)}", "{7: 0.25}"])
def test_a_number_is_a_number(tmp_path: Path, told: str) -> None:
    folder = write_metric(tmp_path / "quarter", f"import numpy as np; return {told}")
    assert scores_of(folder) == {"quarter": 0.25}


def test_numbers_of_a_regression(tmp_path: Path) -> None:
    folder = write_metric(
        tmp_path / "bias", "return sum(p - r for p, r in pairs) / 2", plain("float64", "float64")
    )
    found = scores_of(folder, STS, np.array([0.1, 2.7]), np.array([0.0, 1.0]))
    assert found == {"bias": pytest.approx(0.9, abs=1e-15)}


@pytest.mark.parametrize(
    "features",
    [
        plain("float32", "int32"),
        plain("uint8", "float64"),
        f"datasets.Features(dict.fromkeys(({INPUTS}), datasets.ClassLabel(names=['n', 'y'])))",
        f"[{plain('string', 'string')}, {plain('float64')}]",
    ],
)
def test_class_ids_are_cast_to_the_numbers_that_are_asked_for(
    tmp_path: Path, features: str
) -> None:
    assert scores_of(write_metric(tmp_path / "m", features=features)) == {"m": 2.0}


@pytest.mark.parametrize(
    ("task", "features", "said"),
    [
        (TASK, plain("string"), r"takes \{'predictions': Value\('string'\)"),
        (
            TASK,
            'datasets.Features({"sources": datasets.Value("int64")})',
            "one number a row: declare both",
        ),
        (TASK, "datasets.Features({n: datasets.List(datasets.Value('int64')) for n in"
         " ('predictions', 'references')})", "one number a row: declare both"),
        (TASK, "None", r"takes None; 'tiny' gives .* as datasets\.Value\('int64'\)"),
        (STS, plain("float64", "int64"), r"'sts' gives .* as datasets\.Value\('float64'\)"),
    ],
)  # fmt: skip
def test_features_that_a_task_does_not_have_are_one_line(
    tmp_path: Path, task: Task, features: str, said: str
) -> None:
    metric = own(write_metric(tmp_path / "m", features=features))
    with pytest.raises(UserError, match=said) as caught, scoring(task, metric):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("return None", "returned None: a score is a finite number"),
        ("return [0.5]", r"returned \[0.5\]"),
        ("return {}", r"returned \{\}"),
        ("return {'a': 0.5, 'b': [1, 2]}", r"returned \{'a': 0.5, 'b': \[1, 2\]\}"),
        ("return {'a': 'good'}", "returned {'a': 'good'}"),
        ("return {'a': True}", "returned {'a': True}"),
        ("return {'a': float('nan')}", "returned {'a': nan}"),
        ("return {'a': float('inf')}", "returned {'a': inf}"),
        ("raise KeyError('no', 'way')", r"'m' failed: KeyError: \('no', 'way'\)"),
        ("raise ValueError('no\\nway')", "'m' failed: ValueError: no way"),
        ("return 1 / 0", "'m' failed: ZeroDivisionError: division by zero"),
    ],
)
def test_whatever_is_no_number_is_one_line(tmp_path: Path, told: str, said: str) -> None:
    with pytest.raises(UserError, match=f"the metric {said}|the metric 'm' {said}") as caught:
        scores_of(write_metric(tmp_path / "m", told))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class Mine: pass", "cannot be loaded: TypeError"),
        ("import evaluate\nclass Mine(evaluate.Metric):", "cannot be loaded: IndentationError"),
        ("import nothing_of_that_name", "cannot be loaded: ImportError: .*nothing_of_that_name"),
        ("raise RuntimeError('at once')", "cannot be loaded: RuntimeError: at once"),
        ("import evaluate\nclass Mine(evaluate.Metric): pass", "loaded: NotImplementedError"),
    ],
)
def test_what_is_no_module_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    folder = write_metric(tmp_path / "m")
    (folder / "m.py").write_text(text)
    with pytest.raises(UserError, match=said) as caught, scoring(TASK, own(folder)):
        pass
    assert "has a class derived from evaluate.Metric" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_that_was_edited_meanwhile_is_refused(tmp_path: Path) -> None:
    metric = own(write_metric(tmp_path / "m"))
    write_metric(tmp_path / "m", "return 1.0")
    with pytest.raises(UserError, match="changed since this command began: run it again"):  # noqa: SIM117
        with scoring(TASK, metric):
            pass


def test_files_beside_it_are_imported_as_they_are_now(tmp_path: Path) -> None:
    folder = write_metric(tmp_path / "m", "return VALUE")
    module = folder / "m.py"
    module.write_text(f"from .helper import VALUE\n{module.read_text()}")
    for value in (0.25, 0.75):
        (folder / "helper.py").write_text(f"VALUE = {value}")
        assert scores_of(folder) == {"m": value}


def test_two_of_them_and_one_twice(tmp_path: Path) -> None:
    one = write_metric(tmp_path / "one", "return 1.0")
    two = write_metric(tmp_path / "two", "return len(pairs)")
    with scoring(TASK, own(one, two)) as by:
        assert list(by(TASK, GIVEN, LABELS)) == ["accuracy", "f1", "one", "two"]
        assert by(TASK, GIVEN[:3], LABELS[:3])["two"] == 3.0


def test_its_random_numbers_are_the_same_each_time(tmp_path: Path) -> None:
    folder = write_metric(tmp_path / "m", "import numpy as np; return np.random.random()")
    np.random.seed(5)
    first = scores_of(folder)
    np.random.seed(6)
    state = np.random.get_state()[1].tolist()  # type: ignore[union-attr, index]
    assert scores_of(folder) == first
    assert np.random.get_state()[1].tolist() == state  # type: ignore[union-attr, index]


def test_nothing_is_left_behind(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    good, bad = write_metric(tmp_path / "good"), write_metric(tmp_path / "bad", "return None")
    scores_of(good)
    with pytest.raises(UserError):
        scores_of(bad)
    assert not home.exists()
    assert os.listdir(scratch) == []
    assert {path.name for path in tmp_path.rglob("*.py")} == {"good.py", "bad.py"}


def test_modules_that_a_notebook_has_loaded_are_no_hindrance(tmp_path: Path) -> None:
    before = list(sys.path)
    mine = evaluate.load(str(write_metric(tmp_path / "mine")), cache_dir=str(tmp_path))
    assert scores_of(write_metric(tmp_path / "m")) == {"m": 2.0}
    assert mine.compute(predictions=[1], references=[0]) == {"wrong_ones": 1}
    sys.path[:] = before


def test_the_library_takes_our_features() -> None:
    assert TaskMetric(STS).features["predictions"] == datasets.Value("float64")
    assert TaskMetric(TASK).features["references"] == datasets.Value("int64")
