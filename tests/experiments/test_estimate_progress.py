from __future__ import annotations

import io

from rich.console import Console
from tests.experiments.conftest import job

from alpkd_pipeline.experiments.estimate import job_progress, outcome_line
from alpkd_pipeline.experiments.jobs import Event, Outcome


def told(terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=200)
    failed = Outcome(job("b"), "failed", 3.0, "shape [2] at /a/very/long/place " + "x" * 200)
    with job_progress(2, console) as progress:
        for slot, outcome in enumerate((Outcome(job("a"), "done", 125.0), failed)):
            progress(Event(outcome.job, slot))
            progress(Event(outcome.job, slot, outcome))
    return file.getvalue()


def test_elsewhere_every_job_is_one_line() -> None:
    first, second = told(terminal=False).splitlines()
    assert first == "[1/2] done: a (2 min)"
    assert second.startswith("[2/2] failed: b (3 s): shape [2] at /a/very/long/place xxx")


def test_a_terminal_has_a_bar_and_only_what_went_wrong() -> None:
    said = told(terminal=True)
    assert "2/2" in said
    assert "done: a" not in said
    assert "failed: b (3 s): shape [2]" in said


def test_a_job_that_never_ran_has_no_time() -> None:
    line = outcome_line(Outcome(job("a"), "not run", error="teacher failed"))
    assert line == "not run: a: teacher failed"
