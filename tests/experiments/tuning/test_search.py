"""Real studies and real planning; only the training is pretended."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.tuning.conftest import Maker, PretendingEngine, publish_student

from alpkd_pipeline.experiments.jobs import EngineLostError, Job
from alpkd_pipeline.experiments.tuning.plan import plan_studies
from alpkd_pipeline.experiments.tuning.search import Running, Search, run_search
from alpkd_pipeline.experiments.tuning.study import Study, open_storage

Told = list[tuple[str, float | None]]


@pytest.fixture
def searches(maker: Maker, database: Path) -> Any:
    def make(params: dict[str, Any] | None = None, /, **entries: Any) -> list[Search]:
        made = maker(params, **entries)
        storage = open_storage(database)
        return [
            Search(p.target, Study(storage, p.name, p.space, made.spec.sampler, p.budget), made)
            for p in plan_studies(made, {})
        ]

    return make


def run(found: list[Search], engine: PretendingEngine) -> tuple[bool, Told]:
    told: Told = []

    def tell(trial: Running, score: float | None) -> None:
        told.append((trial.name, score))

    return run_search(found, engine, tell, lambda event: None), told


def test_all_budgets_are_used_up_and_the_teacher_is_made_once(searches: Any) -> None:
    found, engine = searches(), PretendingEngine(slots=2)
    ended, told = run(found, engine)
    assert ended
    assert [len(search.study.trials()) for search in found] == [3, 3]
    assert len(told) == 6
    outputs = [job.to_outputs[0] for job in engine.jobs]
    assert (outputs.count("teacher"), outputs.count("signals"), outputs.count("student")) == (
        1,
        1,
        6,
    )
    assert len({repr(sorted(job.expect.items())) for job in engine.jobs}) == 8


def test_the_best_trial_is_the_one_with_the_highest_score(searches: Any) -> None:
    found = searches(methods=["kd"], trials=6)
    run(found, PretendingEngine())
    best = found[0].study.best()
    assert best.params["training.lr"] == 4e-4
    assert best.value == pytest.approx(0.4)


def test_a_trial_is_worth_the_mean_over_its_seeds(searches: Any) -> None:
    found = searches(methods=["kd"], trials=1, seeds=[0, 1])
    asked = found[0].study.ask()[0]
    for experiment, score in zip(
        found[0].maker.experiments(found[0].target, asked.point), [0.2, 0.6], strict=True
    ):
        publish_student(experiment, score)
    engine = PretendingEngine()
    run(found, engine)
    (trial,) = found[0].study.trials()
    assert trial.value == pytest.approx(0.4)
    assert trial.user_attrs["scores"] == [0.2, 0.6]
    assert engine.jobs == []


def test_a_failed_trial_does_not_stop_the_search(searches: Any) -> None:
    found, engine = searches(), PretendingEngine(failing=["demo kd 2L trial 1"])
    ended, told = run(found, engine)
    assert ended
    assert [len(search.study.trials()) for search in found] == [3, 2]
    (failed,) = found[1].study.failed()
    assert failed.user_attrs["error"] == "loss became nan"
    assert dict(told)["demo kd 2L trial 1"] is None
    assert found[1].study.finished == 3
    again = PretendingEngine()
    assert run(searches(), again)[0]
    assert again.jobs == []


@pytest.mark.parametrize("broken", ["demo kd 2L trial 1", "signals of teacher"])
def test_only_what_diverged_uses_up_the_budget(searches: Any, broken: str) -> None:
    found = searches(methods=["kd"])
    assert run(found, PretendingEngine(broken=[broken]))[0]
    assert found[0].study.finished < 3
    found = searches(methods=["kd"])
    run(found, PretendingEngine())
    assert (found[0].study.finished, len(found[0].study.trials())) == (3, 3)


def test_a_seed_that_diverged_does_not_excuse_one_that_broke(searches: Any) -> None:
    found = searches(methods=["kd"], trials=1, seeds=[0, 1])
    run(found, PretendingEngine(failing=["trial 0 s0"], broken=["trial 0 s1"]))
    assert found[0].study.finished == 0


def test_a_score_that_is_not_a_number_is_a_failed_trial(searches: Any) -> None:
    found = searches(methods=["kd"], trials=1)
    (asked,) = found[0].study.ask()
    publish_student(found[0].maker.experiments(found[0].target, asked.point)[0], math.nan)
    ended, told = run(found, PretendingEngine())
    assert ended
    assert told == [("demo kd 2L trial 0", None)]
    assert found[0].study.failed()[0].user_attrs["error"] == "its score is nan"
    assert found[0].study.finished == 1


def test_ctrl_c_at_the_end_of_a_round_stops_the_search(searches: Any) -> None:
    class Late(PretendingEngine):
        def call(self, slot: int, job: Job) -> Mapping[str, str]:
            found = super().call(slot, job)
            if len(self.jobs) == 6:  # the last one of the first four trials
                os.kill(os.getpid(), signal.SIGINT)
                self._stop.wait(10)
            return found

    found = searches(methods=["kd"], trials=5, sampler="tpe")
    engine = Late()
    ended, _ = run(found, engine)
    assert not ended
    assert found[0].study.failed() == []


def test_one_failed_seed_fails_the_trial(searches: Any) -> None:
    found = searches(methods=["kd"], trials=1, seeds=[0, 1])
    run(found, PretendingEngine(failing=["trial 0 s1"]))
    assert found[0].study.trials() == []


def test_without_its_teacher_a_trial_fails_and_says_so(searches: Any) -> None:
    found = searches(methods=["kd"], trials=2)
    ended, told = run(found, PretendingEngine(failing=["teacher s0"]))
    assert ended
    assert [score for _, score in told] == [None, None]
    assert "teacher s0" in found[0].study.failed()[0].user_attrs["error"]


def test_a_stopped_search_goes_on_and_repeats_nothing(searches: Any) -> None:
    found, engine = searches(methods=["kd"], trials=4), PretendingEngine(stop_at=4)
    ended, _ = run(found, engine)
    assert not ended
    before = [trial.params for trial in found[0].study.trials()]
    assert len(before) == 1
    found, again = searches(methods=["kd"], trials=4), PretendingEngine()
    assert run(found, again)[0]
    assert [trial.params for trial in found[0].study.trials()][:1] == before
    assert len(again.jobs) == 3
    assert not set(again.names()) & set(engine.names()[:3])


def test_a_search_whose_engine_is_lost_goes_on_and_repeats_nothing(searches: Any) -> None:
    class Lost(PretendingEngine):
        def call(self, slot: int, job: Job) -> Mapping[str, str]:
            if len(self.jobs) == 5:
                raise EngineLostError("no machine is left")
            return super().call(slot, job)

    with pytest.raises(EngineLostError, match="no machine is left"):
        run(searches(), Lost(slots=1))
    done = sum(len(search.study.trials()) for search in searches())
    assert done == 3
    ended, told = run(searches(), PretendingEngine())
    assert ended
    assert len(told) == 6 - done


def test_students_that_are_there_are_not_trained(searches: Any) -> None:
    run(searches(), PretendingEngine())
    engine = PretendingEngine()
    # The same experiments for another study: their results are found under their keys.
    run(searches(sampler="random"), engine)
    assert engine.jobs == []


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_ranges_are_searched_in_rounds(searches: Any, sampler: str) -> None:
    space = {"training.lr": {"low": 1e-5, "high": 1e-3, "log": True}}
    found = searches(methods=["kd"], trials=6, sampler=sampler, space=space)
    assert run(found, PretendingEngine())[0]
    assert len({trial.params["training.lr"] for trial in found[0].study.trials()}) == 6


def test_a_score_that_cannot_be_read_fails_its_trial(searches: Any) -> None:
    found = searches(methods=["kd"], trials=1, selection="dev")
    ended, told = run(found, PretendingEngine())  # pretends to have a holdout
    assert ended
    assert told == [("demo kd 2L trial 0", None)]
    assert "no dev score" in found[0].study.failed()[0].user_attrs["error"]
