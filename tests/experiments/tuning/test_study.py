"""Studies with scores made up on the spot; what training would give does not matter here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from alpkd_pipeline.experiments.tuning.spec import Range, Sampler, Space, grid
from alpkd_pipeline.experiments.tuning.study import Asked, Study, open_storage

SPACE: Space = {"training.lr": (1e-4, 2e-4, 4e-4), "method.eta": (0.2, 0.5, 0.8)}
OPEN: Space = {"training.lr": Range(1e-5, 1e-3, log=True)}

Make = Callable[..., Study]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def study(space: Space = SPACE, sampler: Sampler = "grid", budget: int = 4) -> Study:
        # Opened anew each time, as by another process.
        return Study(open_storage(tmp_path / "optuna.db"), "s", space, sampler, budget)

    return study


def score(point: dict[str, Any]) -> float:
    return sum(float(value) for value in point.values())


def finish(study: Study, asked: list[Asked]) -> None:
    for trial in asked:
        study.tell(trial.number, score(trial.point), {"seconds": 1.0})


def search(study: Study) -> list[dict[str, Any]]:
    while asked := study.ask():
        finish(study, asked)
    return [trial.params for trial in study.trials()]


def test_a_grid_is_tried_in_its_order_up_to_the_budget(make: Make) -> None:
    assert search(make()) == grid(SPACE, 4)
    assert len(search(make(budget=100))) == 9


@pytest.mark.parametrize("sampler", ["grid", "random", "tpe"])
@pytest.mark.parametrize("space", [SPACE, OPEN, {}])
def test_the_budget_is_used_on_different_points(make: Make, sampler: Sampler, space: Space) -> None:
    if sampler == "grid" and space is OPEN:
        pytest.skip("a grid needs lists")
    points = search(make(space, sampler, 8))
    assert len({repr(point) for point in points}) == len(points) == (8 if space else 1)


@pytest.mark.parametrize("sampler", ["grid", "random", "tpe"])
def test_a_search_that_was_killed_goes_on_as_if_it_had_not(
    make: Make, tmp_path: Path, sampler: Sampler
) -> None:
    space: Space = SPACE if sampler == "grid" else {**SPACE, **OPEN}
    whole = search(Study(open_storage(tmp_path / "other.db"), "s", space, sampler, 7))
    killed = make(space, sampler, 7)
    asked = killed.ask()
    finish(killed, asked[:2])
    again = make(space, sampler, 7)
    rest = again.ask()
    assert [t.number for t in rest[: len(asked) - 2]] == [t.number for t in asked[2:]]
    assert all(t not in asked[:2] for t in rest)
    finish(again, rest)
    assert search(again) == whole


def test_a_finished_study_asks_for_nothing(make: Make) -> None:
    search(make())
    assert make().ask() == []


def test_a_larger_budget_adds_trials(make: Make) -> None:
    first = search(make(budget=3))
    assert search(make(budget=6))[:3] == first


def test_a_smaller_budget_counts_only_the_first_trials(make: Make) -> None:
    search(make(budget=9))
    less = make(budget=2)
    best = less.best()
    assert [trial.params for trial in less.trials()] == grid(SPACE, 2)
    assert best is not None
    assert best.params == max(grid(SPACE, 2), key=score)


def test_the_best_is_the_highest_score_and_the_first_of_equals(make: Make) -> None:
    study = make()
    asked = study.ask()
    for trial, value in zip(asked, [0.5, 0.7, 0.7, 0.1], strict=True):
        study.tell(trial.number, value, {})
    best = study.best()
    assert best is not None
    assert (best.params, best.value) == (asked[1].point, 0.7)


def test_scores_below_zero_count_too(make: Make) -> None:
    study = make(budget=2)
    one, two = study.ask()
    study.tell(one.number, -0.2, {})
    study.tell(two.number, -0.1, {})
    best = study.best()
    assert best is not None
    assert best.value == -0.1


def test_a_failed_trial_is_tried_again_by_the_next_call_only(make: Make) -> None:
    study = make()
    first, *rest = study.ask()
    study.tell_failed(first.number, {"error": "loss became nan"})
    finish(study, rest)
    assert study.ask() == []
    assert [(t.params, t.user_attrs["error"]) for t in study.failed()] == [
        (first.point, "loss became nan")
    ]
    again = make()
    (retried,) = again.ask()
    assert retried.point == first.point
    finish(again, [retried])
    assert (again.failed(), again.ask()) == ([], [])


def test_without_a_score_there_is_no_best(make: Make) -> None:
    study = make(budget=1)
    (asked,) = study.ask()
    study.tell_failed(asked.number, {"error": "x"})
    assert study.best() is None


def test_what_was_told_beside_the_score_is_kept(make: Make) -> None:
    study = make(budget=1)
    (asked,) = study.ask()
    study.tell(asked.number, 0.5, {"keys": ["ab"], "seconds": 2.5})
    (trial,) = make(budget=1).trials()
    assert trial.user_attrs == {"keys": ["ab"], "seconds": 2.5}


@pytest.mark.parametrize("sampler", ["grid", "random", "tpe"])
def test_a_point_that_diverged_uses_up_its_trial_for_good(make: Make, sampler: Sampler) -> None:
    study = make(SPACE, sampler)
    first, *others = study.ask()
    study.tell_failed(first.number, {"error": "loss became nan"}, used_up=True)
    finish(study, others)
    again = make(SPACE, sampler)
    assert (again.ask(), again.finished, len(again.trials())) == ([], 4, 3)
    larger = make(SPACE, sampler, 9)
    assert first.point not in [asked.point for asked in larger.ask()]


def test_a_score_that_is_not_finite_is_refused(make: Make) -> None:
    study = make()
    with pytest.raises(ValueError, match="nan"):
        study.tell(study.ask()[0].number, float("nan"), {})


@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_of_errors_the_smallest_is_the_best(tmp_path: Path, sampler: Sampler) -> None:
    database = tmp_path / "optuna.db"
    best = {"errors": {"training.lr": 1e-4, "method.eta": 0.2}}
    best["scores"] = {"training.lr": 4e-4, "method.eta": 0.8}
    for name, metric in (("errors", "rmse"), ("scores", "pearson")):
        study = Study(open_storage(database), name, SPACE, sampler, 9, metric)
        search(study)
        found = study.best()
        assert found is not None
        assert found.params == best[name]
        # What TPE looks for follows from it.
        stored = optuna.load_study(study_name=name, storage=open_storage(database))
        assert stored.best_params == best[name]


def test_of_equal_errors_the_first_is_the_best(tmp_path: Path) -> None:
    study = Study(open_storage(tmp_path / "optuna.db"), "s", SPACE, "grid", 3, "mae")
    assert study.best() is None
    for trial in study.ask():
        study.tell(trial.number, 0.5, {})
    found = study.best()
    assert found is not None
    assert found.number == 0
