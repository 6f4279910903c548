"""What a scheduler starts: the command with its lock, its environment, its log and its report."""

from __future__ import annotations

import os
import platform
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import click

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.program import module, program
from alpkd_pipeline.scheduling import run_log, settings
from alpkd_pipeline.scheduling.entry import check_name
from alpkd_pipeline.scheduling.notify import tell
from alpkd_pipeline.scheduling.run_log import remember, utc

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

LAST_WORDS_SECONDS = 5.0
"""How long to read on after the command's end: a process that it left behind may keep the pipe."""


def start(project: Path, name: str, command: Sequence[str], *, echo: bool = False) -> int:
    """Run a command of the project as a scheduler does, and report on it.

    The command is without `kedro`; the log's folder is called like the schedule, `name`; `echo`
    prints the output, which is always in the log, too. Gives the command's exit code, or
    `STILL_RUNNING` when the last start has not ended. Where the name, the file of variables or the
    settings are wrong, it raises UserError and runs nothing.
    """
    check_name(name)
    folder = run_log.log_folder(project, name)
    try:
        with run_log.held(folder / run_log.LOCK) as lock:
            return _start(project, name, command, lock, echo)
    except run_log.StillRunning:
        last = run_log.last_outcome(folder)
        since = f" since {last['started']}" if "started" in last else ""
        click.echo(f"{name} is still running{since}: not started again", err=True)
        return run_log.STILL_RUNNING
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be used: {error.strerror}") from None


def _start(project: Path, name: str, command: Sequence[str], lock: int, echo: bool) -> int:
    began, started = time.monotonic(), datetime.now(UTC)
    folder = run_log.log_folder(project, name)
    report: dict[str, Any] = {
        "project": str(project),
        "name": name,
        "command": shlex.join([program(), *command]),
        "host": platform.node(),
        "started": utc(started),
        "seconds": 0.0,
        "verdict": "",
        "last_lines": [],
        "log": "",
        "exit_code": None,
    }
    notify = settings.Notify()
    try:
        notify = settings.read_notify(project)
        secrets = [*notify.secrets, *settings.credential_values(project)]
        variables = settings.read_env_file(project)
    except UserError as error:
        report |= {"exit_code": 1, "verdict": str(error)}
        remember(folder, report)
        tell(notify, report, project, settings.child_environment(os.environ, {}))
        raise
    masking = settings.Masking([*secrets, *variables.values()])
    environment = settings.child_environment(os.environ, variables)
    with closing(run_log.RunLog(folder, started, masking, echo=echo)) as log:
        report["command"] = masking(report["command"])
        report["log"] = str(log.path.relative_to(project))
        log.heading(f"command  {report['command']}")
        log.heading(f"project  {project} on {report['host']}")
        log.heading(f"started  {report['started']}")
        if variables:
            log.heading(f"with     {', '.join(sorted(variables))} of conf/local/schedule.env")
        log.heading("")
        remember(folder, report)

        words = [sys.executable, "-m", module(), *command]
        report["exit_code"] = run_child(words, project, environment, log.line, [lock])
        report["seconds"] = round(time.monotonic() - began, 1)
        report["last_lines"] = log.last
        report["verdict"] = next(reversed(report["last_lines"]), "")
        remember(folder, report)
        ended = f"exit code {report['exit_code']} after {report['seconds']} s"
        log.heading("")
        log.heading(f"ended    {utc(datetime.now(UTC))}")
        log.heading(f"result   {ended}")

        if told := tell(notify, report, project, environment):
            for line in told:
                log.heading(f"notify   {line}")
            remember(folder, {**report, "notified": told})
    if report["exit_code"] and not echo:
        # What cron sends by mail, where there is mail, and systemd writes to its journal.
        verdict = f": {report['verdict']}" if report["verdict"] else ""
        said = f"{name}: {report['command']} ended with {ended}{verdict} ({report['log']})"
        click.echo(said, err=True)
    return int(report["exit_code"])


def run_child(
    words: Sequence[str],
    project: Path,
    environment: Mapping[str, str],
    line: Callable[[str], None],
    inherited: Sequence[int] = (),
) -> int:
    """Run a command in the project's folder to its end, and pass signals on to it.

    `line` is called with each line that it writes, whether on stdout or on stderr. Descriptors that
    are `inherited` stay open. Gives its exit code; 128 and the signal if it died of one, as shells
    do.
    """
    waiting: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if running:
            running[0].send_signal(number)
        else:
            waiting.append(number)

    with ExitStack() as stack:
        for one in SIGNALS:
            stack.callback(signal.signal, one, signal.signal(one, pass_on))
        # In a session of its own, so that Ctrl-C reaches it once: from here.
        process = subprocess.Popen(
            words,
            cwd=project,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(inherited),
        )
        running.append(process)
        for number in waiting:
            process.send_signal(number)

        def read() -> None:
            for given in process.stdout or ():
                line(given.decode("utf-8", "replace"))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        code = process.wait()
        reader.join(LAST_WORDS_SECONDS)
    return 128 - code if code < 0 else code
