from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console
from tests.experiments.conftest import finish_experiment, job

from alpkd_pipeline.experiments.jobs import Outcome
from alpkd_pipeline.experiments.plan import Plan
from alpkd_pipeline.experiments.sweep import dev_score, failure_lines, sweep_table


def test_one_line_for_each_method_and_depth(plan: Callable[..., Plan]) -> None:
    small = {"methods": ["no_kd", "kd"], "layers": [1, 2]}
    made = plan(**small)
    for planned, score in zip(made.experiments, (0.5, 0.25, 0.7), strict=False):
        finish_experiment(planned.experiment, score)
    (again, *_) = [p for p in made.experiments if p.name == "demo no_kd 1L s1"]
    finish_experiment(again.experiment, 0.6)
    file = io.StringIO()
    Console(file=file, width=100).print(sweep_table(made.experiments))
    rows = [line.split() for line in file.getvalue().splitlines() if "demo" in line]
    assert rows == [
        ["demo", "no_kd", "2", "1/2", "0.7000", "-", "accuracy"],
        ["demo", "kd", "2", "0/2", "-", "-", "accuracy"],
        ["demo", "no_kd", "1", "2/2", "0.5500", "0.0707", "accuracy"],
        ["demo", "kd", "1", "1/2", "0.2500", "-", "accuracy"],
    ]
    assert [dev_score(planned) for planned in made.experiments[:4]] == [0.5, 0.25, 0.7, None]


def test_failures_are_listed_and_those_that_waited_are_counted() -> None:
    outcomes = [
        Outcome(job("a"), "done", 1.0),
        Outcome(job("t"), "failed", 2.0, "diverged"),
        Outcome(job("b"), "not run", error="t failed"),
        Outcome(job("c"), "not run", error="t failed"),
    ]
    assert failure_lines(outcomes) == [
        "failed: t (2 s): diverged",
        "not run: 2 jobs (t failed)",
    ]
    assert failure_lines(outcomes[:1]) == []


def test_a_flood_of_failures_is_cut() -> None:
    lines = failure_lines([Outcome(job(str(n)), "failed", 1.0, "x") for n in range(50)])
    assert len(lines) == 21
    assert lines[-1] == "and 30 more"
