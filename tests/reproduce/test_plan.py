from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.reproduce.conftest import BROUGHT, write_run

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reproduce import plan as plan_module
from alpkd_pipeline.reproduce.original import Difference, StoredRun
from alpkd_pipeline.reproduce.plan import (
    environment_lines,
    plan_lines,
    plan_or_error,
    plan_rerun,
)
from alpkd_pipeline.reproduce.result import Rerun

CODE = Difference("code", "code of the student", "1", "2")
TORCH = Difference("libraries", "torch", "2.12.0", "2.13.0")


@pytest.fixture
def other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "conditions", lambda *_: ([CODE], {}))


@pytest.fixture
def same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "conditions", lambda *_: ([], {}))


@pytest.mark.usefixtures("same_code")
def test_unchanged_code_is_simply_run(then: StoredRun, tmp_path: Path) -> None:
    planned = plan_rerun(then, tmp_path, tmp_path, here=False)
    assert planned == Rerun(then)
    assert plan_lines(planned) == [f"{then.path.name} (mrpc): made again with today's code"]


@pytest.mark.usefixtures("other_code")
def test_changed_code_without_its_commit_is_refused_but_here(
    then: StoredRun, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"does not know its commit ffffffff.*--here"):
        plan_rerun(then, tmp_path, tmp_path, here=False)
    planned = plan_rerun(then, tmp_path, tmp_path, here=True)
    assert planned.commit is None
    assert planned.differences == (CODE,)


def test_what_tells_todays_results_from_others(
    then: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = {"student": "1" * 64, "source": {"sha256": "2" * 64}}
    monkeypatch.setattr(plan_module, "conditions", lambda *_: ([CODE], today))
    monkeypatch.setattr(plan_module, "recorded_commit", lambda *_: "f" * 40)
    assert plan_rerun(then, tmp_path, tmp_path, here=True).today == today
    # Of a recorded commit only the data can have changed: its code has not.
    of_commit = plan_rerun(then, tmp_path, tmp_path, here=False)
    assert of_commit.today == {"source": {"sha256": "2" * 64}}


@pytest.mark.usefixtures("same_code")
def test_a_student_of_a_brought_teacher_can_be_made_again(tmp_path: Path) -> None:
    write_run(tmp_path, stage="teacher", key="a" * 64, run=BROUGHT)
    student = write_run(tmp_path, run=BROUGHT)
    assert plan_rerun(student, tmp_path, tmp_path, here=False).error is None


@pytest.mark.usefixtures("other_code")
def test_one_of_many_is_told_and_stops_no_other(then: StoredRun, tmp_path: Path) -> None:
    planned = plan_or_error(then, tmp_path, tmp_path, here=False)
    assert "does not know its commit" in (planned.error or "")
    (line,) = plan_lines(planned)
    assert "cannot be made again" in line


@pytest.mark.usefixtures("same_code")
def test_a_device_that_is_not_here_is_refused_but_here(tmp_path: Path) -> None:
    away = write_run(tmp_path, environment={"device": "mps"})
    with pytest.raises(UserError, match=r"trained on mps.*--here"):
        plan_rerun(away, tmp_path, tmp_path, here=False)
    assert plan_rerun(away, tmp_path, tmp_path, here=True).device == "auto"


@pytest.mark.parametrize(
    ("provenance", "lines"),
    [
        ({"git_commit": "ab" * 20}, ["git worktree add ../recorded-abababab abababab", "-m venv"]),
        ({"libraries": {"torch": "2.12.0"}}, ["pip install torch==2.12.0"]),
    ],
)
def test_the_commands_that_recreate_the_environment(
    tmp_path: Path, provenance: dict[str, Any], lines: list[str]
) -> None:
    made = write_run(tmp_path, run={"provenance": {"python": "3.11.7", **provenance}})
    said = "\n".join(environment_lines(Rerun(made, (TORCH,))))
    assert "python3.11 -m" in said
    assert all(line in said for line in lines)
    assert environment_lines(Rerun(made, (CODE,))) == []
