from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from tests.experiments.tuning.conftest import Maker, publish, publish_student
from tests.project.conftest import Load

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.tuning.plan import score_of, seconds_of, shared
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.training import batching
from alpkd_pipeline.training.batching import Selection, choose_rows
from alpkd_pipeline.training.run_config import RunConfig

KD: dict[str, Any] = {"task": "demo", "method": "kd", "layers": 2}
POINT = {"training.lr": 2e-4, "method.eta": 0.8}


def test_a_trial_is_the_experiment_of_the_same_parameters_with_a_holdout(
    maker: Maker, load: Load
) -> None:
    (experiment,) = maker().experiments(KD, POINT)
    flat = {
        "method.name": "kd",
        "student.layers": 2,
        "training.selection": "holdout",
        "teacher.training.selection": "holdout",
        **POINT,
    }
    assert experiment.student.key == load(flat).experiment.student.key
    command, _, given = experiment.command.partition(" --params=")
    assert command == "kedro run --pipeline=distill"
    assert {
        "method.name=kd",
        "training.lr=0.0002",
        "training.selection=holdout",
        "teacher.training.selection=holdout",
    } <= set(given.split(","))


def test_it_says_that_it_is_a_trial_of_its_search(maker: Maker) -> None:
    (experiment,) = maker().experiments(KD, POINT)
    assert (experiment.params.run.kind, experiment.params.run.group) == ("trial", "tune-x")
    assert shared(experiment).run.kind == "trial"
    (on_dev,) = maker(selection="dev").experiments(KD, POINT)
    # The teacher that it makes on its way belongs to later runs as well.
    assert (shared(on_dev).run.kind, shared(on_dev).run.group) == ("cell", "tune-x")


def test_every_seed_has_a_experiment_and_a_teacher(maker: Maker) -> None:
    experiments = maker(seeds=[0, 1, 2]).experiments(KD, POINT)
    assert [experiment.params.seed for experiment in experiments] == [0, 1, 2]
    assert [experiment.params.teacher.seed for experiment in experiments] == [0, 1, 2]
    assert len({experiment.student.key for experiment in experiments}) == 3
    (same,) = maker().experiments({**KD, "method": "no_kd"}, {})
    assert same.teacher.key == experiments[0].teacher.key


def rows_of(experiment: Experiment, stage: str) -> Selection:
    """The rows that a training of an experiment takes."""
    encoded = {"encoded": Path()}
    run = RunConfig(Path(), stage, "x", experiment.task, experiment.params.plain(), encoded)
    labels = np.arange(200) % 3 % 2
    split = EncodedSplit(
        offsets=np.arange(201),
        input_ids=np.zeros(200, dtype=np.int32),
        token_type_ids=None,
        labels=labels,
        idx=np.arange(200),
        max_length=8,
        cut_rows=0,
    )
    with patch.object(batching, "read_encoded", lambda *_: split):
        return choose_rows(run)


def test_the_teacher_has_never_seen_the_rows_that_judge(maker: Maker) -> None:
    made = maker({"training.holdout_fraction": 0.3}, seeds=[0, 3])
    for experiment in made.experiments(KD, POINT):
        teacher, student = rows_of(experiment, "teacher"), rows_of(experiment, "student")
        assert teacher.rows.tolist() == student.rows.tolist()
        assert teacher.train_rows.tolist() == student.train_rows.tolist()
        assert len(student.rows) == 60


def test_a_trial_judged_by_dev_has_the_teacher_of_the_environment(maker: Maker, load: Load) -> None:
    (experiment,) = maker(selection="dev").experiments(KD, POINT)
    assert experiment.teacher.key == load({}).experiment.teacher.key


def test_a_teacher_that_was_brought_stays_as_it_is(maker: Maker, load: Load) -> None:
    (experiment,) = maker({"teacher.finetuned": True}).experiments(KD, POINT)
    assert experiment.params.teacher == load({"teacher.finetuned": True}).params.teacher


def test_overrides_and_the_command_line_reach_the_experiments(maker: Maker) -> None:
    rules = [{"where": {"method": "kd"}, "set": {"task.train_rows": 80}}]
    made = maker({"training.epochs": 2}, params={"training.batch_size": 8}, overrides=rules)
    (kd,), (other,) = (made.experiments({**KD, "method": m}, {}) for m in ("kd", "no_kd"))
    assert (kd.params.task.train_rows, other.params.task.train_rows) == (80, None)
    assert (kd.params.training.epochs, kd.params.training.batch_size) == (2, 8)


def test_what_was_tuned_before_is_not_built_upon(maker: Maker) -> None:
    entry = {"where": KD, "set": {"method.temperature": 3.0}}
    other = {"where": {"task": "demo"}, "set": {"training.epochs": 2}}
    (plain,) = maker().experiments(KD, POINT)
    (again,) = maker({"tuned": [entry]}).experiments(KD, POINT)
    (more,) = maker({"tuned": [entry, other]}).experiments(KD, POINT)
    assert again.student.key == plain.student.key
    assert (more.params.training.epochs, more.params.method.temperature) == (2, 2.0)


def test_an_impossible_trial_names_its_study(maker: Maker) -> None:
    with pytest.raises(UserError, match=r"^demo no_kd 2L: .*eta"):
        maker().experiments({**KD, "method": "no_kd"}, POINT)


def test_the_score_is_that_of_the_rows_that_chose_the_epoch(maker: Maker) -> None:
    (experiment,) = maker().experiments(KD, POINT)
    assert experiment.student.found is None
    publish_student(experiment, 0.75)
    assert experiment.student.found is not None
    assert score_of(experiment, "holdout") == 0.75
    assert seconds_of([experiment, experiment]) == 4.0
    with pytest.raises(UserError, match=r"metrics\.json has no dev score of accuracy"):
        score_of(experiment, "dev")


def test_a_student_without_metrics_is_one_line(maker: Maker) -> None:
    (experiment,) = maker().experiments(KD, POINT)
    publish(experiment.student)
    with pytest.raises(UserError, match="has no holdout score") as caught:
        score_of(experiment, "holdout")
    assert "\n" not in str(caught.value)
