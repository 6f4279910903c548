from __future__ import annotations

import os
from pathlib import Path

import pytest
from kedro.framework.project import configure_project
from kedro.io import DatasetError
from tests.experiments.conftest import finish_experiment
from tests.project.conftest import PROJECT, Load

from alpkd_pipeline.errors import LONGEST_ERROR, UserError
from alpkd_pipeline.experiments.engines import LocalEngine
from alpkd_pipeline.experiments.jobs import DONE, Job
from alpkd_pipeline.experiments.worker import one_line, run_job
from alpkd_pipeline.project.experiment import Experiment


@pytest.fixture(autouse=True)
def _project(monkeypatch: pytest.MonkeyPatch) -> None:
    configure_project("alpkd_pipeline")
    monkeypatch.chdir(PROJECT)


def experiment_and_job(load: Load, expect: str | None = None) -> tuple[Experiment, Job]:
    params = load({"run.tracking": "off"}).params
    experiment = Experiment(params, PROJECT)
    key = expect or experiment.student_scores.key
    return experiment, Job(
        "a", "distill", ("student_scores",), params.plain(), "", {"student_scores": key}
    )


def test_what_is_there_is_not_made_again(load: Load) -> None:
    experiment, job = experiment_and_job(load)
    finish_experiment(experiment)
    assert run_job(PROJECT, None, job) == DONE


def test_another_key_than_planned_is_refused(load: Load, tmp_path: Path) -> None:
    found = run_job(PROJECT, None, experiment_and_job(load, expect="0" * 64)[1])
    assert found["state"] == "failed"
    assert found["error"].startswith("code or data changed meanwhile: student_scores would be")
    assert not (tmp_path / "store" / "06_models").exists()


def test_a_job_that_cannot_be_gives_an_answer(load: Load) -> None:
    params = {**experiment_and_job(load)[1].params, "seed": -1}
    found = run_job(PROJECT, None, Job("a", "distill", ("student_scores",), params))
    assert found["state"] == "failed"
    assert "'seed' = -1" in found["error"]


def test_an_error_is_the_user_s_line_or_the_cause() -> None:
    def raised(error: Exception, cause: Exception | None) -> Exception:
        try:
            raise error from cause
        except Exception as wrapped:
            return wrapped

    assert one_line(raised(DatasetError("x"), UserError("give a path"))) == "give a path"
    assert one_line(raised(DatasetError("x"), ValueError("two\nlines"))) == "ValueError: two"
    assert one_line(ZeroDivisionError()) == "ZeroDivisionError"
    assert len(one_line(ValueError("x" * 999))) == LONGEST_ERROR


def test_a_diverged_training_is_told_from_other_failures(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kedro.framework.session import KedroSession

    from alpkd_pipeline.training.update import DivergedError

    def wrapped(cause: Exception) -> object:
        def run(*_given: object, **_named: object) -> None:
            raise DatasetError("saving failed") from cause

        return run

    job = experiment_and_job(load)[1]
    for cause, state in (
        (DivergedError("the loss became nan"), "diverged"),
        (UserError("no space left"), "failed"),
    ):
        monkeypatch.setattr(KedroSession, "run", wrapped(cause))
        assert run_job(PROJECT, None, job) == {"state": state, "error": str(cause)}


@pytest.mark.slow
def test_what_libraries_print_does_not_disturb_the_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Megabytes in Python, past Python and from a child, while a worker process is at work."""
    (tmp_path / "sitecustomize.py").write_text(
        """
import os, subprocess, sys, threading, time
def flood():
    while not os.path.sameopenfile(1, 2):
        time.sleep(0.01)
    while True:
        print("x" * 100_000)
        os.write(1, b"y" * 100_000)
        subprocess.run(["echo", "z" * 10_000])
        time.sleep(0.5)
if "alpkd_pipeline.experiments.worker" in " ".join(sys.orig_argv):
    threading.Thread(target=flood, daemon=True).start()
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    job = Job("x", "distill", ("student",), {"nothing": 1})
    with LocalEngine(PROJECT, None, 1, logs=tmp_path) as engine:
        found = [engine.call(0, job) for _ in range(3)]
        said = engine.log_of(0).read_text("utf-8", "replace")
    assert all("unknown parameter 'nothing'" in one["error"] for one in found)
    assert all(letter * 10_000 in said for letter in "xyz")
