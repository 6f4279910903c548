"""What a scheduler starts: the command with its lock, its environment, its log and its report."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from alpkd_pipeline.errors import UserError, module, program
from alpkd_pipeline.scheduling import settings
from alpkd_pipeline.store.manifest import read_object, write_json

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NOTIFY_SECONDS = 60.0  # how long telling people may take
# How long to read on after the command's end: a process that it left behind may keep the pipe.
LAST_WORDS_SECONDS = 5.0
STILL_RUNNING = 75  # exit code where another start still runs: EX_TEMPFAIL of sysexits.h
LOCK, LAST = ".lock", "last.json"
KEPT = 30  # logs of a schedule that stay
LAST_LINES = 20  # lines of the output that go into a report


def check_name(name: str) -> None:
    """Refuse a name that is no plain file name; raises UserError."""
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,39}", name):
        raise UserError(
            f"schedule name {name!r}: use up to 40 letters, digits, - and _, such as weekly"
        )


def log_folder(project: Path, name: str) -> Path:
    """Where a schedule's logs, its lock and its last report lie."""
    return project / "logs" / "schedule" / name


def last_words(folder: Path) -> str:
    """When the last run of a log folder started, and how it ended."""
    last = read_object(folder / LAST)
    return ": ".join(str(last[key]) for key in ("started", "text") if key in last) or "never"


def start(project: Path, name: str, command: Sequence[str], *, echo: bool = False) -> int:
    """Run a command of the project as a scheduler does, and report on it.

    The command is without `kedro`; the log's folder is called like the schedule, `name`; `echo`
    prints the output, which is always in the log, too. Gives the command's exit code, or
    `STILL_RUNNING` when the last start has not ended. Where the name, the file of variables or the
    settings are wrong, it raises UserError and runs nothing.
    """
    check_name(name)
    folder = log_folder(project, name)
    folder.mkdir(parents=True, exist_ok=True)
    # A plain `flock` instead of the `FileLock` used elsewhere: the command inherits it. If this
    # process is killed, the command keeps the next one away until it ends.
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            since = read_object(folder / LAST).get("started", "just now")
            click.echo(f"{name} is still running since {since}: not started again", err=True)
            return STILL_RUNNING
        return _start(project, name, command, lock.fileno(), echo)


def _start(project: Path, name: str, command: Sequence[str], lock: int, echo: bool) -> int:
    began, folder = time.monotonic(), log_folder(project, name)
    report: dict[str, Any] = {
        "project": str(project),
        "name": name,
        "command": shlex.join([program(), *command]),
        "host": platform.node(),
        "started": _utc(),
        "seconds": 0.0,
        "log": "",
    }
    notify = settings.Notify()
    try:
        notify = settings.read_notify(project)
        secrets = settings.credential_values(project)
        variables = settings.read_env_file(project)
    except UserError as error:
        _keep(folder, report, 1, [str(error)])
        tell(notify, report, settings.child_environment(os.environ, {}))
        raise
    environment = settings.child_environment(os.environ, variables)
    path = folder / f"{report['started'].replace(':', '-')}.log"
    mask = settings.masking([*secrets, *variables.values()])
    log = RunLog(path, mask, echo=echo)
    report |= {"command": mask(report["command"]), "log": str(path.relative_to(project))}
    own = f"with     {', '.join(sorted(variables))} of {settings.ENV_FILE}\n" if variables else ""
    log.write(
        f"command  {report['command']}\nproject  {project} on {report['host']}\n"
        f"started  {report['started']}\n{own}"
    )
    for old in sorted(folder.glob("*.log"))[:-KEPT]:
        old.unlink(missing_ok=True)
    _keep(folder, report, None, [])

    words = [sys.executable, "-m", module(), *command]
    code = run_child(words, log.line, cwd=project, env=environment, pass_fds=[lock])
    report["seconds"] = round(time.monotonic() - began, 1)
    _keep(folder, report, code, log.last)
    log.write(f"\nended    {_utc()}\nresult   exit code {code} after {report['seconds']} s")
    if told := tell(notify, report, environment):
        log.write(f"notify   {told}")
    if code and not echo:
        # What cron sends by mail, where there is mail, and systemd writes to its event log.
        click.echo(report["text"], err=True)
    return code


def _keep(folder: Path, report: dict[str, Any], code: int | None, lines: list[str]) -> None:
    """Complete a report, and keep it for `kedro schedule --list`; no code: it has not ended."""
    verdict = "".join(lines[-1:])
    ended = f"ended with exit code {code} after {report['seconds']} s"
    text = f"{report['name']} on {report['host']}: {report['command']}"
    text += " has not ended, or was killed" if code is None else f" {ended}"
    text += (f": {verdict}" if verdict else "") + (f" ({report['log']})" if report["log"] else "")
    report |= {"exit_code": code, "verdict": verdict, "last_lines": lines, "text": text}
    with suppress(OSError):  # on a full disk the command goes on, and its exit code still counts
        write_json(folder / LAST, report)


def tell(notify: settings.Notify, report: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Hand a report that is free of secrets to the command that wants it; never raises.

    Says what came of it; nothing where nobody is told.
    """
    if not notify.command or (report["exit_code"] == 0 and notify.when != "always"):
        return ""
    # For commands that do not read JSON.
    short = ("name", "command", "exit_code", "verdict", "log", "host", "project")
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", notify.command],
            input=json.dumps(report, indent=2).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=report["project"],
            env={**environment, **{f"SCHEDULE_{key.upper()}": str(report[key]) for key in short}},
            timeout=NOTIFY_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"notify.command did not end within {NOTIFY_SECONDS:.0f} s and was stopped"
    except OSError as error:
        return f"notify.command could not be run: {error.strerror}"
    if done.returncode:
        return f"notify.command failed with exit code {done.returncode}"
    return "told by notify.command"


def run_child(words: Sequence[str], line: Callable[[str], None], **options: Any) -> int:
    """Run a command to its end with these options of `Popen`, and pass signals on to it.

    `line` is called with each line that it writes, whether on stdout or on stderr. Gives its exit
    code; 128 and the signal if it died of one, as shells do.
    """
    early: list[int] = []
    pass_on: Callable[[int], None] = early.append
    before = {one: signal.signal(one, lambda number, _: pass_on(number)) for one in SIGNALS}
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that Ctrl-C reaches it once: from here
            **options,
        )
        pass_on = process.send_signal
        for number in early:
            pass_on(number)

        def read() -> None:
            for given in process.stdout or ():
                line(given.decode("utf-8", "replace"))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        code = process.wait()
        reader.join(LAST_WORDS_SECONDS)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    return 128 - code if code < 0 else code


class RunLog:
    """Adds masked lines to a file, prints them too if asked (`echo`), and keeps the last ones of
    the command (`last`)."""

    def __init__(self, path: Path, mask: Callable[[str], str], *, echo: bool) -> None:
        self.last: list[str] = []
        self._path, self._mask, self._echo = path, mask, echo

    def line(self, text: str) -> None:
        """A line of the command's output."""
        text = self.write(text.rstrip("\r\n"))
        # Of a progress bar that was drawn over and over only the end counts.
        if text.strip():
            self.last = [*self.last, text.rsplit("\r", 1)[-1]][-LAST_LINES:]

    def write(self, text: str) -> str:
        """Lines of ours, around the command's output; gives them masked."""
        text = self._mask(text)
        if self._echo:
            click.echo(text)
        with suppress(OSError), self._path.open("a", encoding="utf-8") as file:  # as above
            file.write(text + "\n")
        return text


def _utc() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
