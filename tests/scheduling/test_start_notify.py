from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from alpkd_pipeline.scheduling import start
from alpkd_pipeline.scheduling.settings import Notify

REPORT: dict[str, Any] = {
    "project": "/p",
    "name": "weekly",
    "command": "kedro rerun --latest-green",
    "exit_code": 1,
    "verdict": "drifted: mrpc accuracy -0.031, band ±0.012",
    "last_lines": ["a", "b"],
    "log": "logs/x.log",
    "host": "box",
    "started": "2026-11-22T03:00:01Z",
    "seconds": 12.5,
    "text": "weekly on box: kedro rerun --latest-green ended with exit code 1",
}


def told(notify: Notify, project: Path = Path("/"), **changes: Any) -> str:
    return start.tell(notify, {**REPORT, "project": str(project), **changes}, dict(os.environ))


# The command -------------------------------------------------------------------------------------


def test_the_command_gets_the_report_and_the_variables(tmp_path: Path) -> None:
    command = 'cat > report.json; echo "$SCHEDULE_NAME $SCHEDULE_EXIT_CODE $SCHEDULE_VERDICT" > x'
    assert told(Notify(command=command), tmp_path) == "told by notify.command"
    got = json.loads((tmp_path / "report.json").read_text())
    assert got == {**REPORT, "project": str(tmp_path)}
    assert (tmp_path / "x").read_text() == f"weekly 1 {REPORT['verdict']}\n"


def test_a_command_that_does_not_read_the_report(tmp_path: Path) -> None:
    lines = ["x" * 1000] * 2000
    assert told(Notify(command="true"), tmp_path, last_lines=lines) == "told by notify.command"


def test_a_command_that_fails_is_said(tmp_path: Path) -> None:
    assert told(Notify(command="exit 7"), tmp_path) == "notify.command failed with exit code 7"


def test_a_command_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "NOTIFY_SECONDS", 0.2)
    assert "did not end within" in told(Notify(command="exec sleep 30"), tmp_path)


def test_good_runs_are_told_only_if_asked(tmp_path: Path) -> None:
    assert told(Notify(command="true"), tmp_path, exit_code=0) == ""
    assert (
        told(Notify(command="true", when="always"), tmp_path, exit_code=0)
        == "told by notify.command"
    )
