from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from alpkd_pipeline.scheduling import notify as module
from alpkd_pipeline.scheduling.notify import tell
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
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES_SECONDS", (0.0, 0.0))


def told(notify: Notify, project: Path = Path("/"), **changes: Any) -> list[str]:
    return tell(notify, {**REPORT, **changes}, project, dict(os.environ))


# The webhook -------------------------------------------------------------------------------------


def test_the_report_is_posted_as_json(serve: Any) -> None:
    server = serve(200)
    assert told(Notify(webhook=f"{server.address}/hook?key=canary")) == ["told by webhook"]
    ((path, kind, body),) = server.came
    assert (path, kind) == ("/hook?key=canary", "application/json")
    assert {key: body[key] for key in REPORT} == REPORT
    assert body["text"] == (
        "weekly on box: kedro rerun --latest-green ended with exit code 1 after 12.5 s."
        " drifted: mrpc accuracy -0.031, band ±0.012"
    )


def test_a_passing_failure_is_tried_again(serve: Any) -> None:
    server = serve(503, 204)
    assert told(Notify(webhook=server.address)) == ["told by webhook"]
    assert len(server.came) == 2


@pytest.mark.parametrize("code", [404, 500, 302, 307])
def test_what_is_no_success_is_said_without_the_address(code: int, serve: Any) -> None:
    server = serve(code)
    (line,) = told(Notify(webhook=f"{server.address}/canary"))
    assert line == f"the webhook was not reached: HTTP {code}"
    assert [path for path, _, _ in server.came] == ["/canary"] * 3


def test_nobody_there() -> None:
    (line,) = told(Notify(webhook="http://127.0.0.1:9/canary"))
    assert line == "the webhook was not reached: Connection refused"


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(module, "WEBHOOK_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (line,) = told(Notify(webhook=f"http://127.0.0.1:{silent.getsockname()[1]}/canary"))
    assert line in (
        "the webhook was not reached: TimeoutError",
        "the webhook was not reached: timed out",
    )


def test_an_address_that_http_refuses_is_not_quoted() -> None:
    (line,) = told(Notify(webhook="http://127.0.0.1:1/ca nary"))
    assert line == "the webhook was not reached: InvalidURL"


# The command -------------------------------------------------------------------------------------


def test_the_command_gets_the_report_and_the_variables(tmp_path: Path) -> None:
    command = 'cat > report.json; echo "$SCHEDULE_NAME $SCHEDULE_EXIT_CODE $SCHEDULE_VERDICT" > x'
    assert told(Notify(command), tmp_path) == ["told by notify.command"]
    assert json.loads((tmp_path / "report.json").read_text()) == REPORT
    assert (tmp_path / "x").read_text() == f"weekly 1 {REPORT['verdict']}\n"


def test_a_command_that_does_not_read_the_report(tmp_path: Path) -> None:
    lines = ["x" * 1000] * 2000
    assert told(Notify("true"), tmp_path, last_lines=lines) == ["told by notify.command"]


def test_a_command_that_fails_is_said(tmp_path: Path) -> None:
    assert told(Notify("exit 7"), tmp_path) == ["notify.command failed with exit code 7"]


def test_a_command_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND_SECONDS", 0.2)
    (line,) = told(Notify("exec sleep 30"), tmp_path)
    assert "did not end within" in line


# When --------------------------------------------------------------------------------------------


def test_good_runs_are_told_only_if_asked(tmp_path: Path) -> None:
    assert told(Notify("true"), tmp_path, exit_code=0) == []
    assert told(Notify("true", always=True), tmp_path, exit_code=0) == ["told by notify.command"]


def test_both_are_told_and_one_that_fails_does_not_stop_the_other(
    serve: Any, tmp_path: Path
) -> None:
    server = serve(200)
    lines = told(Notify("false", server.address), tmp_path)
    assert lines == ["notify.command failed with exit code 1", "told by webhook"]
