"""Timers and services of this user's systemd."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.timetable.entry import Entry, command_in
from alpkd_pipeline.orchestration.timetable.lock import STILL_RUNNING

TIMEOUT_SECONDS = 30.0

_SAFE = re.compile(r"[\w@+=:,./-]+", re.ASCII)
_MARK = "# alpkd_pipeline schedule"


@dataclass(frozen=True, slots=True)
class TimerSchedule:
    """A schedule that was found among this user's units: when, what, and whether it is active."""

    name: str
    when: str
    command: str
    active: bool


def unit_folder() -> Path:
    """Where this user's units lie."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "systemd" / "user"


def unit_files(entry: Entry, when: str) -> dict[str, str]:
    """The texts of an entry's service and timer, by file name.

    Args:
        entry: what to run.
        when: a checked calendar expression.
    """
    mark = f"{_MARK} {entry.name} of {entry.project}"
    what = f"alpkd_pipeline: {entry.name} ({entry.project})".replace("%", "%%")
    service = [
        *(mark, "[Unit]", f"Description={what}", "", "[Service]", "Type=oneshot"),
        f"WorkingDirectory={str(entry.project).replace('%', '%%')}",
        *(f"Environment={_quoted(f'{k}={v}')}" for k, v in entry.environment.items()),
        f"ExecStart={' '.join(_quoted(word, shell=True) for word in entry.start)}",
        # The command gets SIGTERM from its parent alone: a second one would stop it at once.
        "KillMode=mixed",
        f"SuccessExitStatus={STILL_RUNNING}",
    ]
    timer = [
        *(mark, "[Unit]", f"Description={what}", "", "[Timer]"),
        f"OnCalendar={when.replace('%', '%%')}",
        # What was missed while the machine was off is made up for.
        "Persistent=true",
        *("", "[Install]", "WantedBy=timers.target"),
    ]
    unit = _unit(entry.project, entry.name)
    texts = {f"{unit}.service": service, f"{unit}.timer": timer}
    return {file: "\n".join(lines) + "\n" for file, lines in texts.items()}


def install_units(entry: Entry, files: dict[str, str]) -> None:
    """Write an entry's units and start its timer.

    Raises:
        UserError: systemd does not run for this user, or refuses.
    """
    if (trouble := _trouble()) is not None:
        raise UserError(
            f"systemd is not running for this user ({trouble}): log in on the machine itself, or"
            " use --cron"
        )
    folder = unit_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / file).write_text(text, "utf-8")
    timer = f"{_unit(entry.project, entry.name)}.timer"
    # A timer that runs already goes by its old times until it is started again.
    for words in (["daemon-reload"], ["enable", timer], ["restart", timer]):
        done = _systemctl(*words)
        if done.returncode:
            raise UserError(f"systemctl --user {' '.join(words)} refuses: {_said(done)}")


def remove_units(project: Path, name: str) -> bool:
    """Stop a timer and delete its units; says whether there was one."""
    unit = _unit(project.resolve(), name)
    files = [unit_folder() / f"{unit}.{kind}" for kind in ("timer", "service")]
    if not any(file.is_file() for file in files):
        return False
    running = _trouble() is None
    if running:
        _systemctl("disable", "--now", f"{unit}.timer")
    for file in files:
        file.unlink(missing_ok=True)
    if running:
        _systemctl("daemon-reload")
    return True


def timer_schedules(project: Path) -> list[TimerSchedule]:
    """The schedules of a project among this user's units."""
    found, told = [], _trouble() is None
    for timer in sorted(unit_folder().glob("alpkd-*.timer")):
        mark, _, text = _read(timer).partition("\n")
        name, _, place = mark.removeprefix(_MARK).strip().partition(" of ")
        if mark.startswith(_MARK) and place == str(project.resolve()):
            when = _value(text, "OnCalendar").replace("%%", "%")
            active = told and _systemctl("is-active", timer.name).returncode == 0
            found.append(TimerSchedule(name, when, _command(timer), active))
    return found


def _unit(project: Path, name: str) -> str:
    """A name that no other project's schedule has."""
    digest = hashlib.sha256(os.fsencode(project)).hexdigest()[:8]
    return f"alpkd-{name}-{digest}"


def _quoted(word: str, *, shell: bool = False) -> str:
    """A word of a unit file: `%` starts a specifier, and `$` a variable in commands."""
    escaped = word.replace("%", "%%").replace('"', r"\"")
    if shell:
        escaped = escaped.replace("$", "$$")
    return escaped if _SAFE.fullmatch(word) else f'"{escaped}"'


def _command(timer: Path) -> str:
    line = _value(_read(timer.with_suffix(".service")), "ExecStart")
    try:
        return command_in(shlex.split(line.replace("%%", "%").replace("$$", "$")))
    except ValueError:
        return line


def _value(text: str, key: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith(f"{key}=")]
    return lines[-1].partition("=")[2] if lines else ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _trouble() -> str | None:
    """Why this user's systemd cannot be told anything; None when it can."""
    if shutil.which("systemctl") is None:
        return "no systemctl"
    done = _systemctl("show-environment")
    return _said(done) if done.returncode else None


def _systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemctl", "--user", "--no-pager", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        timeout=TIMEOUT_SECONDS,
    )


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.split()) or f"exit code {done.returncode}"
