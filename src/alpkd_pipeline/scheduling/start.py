"""What a scheduler starts: the command with its lock, its environment, its log and its report."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import click

from alpkd_pipeline.errors import UserError, module, program
from alpkd_pipeline.scheduling import settings
from alpkd_pipeline.scheduling.entry import STILL_RUNNING, check_name
from alpkd_pipeline.store.manifest import read_object, write_json

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

NOTIFY_SECONDS = 60.0
"""How long telling people may take."""

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
    folder = log_folder(project, name)
    try:
        with held(folder / LOCK) as lock:
            if lock is not None:
                return _start(project, name, command, lock, echo)
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be used: {error.strerror}") from None
    last = last_outcome(folder)
    since = f" since {last['started']}" if "started" in last else ""
    click.echo(f"{name} is still running{since}: not started again", err=True)
    return STILL_RUNNING


def _start(project: Path, name: str, command: Sequence[str], lock: int, echo: bool) -> int:
    began, started = time.monotonic(), datetime.now(UTC)
    folder = log_folder(project, name)
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
        secrets = settings.credential_values(project)
        variables = settings.read_env_file(project)
    except UserError as error:
        report |= {"exit_code": 1, "verdict": str(error)}
        remember(folder, report)
        tell(notify, report, project, settings.child_environment(os.environ, {}))
        raise
    masking = settings.Masking([*secrets, *variables.values()])
    environment = settings.child_environment(os.environ, variables)
    with closing(RunLog(folder, started, masking, echo=echo)) as log:
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
            log.heading(f"notify   {told}")
    if report["exit_code"] and not echo:
        # What cron sends by mail, where there is mail, and systemd writes to its journal.
        verdict = f": {report['verdict']}" if report["verdict"] else ""
        said = f"{name}: {report['command']} ended with {ended}{verdict} ({report['log']})"
        click.echo(said, err=True)
    return int(report["exit_code"])


def tell(
    notify: settings.Notify,
    report: Mapping[str, Any],
    project: Path,
    environment: Mapping[str, str],
) -> str:
    """Hand a report that is free of secrets to the command that wants it; never raises.

    Says what came of it; nothing where nobody is told.
    """
    if not notify.command or (report["exit_code"] == 0 and notify.when != "always"):
        return ""
    # Short facts as variables, for commands that do not read JSON; a text for chat programs.
    short = ("name", "command", "exit_code", "verdict", "log", "host", "project")
    facts = {f"SCHEDULE_{key.upper()}": str(report[key]) for key in short}
    text = (
        f"{report['name']} on {report['host']}: {report['command']} ended with exit code"
        f" {report['exit_code']} after {report['seconds']} s. {report['verdict']}"
    )
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", notify.command],
            input=json.dumps({"text": text, **report}, indent=2).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=project,
            env={**environment, **facts},
            timeout=NOTIFY_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"notify.command did not end within {NOTIFY_SECONDS:.0f} s and was stopped"
    except OSError as error:
        return f"notify.command could not be run: {error.strerror}"
    if done.returncode:
        return f"notify.command failed with exit code {done.returncode}"
    return "told by notify.command"


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


LOCK, LAST = ".lock", "last.json"

KEPT = 30
"""How many logs of a schedule stay."""

LAST_LINES = 20
"""How many lines of the output go into a report."""


def log_folder(project: Path, name: str) -> Path:
    """Where a schedule's logs, its lock and its last outcome lie."""
    return project / "logs" / "schedule" / name


def utc(moment: datetime) -> str:
    """A moment as it stands in reports: `2026-11-22T03:00:01Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def held(path: Path) -> Iterator[int | None]:
    """Hold a lock file, and give its descriptor to be inherited; None if somebody else has it.

    A plain `flock` instead of the `FileLock` used elsewhere: whoever inherits the descriptor holds
    the lock too. So a command whose parent was killed keeps the next one away until it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        free = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            free = False
        yield file.fileno() if free else None


class RunLog:
    """Writes masked lines to a file named after the time, prints them too if asked (`echo`), and
    keeps the last ones of the command (`last`)."""

    def __init__(
        self, folder: Path, started: datetime, masking: settings.Masking, *, echo: bool
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        stem = utc(started).replace(":", "-")
        paths = (folder / f"{stem}{f'-{n}' if n else ''}.log" for n in count())
        self.path = next(path for path in paths if not path.exists())
        self.last: list[str] = []
        self._masking, self._echo = masking, echo
        self._file = self.path.open("w", encoding="utf-8")
        for path in sorted(folder.glob("*.log"))[:-KEPT]:
            path.unlink(missing_ok=True)

    def line(self, text: str) -> None:
        """A line of the command's output."""
        text = self._masking(text.rstrip("\r\n"))
        # Of a progress bar that was drawn over and over only the end counts.
        if text.strip():
            self.last = [*self.last, text.rsplit("\r", 1)[-1]][-LAST_LINES:]
        self.heading(text)

    def heading(self, text: str) -> None:
        """A line of ours, around the command's output."""
        text = self._masking(text)
        if self._echo:
            click.echo(text)
        # On a full disk the command goes on, and its exit code still counts. To a closed file comes
        # what a process says that the command left behind.
        with suppress(OSError, ValueError):
            self._file.write(text + "\n")
            self._file.flush()

    def close(self) -> None:
        """Finish the file."""
        with suppress(OSError):  # a full disk: what was written stays
            self._file.close()


def remember(folder: Path, outcome: dict[str, Any]) -> None:
    """Keep the outcome of the last run, for `kedro schedule --list`."""
    with suppress(OSError):  # as above
        write_json(folder / LAST, outcome)


def last_outcome(folder: Path) -> dict[str, Any]:
    """The outcome of the last run; empty when there was none or it cannot be read."""
    return read_object(folder / LAST)


def last_words(folder: Path) -> str:
    """When the last run started, what it was, and how it ended."""
    outcome = last_outcome(folder)
    if not outcome:
        return "never"
    begun = f"{outcome.get('started', '?')}, {outcome.get('command', '?')}"
    if outcome.get("exit_code") is None:
        ended = "has not ended, or was killed"
    else:
        ended = f"exit code {outcome['exit_code']} after {outcome.get('seconds', '?')} s"
    verdict = f": {outcome['verdict']}" if outcome.get("verdict") else ""
    log = f"\n        {outcome['log']}" if outcome.get("log") else ""
    return f"{begun}, {ended}{verdict}{log}"
