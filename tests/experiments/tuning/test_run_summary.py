from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console
from tests.experiments.tuning.conftest import Maker

from alpkd_pipeline.experiments.tuning.plan import plan_studies
from alpkd_pipeline.experiments.tuning.run import (
    change_lines,
    estimate_line,
    now_set,
    plan_lines,
    point_text,
    trial_line,
    tuning_table,
)
from alpkd_pipeline.experiments.tuning.search import Running, Search
from alpkd_pipeline.experiments.tuning.study import Asked, Study, open_storage
from alpkd_pipeline.project.presets import Preset


def test_points_are_said_in_short_names() -> None:
    point = {"training.lr": 2e-5, "method.temperature": 10.0, "method.scale": "sqrt_d"}
    assert point_text(point) == "lr=2e-05, temperature=10, scale=sqrt_d"
    assert point_text({}) == "nothing to choose"


def test_the_plan_says_budgets_and_what_is_left(maker: Maker) -> None:
    studies = plan_studies(maker(trials=4), {})
    assert plan_lines(studies, [3, 1], 1) == [
        "demo no_kd 2L  3 trials of 3 possible, 3 done",
        "demo kd 2L     4 trials of 6 possible, 1 done",
        "2 studies, 3 trials to run",
    ]
    assert plan_lines(studies, [0, 0], 2)[-1] == "2 studies, 7 trials to run, each with 2 seeds"


def test_without_finished_trainings_there_is_no_estimate(maker: Maker) -> None:
    studies = plan_studies(maker(seeds=[0, 1]), {})
    told = estimate_line(studies, [0, 0], 1)
    assert told == "no estimate for 12 students: nothing of their task is finished"
    assert estimate_line(studies, [3, 3], 1) == "nothing to do"


def search(maker: Maker, database: Path) -> Search:
    made = maker()
    planned = plan_studies(made, {"method": ["kd"]})[0]
    storage = open_storage(database)
    study = Study(storage, planned.name, planned.space, "grid", planned.budget)
    return Search(planned.target, study, made)


def test_a_trial_is_one_line(maker: Maker, database: Path) -> None:
    found = search(maker, database)
    asked = Asked(3, {"training.lr": 2e-4, "method.eta": 0.8})
    trial = Running(found, asked, found.maker.experiments(found.target, asked.point))
    assert trial_line(trial, 0.5) == (
        "demo kd 2L trial 3: holdout accuracy 0.5000 (lr=0.0002, eta=0.8)"
    )
    trial.error = "loss became nan"
    assert "failed: loss became nan" in trial_line(trial, None)


def shown(found: Search) -> str:
    text = StringIO()
    Console(file=text, width=120).print(tuning_table([found]))
    return text.getvalue()


def test_the_table_has_the_best_of_each_study(maker: Maker, database: Path) -> None:
    found = search(maker, database)
    assert "no trial has a score" in shown(found)
    for asked, score in zip(found.study.ask(), [0.1, 0.9, 0.2], strict=True):
        found.study.tell(asked.number, score, {})
    best = found.study.best()
    assert best is not None
    said = shown(found)
    assert point_text(best.params) in said
    for words in ("demo kd 2L", "0.9000 accuracy", "3/6"):
        assert words in said


def test_changes_name_what_was_there(maker: Maker) -> None:
    target = {"task": "demo", "method": "kd", "layers": 2}
    before = now_set(maker().conf, target)
    assert before["training.lr"] == 4e-4
    preset = Preset(target, {"training.lr": 1e-3, "method.eta": before["method.eta"]})
    lines = change_lines([(preset, before)], "tuned.yml", was_there=False)
    assert lines[:2] == [
        "presets: tuned.yml",
        f"  demo kd 2L: training.lr=0.001 (was 0.0004), method.eta={before['method.eta']}",
    ]
