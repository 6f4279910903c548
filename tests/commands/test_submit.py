"""`kedro submit` as a user types it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
from click.testing import CliRunner
from kedro.framework.project import configure_project
from tests.evaluation.glue_students import diagnostic, evaluated, student
from tests.projects import copied_project

from alpkd_pipeline.commands.submit import submit
from alpkd_pipeline.tasks.glue import GLUE

ROWS = {
    name: rows
    for glue in GLUE.values()
    for name, rows in zip(glue.submission.values(), glue.test_rows.values(), strict=True)
}
WHICH = ("--method=kd", "--layers=2", "--seed=0")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an evaluated student of every task."""
    configure_project("alpkd_pipeline")
    root = copied_project(tmp_path_factory.mktemp("submit") / "project", tracking="off")
    for task in GLUE:
        evaluated(student(root / "data", task))
    return root


@pytest.fixture
def typed(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, which: tuple[str, ...] = WHICH) -> Any:
        given = SimpleNamespace(project_path=project)
        return CliRunner().invoke(submit, [*which, *words], obj=given)

    return run


def rows_in(path: Path) -> dict[str, int]:
    with ZipFile(path) as file:
        assert file.testzip() is None
        return {name: len(file.read(name).splitlines()) - 1 for name in file.namelist()}


def test_all_eleven_tables(typed: Any, tmp_path: Path) -> None:
    table = diagnostic(tmp_path / "diagnostic.tsv")
    done = typed(f"--ax={table}")
    assert done.exit_code == 0, done.output
    first, *students = done.output.splitlines()
    assert first == "submission: glue_submission.zip (11 files)"
    assert [line.split()[0] for line in students] == list(GLUE)
    assert rows_in(tmp_path / "glue_submission.zip") == {**ROWS, "AX.tsv": 1_104}
    assert {path.name for path in tmp_path.iterdir()} == {"diagnostic.tsv", "glue_submission.zip"}


def test_without_the_diagnostic_set_it_is_incomplete(typed: Any, tmp_path: Path) -> None:
    done = typed("--out=mine.zip")
    assert done.exit_code == 1
    assert rows_in(tmp_path / "mine-incomplete.zip") == ROWS
    assert not (tmp_path / "mine.zip").exists()
    *_, told, missing = done.output.splitlines()
    assert told == "incomplete, gluebenchmark.com refuses it; missing are"
    assert missing.startswith("  AX.tsv: the MNLI student makes it")
    assert typed("--out=mine.zip", "--partial").exit_code == 0


def test_missing_tasks_are_refused_or_left_out(typed: Any, tmp_path: Path) -> None:
    store = tmp_path / "other store"
    evaluated(student(store, "rte"))
    student(store, "mnli")
    given = (f"--params=run.store={store}", "--env=minilm")
    done = typed(*given)
    assert done.exit_code == 1
    head, *lines = done.output.splitlines()
    assert head == "Error: 8 GLUE tasks have nothing to submit:"
    assert [line.split(":")[0] for line in lines] == [task for task in GLUE if task != "rte"]
    assert (
        "cola: no student has method.name=kd, student.layers=2, seed=0; `kedro run"
        " --pipeline=evaluate --env=minilm '--params=task.name=cola,method.name=kd,student.layers=2"
        f",seed=0,run.store={store}'` makes one"
    ) in lines
    (line,) = [line for line in lines if line.startswith("mnli")]
    assert "is not evaluated; `kedro run --pipeline=evaluate '--params=task.name=mnli" in line
    assert not list(tmp_path.glob("*.zip"))
    done = typed(*given, "--partial", f"--ax={diagnostic(tmp_path / 'd.tsv')}")
    assert done.exit_code == 0
    assert rows_in(tmp_path / "glue_submission-incomplete.zip") == {"RTE.tsv": 3_000}
    assert len(done.output.splitlines()) == 3 + 8 + 1


def test_one_missing_task_is_one_line(typed: Any, project: Path) -> None:
    extra = student(project / "data", "wnli", "e", training__lr=0.5)
    evaluated(extra)
    done = typed()
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert line.startswith("Error: wnli: 2 students fit (")
    done = typed("--only=0000000e", "--partial")
    assert f"wnli  {extra.name}" in done.output
    for path in [extra, *project.glob(f"data/07_model_output/evaluation/wnli/{extra.name}-*")]:
        path.rename(path.with_name(f".{path.name}"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out=mine.tar"], "--out=mine.tar: give a name that ends with .zip"),
        (["--out=no/where.zip"], "in a folder that is there"),
        (["--ax=no.tsv"], "--ax=no.tsv: there is no such file"),
        (["--method=kdd"], "unknown method 'kdd'"),
        (["--params=run.store=nowhere"], "there is no store"),
        (["--seed=7", "--partial"], "9 GLUE tasks have nothing to submit"),
    ],
)
def test_what_cannot_be_done_is_said(typed: Any, words: list[str], said: str) -> None:
    done = typed(*words)
    assert done.exit_code == 1
    assert said in done.output
