from __future__ import annotations

from typing import Any

import pytest
from tests.orchestration.conftest import Load
from tests.orchestration.tuning.conftest import Maker, publish, publish_student

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.tuning.trials import is_done, score_of, seconds_of, shared

KD: dict[str, Any] = {"task": "demo", "method": "kd", "layers": 2}
POINT = {"training.lr": 2e-4, "method.eta": 0.8}


def test_a_trial_is_the_cell_of_the_same_parameters_with_a_holdout(
    maker: Maker, load: Load
) -> None:
    (cell,) = maker().cells(KD, POINT)
    flat = {"method.name": "kd", "student.layers": 2, "training.selection": "holdout", **POINT}
    assert cell.student.key == load(flat).cell.student.key
    command, _, given = cell.command.partition(" --params=")
    assert command == "kedro run --pipeline=distill"
    assert {"method.name=kd", "training.lr=0.0002", "training.selection=holdout"} <= set(
        given.split(",")
    )


def test_it_says_that_it_is_a_trial_of_its_search(maker: Maker) -> None:
    (cell,) = maker().cells(KD, POINT)
    assert (cell.params.run.kind, cell.params.run.group) == ("trial", "tune-x")
    # The teacher that it makes on its way belongs to later runs as well.
    assert (shared(cell).run.kind, shared(cell).run.group) == ("cell", "tune-x")


def test_every_seed_has_a_cell_and_all_share_a_teacher(maker: Maker) -> None:
    cells = maker(seeds=[0, 1, 2], teacher_seed=5).cells(KD, POINT)
    assert [cell.params.seed for cell in cells] == [0, 1, 2]
    assert len({cell.student.key for cell in cells}) == 3
    assert {cell.params.teacher.seed for cell in cells} == {5}
    assert len({cell.teacher.key for cell in cells}) == 1


def test_overrides_and_the_command_line_reach_the_cells(maker: Maker) -> None:
    rules = [{"where": {"method": "kd"}, "set": {"task.train_rows": 80}}]
    made = maker({"training.epochs": 2}, params={"training.batch_size": 8}, overrides=rules)
    (kd,), (other,) = (made.cells({**KD, "method": m}, {}) for m in ("kd", "no_kd"))
    assert (kd.params.task.train_rows, other.params.task.train_rows) == (80, None)
    assert (kd.params.training.epochs, kd.params.training.batch_size) == (2, 8)


def test_what_was_tuned_before_is_not_built_upon(maker: Maker) -> None:
    entry = {"where": KD, "set": {"method.temperature": 3.0}}
    other = {"where": {"task": "demo"}, "set": {"training.epochs": 2}}
    (plain,) = maker().cells(KD, POINT)
    (again,) = maker({"tuned": [entry]}).cells(KD, POINT)
    (more,) = maker({"tuned": [entry, other]}).cells(KD, POINT)
    assert again.student.key == plain.student.key
    assert (more.params.training.epochs, more.params.method.temperature) == (2, 2.0)


def test_an_impossible_trial_names_its_study(maker: Maker) -> None:
    with pytest.raises(UserError, match=r"^demo no_kd 2L: .*eta"):
        maker().cells({**KD, "method": "no_kd"}, POINT)


def test_the_score_is_that_of_the_rows_that_chose_the_epoch(maker: Maker) -> None:
    (cell,) = maker().cells(KD, POINT)
    assert not is_done(cell)
    publish_student(cell, 0.75)
    assert is_done(cell)
    assert score_of(cell, "holdout") == 0.75
    assert seconds_of([cell, cell]) == 4.0
    with pytest.raises(UserError, match=r"metrics\.json has no dev score of accuracy"):
        score_of(cell, "dev")


def test_a_student_without_metrics_is_one_line(maker: Maker) -> None:
    (cell,) = maker().cells(KD, POINT)
    publish(cell.student)
    with pytest.raises(UserError, match="has no holdout score") as caught:
        score_of(cell, "holdout")
    assert "\n" not in str(caught.value)
