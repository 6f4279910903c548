"""What a scheduler starts: the command with its lock, its environment, its log and its report."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.timetable.child import run_child
from alpkd_pipeline.orchestration.timetable.entry import Entry, check_name
from alpkd_pipeline.orchestration.timetable.environment import child_environment, read_env_file
from alpkd_pipeline.orchestration.timetable.lock import STILL_RUNNING, StillRunning, held
from alpkd_pipeline.orchestration.timetable.masking import Masking
from alpkd_pipeline.orchestration.timetable.notify import tell
from alpkd_pipeline.orchestration.timetable.run_log import (
    RunLog,
    last_outcome,
    log_folder,
    remember,
    utc,
)
from alpkd_pipeline.orchestration.timetable.settings import (
    Notify,
    credential_values,
    read_notify,
)
from alpkd_pipeline.program import module

LOCK = ".lock"


def start(project: Path, name: str, command: Sequence[str], *, echo: bool = False) -> int:
    """Run a command of the project as a scheduler does, and report on it.

    Args:
        project: the project's folder.
        name: the schedule's name; its log folder is called so.
        command: what to run, without `kedro`.
        echo: whether the command's output is printed too; it is always in the log.

    Returns:
        The command's exit code, or `STILL_RUNNING` when the last start has not ended.

    Raises:
        UserError: the name, the file of variables or the settings are wrong; then nothing runs.
    """
    check_name(name)
    folder = log_folder(project, name)
    try:
        with held(folder / LOCK) as lock:
            return _Start(project, name, command).run(lock, echo=echo)
    except StillRunning:
        last = last_outcome(folder)
        since = f" since {last['started']}" if "started" in last else ""
        click.echo(f"{name} is still running{since}: not started again", err=True)
        return STILL_RUNNING
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be used: {error.strerror}") from None


class _Start:
    """One run: what is known before it, while it goes and after it."""

    def __init__(self, project: Path, name: str, command: Sequence[str]) -> None:
        self.project, self.folder = project, log_folder(project, name)
        self.words = [sys.executable, "-m", module(), *command]
        self.began, started = time.monotonic(), datetime.now(UTC)
        self.report: dict[str, Any] = {
            "project": str(project),
            "name": name,
            "command": Entry(name, project, sys.executable, {}, tuple(command)).shown,
            "host": platform.node(),
            "started": utc(started),
            "seconds": 0.0,
            "verdict": "",
            "last_lines": [],
            "log": "",
        }
        self.started = started

    def run(self, lock: int, *, echo: bool) -> int:
        notify = Notify()
        try:
            notify = read_notify(self.project)
            credentials, variables = credential_values(self.project), read_env_file(self.project)
        except UserError as error:
            self._remember(exit_code=1, verdict=str(error))
            tell(notify, self.report, self.project, child_environment(os.environ, {}))
            raise
        masking = Masking([*notify.secrets, *credentials, *variables.values()])
        environment = child_environment(os.environ, variables)
        log = RunLog(self.folder, self.started, masking, echo=echo)
        try:
            self._begin(log, masking, sorted(variables))
            code = run_child(self.words, self.project, environment, log.line, [lock])
            self._end(log, code)
            self._tell(log, notify, environment)
        finally:
            log.close()
        if code and not echo:
            click.echo(self._failure(), err=True)
        return code

    def _begin(self, log: RunLog, masking: Masking, variables: list[str]) -> None:
        self.report["command"] = masking(self.report["command"])
        self.report["log"] = str(log.path.relative_to(self.project))
        log.heading(f"command  {self.report['command']}")
        log.heading(f"project  {self.project} on {self.report['host']}")
        log.heading(f"started  {self.report['started']}")
        if variables:
            log.heading(f"with     {', '.join(variables)} of conf/local/schedule.env")
        log.heading("")
        self._remember(exit_code=None)

    def _end(self, log: RunLog, code: int) -> None:
        lines = log.last
        self._remember(
            exit_code=code,
            seconds=round(time.monotonic() - self.began, 1),
            verdict=lines[-1] if lines else "",
            last_lines=lines,
        )
        log.heading("")
        log.heading(f"ended    {utc(datetime.now(UTC))}")
        log.heading(f"result   exit code {code} after {self.report['seconds']} s")

    def _tell(self, log: RunLog, notify: Notify, environment: dict[str, str]) -> None:
        told = tell(notify, self.report, self.project, environment)
        for line in told:
            log.heading(f"notify   {line}")
        if told:
            self._remember(notified=told)

    def _failure(self) -> str:
        """What cron sends by mail, where there is mail, and systemd writes to its journal."""
        facts = self.report
        verdict = f": {facts['verdict']}" if facts["verdict"] else ""
        return (
            f"{facts['name']}: {facts['command']} ended with exit code {facts['exit_code']} after"
            f" {facts['seconds']} s{verdict} ({facts['log']})"
        )

    def _remember(self, **facts: Any) -> None:
        self.report |= facts
        remember(self.folder, self.report)
