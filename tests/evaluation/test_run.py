"""Scoring, evaluating and timing as the pipelines ask for it: by a begun folder's run.json."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.evaluation.conftest import STS, TASK, split
from tests.own_metrics import write_metric

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.latency import model_size
from alpkd_pipeline.evaluation.run import evaluate_run, geometry_run, score_run, time_run
from alpkd_pipeline.store.checkpoints import Work
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.encode import write_encoded
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.metrics import folder_digest
from alpkd_pipeline.tasks.task import Task

TRAINING = {
    "epochs": 1,
    "batch_size": 4,
    "lr": 1e-4,
    "warmup_ratio": 0.0,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "selection": "dev",
    "eval_batch_size": 4,
    "device": "cpu",
    "precision": "fp32",
    "threads": 1,
}
RTE = GLUE["rte"].task
RTE_TEST_ROWS = 3000

Begin = Callable[..., Path]


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """A begun work folder for a task; the keywords change the student's training."""

    def make(
        task: Task = TASK,
        stage: str = "student_scores",
        teacher: dict[str, Any] | None = None,
        metrics: Sequence[Path] = (),
        **training: Any,
    ) -> Path:
        params = {
            "training": {**TRAINING, **training},
            # Whoever reads the other one's block asks for a device that is not there.
            "method": {"pooling": "mean"},
            "teacher": {
                "model": "demo",
                "training": {**TRAINING, "device": "cuda:99", **(teacher or {})},
            },
        }
        facts = {"stage": stage, "name": "s", "task": task.to_dict(), "params": params}
        folder = tmp_path / f"{stage}.work"
        if metrics:
            places = {os.path.relpath(metric, folder): metric for metric in metrics}
            facts["metrics"] = {place: folder_digest(m) for place, m in places.items()}
        return Work(folder, facts).begin()

    return make


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_dev_scores(begin: Begin, classifier: Path, encoded: Path) -> None:
    folder = begin()
    score_run(classifier, encoded, folder, splits="dev")
    found = read_json(folder / "scores.json")
    assert list(found["splits"]) == ["dev"]
    assert found["splits"]["dev"]["rows"] == 7
    assert set(found["splits"]["dev"]["scores"]) == {"accuracy", "f1"}
    assert files(folder) == {"run.json", "scores.json", "predictions/dev.csv"}


def test_all_splits(begin: Begin, classifier: Path, encoded: Path) -> None:
    write_encoded(encoded, "train", split(np.array([0, 1, 1], dtype=np.int64)))
    folder = begin()
    score_run(classifier, encoded, folder, splits="all")
    found = read_json(folder / "scores.json")
    assert set(found["splits"]) == {"train", "dev", "test"}
    assert found["splits"]["test"]["scores"] is None
    assert found["skipped"] == []


def test_a_split_that_the_data_lacks_is_passed_over(
    begin: Begin, classifier: Path, encoded: Path
) -> None:
    folder = begin()
    score_run(classifier, encoded, folder, splits="all")
    assert read_json(folder / "scores.json")["skipped"] == ["train"]


@pytest.mark.parametrize("stage", ["student_scores", "student_evaluation"])
def test_a_student_is_scored_with_its_own_numbers(
    begin: Begin, classifier: Path, encoded: Path, stage: str
) -> None:
    folder = begin(stage=stage, threads=2)
    score_run(classifier, encoded, folder, splits="dev")
    environment = read_json(folder / "scores.json")["environment"]
    assert (environment["device"], environment["threads"]) == ("cpu", 2)


@pytest.mark.parametrize("stage", ["teacher_scores", "teacher_evaluation"])
def test_a_teacher_is_scored_with_its_own_numbers(
    begin: Begin, classifier: Path, encoded: Path, stage: str
) -> None:
    folder = begin(stage=stage, teacher={"device": "cpu", "threads": 2}, device="cuda:99")
    score_run(classifier, encoded, folder, splits="dev")
    assert read_json(folder / "scores.json")["environment"]["threads"] == 2


def test_scores_are_those_of_the_model_as_users_load_it(
    begin: Begin, classifier: Path, encoded: Path
) -> None:
    folder = begin(precision="bf16")
    score_run(classifier, encoded, folder, splits="dev")
    assert read_json(folder / "scores.json")["environment"]["precision"] == "fp32"


def test_a_device_that_is_not_there_is_the_user_s_line(
    begin: Begin, classifier: Path, encoded: Path
) -> None:
    with pytest.raises(UserError, match="no such device"):
        score_run(classifier, encoded, begin(device="cuda:99"), splits="dev")


def test_an_evaluation_adds_the_size(begin: Begin, classifier: Path, encoded: Path) -> None:
    folder = begin()
    evaluate_run(classifier, encoded, folder)
    assert read_json(folder / "size.json") == model_size(classifier)
    assert not (folder / "submission").exists()
    assert "predictions/test.csv" in files(folder)


def test_an_evaluation_has_the_scores_of_the_training_path_to_the_last_bit(
    begin: Begin, classifier: Path, encoded: Path
) -> None:
    write_encoded(encoded, "train", split(np.array([0, 1, 1], dtype=np.int64)))
    scored, evaluated = begin(), begin(stage="student_evaluation")
    score_run(classifier, encoded, scored, splits="all")
    evaluate_run(classifier, encoded, evaluated)
    one, other = (read_json(folder / "scores.json") for folder in (scored, evaluated))
    assert one == other
    assert set(one["splits"]["train"]["scores"]) == {"accuracy", "f1"}


def test_an_evaluation_computes_the_metrics_of_a_user_s_own(
    begin: Begin, classifier: Path, encoded: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = begin(
        stage="student_evaluation",
        metrics=[write_metric(tmp_path / "too_much"), write_metric(tmp_path / "x", "return 1.5")],
    )
    with caplog.at_level(logging.INFO, "alpkd_pipeline"):
        evaluate_run(classifier, encoded, folder)
    found = read_json(folder / "scores.json")
    assert found["metrics"] == {name: folder_digest(tmp_path / name) for name in ("too_much", "x")}
    scores = found["splits"]["dev"]["scores"]
    predictions = pd.read_csv(folder / "predictions" / "dev.csv")
    assert list(scores) == ["accuracy", "f1", "too_much", "x"]
    assert scores["too_much"] == (predictions["prediction"] > predictions["label"]).sum() > 0
    assert scores["x"] == 1.5
    assert found["splits"]["test"]["scores"] is None
    assert "x 1.5000" in caplog.text


def test_a_metric_that_fails_leaves_no_scores(
    begin: Begin, classifier: Path, encoded: Path, tmp_path: Path
) -> None:
    metric = write_metric(tmp_path / "mine", "raise ValueError('of three kinds only')")
    folder = begin(stage="student_evaluation", metrics=[metric])
    with pytest.raises(UserError, match="'mine' failed: ValueError: of three kinds only"):
        evaluate_run(classifier, encoded, folder)
    assert not (folder / "scores.json").exists()


@pytest.fixture
def glue(tmp_path: Path) -> Path:
    """RTE with as many test rows as GLUE has."""
    folder = tmp_path / "rte"
    write_encoded(folder, "dev", split(np.array([0, 1, 1, 0], dtype=np.int64)))
    write_encoded(folder, "test", split(np.full(RTE_TEST_ROWS, -1, dtype=np.int64)))
    return folder


def test_a_glue_task_gets_its_submission_file(
    begin: Begin, model_folder: Callable[[Task], Path], glue: Path
) -> None:
    folder = begin(RTE, eval_batch_size=500)
    evaluate_run(model_folder(RTE), glue, folder)
    lines = (folder / "submission" / "RTE.tsv").read_text().splitlines()
    assert len(lines) == RTE_TEST_ROWS + 1
    predictions = pd.read_csv(folder / "predictions" / "test.csv")["prediction"]
    words = [GLUE["rte"].submission_words[answer] for answer in predictions]
    assert [line.split("\t")[1] for line in lines[1:]] == words


def test_a_cut_test_split_is_no_submission_and_no_failure(
    begin: Begin,
    model_folder: Callable[[Task], Path],
    glue: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_encoded(glue, "test", split(np.full(3, -1, dtype=np.int64)))
    folder = begin(RTE)
    with caplog.at_level(logging.WARNING, "alpkd_pipeline"):
        evaluate_run(model_folder(RTE), glue, folder)
    (record,) = [r for r in caplog.records if "no submission files" in r.message]
    assert "3 rows" in record.message
    assert not (folder / "submission").exists()
    assert (folder / "size.json").is_file()


def test_no_test_split_is_no_submission(
    begin: Begin,
    model_folder: Callable[[Task], Path],
    glue: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (glue / "test.arrow").unlink()
    folder = begin(RTE)
    with caplog.at_level(logging.WARNING, "alpkd_pipeline"):
        evaluate_run(model_folder(RTE), glue, folder)
    assert not (folder / "submission").exists()
    assert not caplog.records


def test_a_regression_is_evaluated_too(
    begin: Begin, model_folder: Callable[[Task], Path], tmp_path: Path
) -> None:
    write_encoded(tmp_path / "sts", "dev", split(np.array([0.0, 2.5, 5.0, 1.0])))
    folder = begin(STS)
    evaluate_run(model_folder(STS), tmp_path / "sts", folder)
    assert set(read_json(folder / "scores.json")["splits"]["dev"]["scores"]) == {"pearson"}


@pytest.mark.parametrize("stage", ["teacher_latency", "student_latency"])
def test_teacher_and_student_are_timed_under_the_student_s_conditions(
    begin: Begin, classifier: Path, encoded: Path, stage: str
) -> None:
    folder = begin(stage=stage, precision="bf16", threads=2)
    time_run(classifier, encoded, folder)
    environment = read_json(folder / "latency.json")["environment"]
    assert (environment["precision"], environment["threads"]) == ("bf16", 2)


def test_latency_lands_in_its_file(begin: Begin, classifier: Path, encoded: Path) -> None:
    folder = begin()
    time_run(classifier, encoded, folder)
    found = read_json(folder / "latency.json")
    assert found["batch_1"]["p50_ms"] > 0
    assert found["environment"]["threads"] == 1
    # The batch size of evaluation is a matter of memory; speeds are compared at one size.
    assert found["batched"]["batch_size"] == 32


@pytest.mark.parametrize("work", [evaluate_run, time_run])
def test_a_folder_that_was_not_begun_is_refused(
    work: Callable[..., Path], classifier: Path, encoded: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"run\.json does not exist"):
        work(classifier, encoded, tmp_path)


def test_layers_are_compared_as_the_method_pools_them(
    begin: Begin, classifier: Path, encoded: Path
) -> None:
    folder = begin(stage="student_geometry", precision="bf16")
    geometry_run(classifier, classifier, encoded, folder)
    found = read_json(folder / "geometry.json")
    assert (found["pooling"], found["examples"]) == ("mean", 7)
    assert found["nearest"] == [1, 2]
    # In bf16 a model would not be at distance 0 from itself.
    assert [found["cosine_distance"][i][i] for i in range(2)] == [0.0, 0.0]
