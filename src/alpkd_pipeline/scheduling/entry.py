"""A schedule: a command of the project as a scheduler starts it, and as units for systemd."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.errors import UserError, mask_credentials, module, program
from alpkd_pipeline.orchestration.sweep.ray_driver import PASSED_ON

STILL_RUNNING = 75
"""The exit code of a start that found another one running: EX_TEMPFAIL of sysexits.h."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_SAFE = re.compile(r"[\w@+=:,./-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """One schedule of a project: what to run (without `kedro`), where and with which interpreter.

    Log folder and units are named after it. Its environment is what schedulers would not pass on;
    nothing secret.
    """

    name: str
    project: Path
    python: str
    environment: Mapping[str, str]
    command: tuple[str, ...]

    @property
    def start(self) -> list[str]:
        """The command that a scheduler runs, word by word."""
        return [self.python, "-m", module(), "schedule", "--start", self.name, "--", *self.command]

    @property
    def shown(self) -> str:
        """The command as people type it."""
        return shlex.join([program(), *self.command])


def make_entry(project: Path, name: str, command: Sequence[str]) -> Entry:
    """An entry for this interpreter, with those variables of this shell that results depend on.

    Raises:
        UserError: a name, a command or a path that a scheduler's file cannot carry.
    """
    check_name(name)
    environment = {key: os.environ[key] for key in PASSED_ON if os.environ.get(key)}
    entry = Entry(name, project.resolve(), sys.executable, environment, tuple(command))
    for word in (str(entry.project), *entry.start, *environment.values()):
        if not word.isprintable() or "\\" in word:
            raise UserError(
                f"{word!r} has a backslash, a line break or a control character, which crontab and"
                " systemd would not pass on unchanged: put such values into conf/"
            )
        if mask_credentials(word) != word:
            raise UserError(
                f"'{mask_credentials(word)}': a schedule's file would show these credentials; put"
                " them into conf/local/ instead"
            )
    return entry


def check_name(name: str) -> None:
    """Refuse a name that is no plain file name; raises UserError."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"schedule name {name!r}: use up to 40 letters, digits, - and _, such as weekly"
        )


def unit_files(entry: Entry, when: str) -> dict[str, str]:
    """The texts of an entry's service and timer for systemd, by file name.

    Raises:
        UserError: an expression that would break the timer's file; systemd judges the rest.
    """
    if not when.strip() or not when.isprintable():
        raise UserError("--on-calendar is empty or has control characters: give 'Sun 03:00'")
    what = f"alpkd_pipeline: {entry.name} ({entry.project})".replace("%", "%%")
    environment = "".join(
        f"Environment={_quoted(f'{k}={v}')}\n" for k, v in entry.environment.items()
    )
    # The command gets SIGTERM from its parent alone: a second one would stop it at once.
    service = f"""[Unit]
Description={what}

[Service]
Type=oneshot
WorkingDirectory={str(entry.project).replace("%", "%%")}
{environment}ExecStart={" ".join(_quoted(word, shell=True) for word in entry.start)}
KillMode=mixed
SuccessExitStatus={STILL_RUNNING}
"""
    # What was missed while the machine was off is made up for.
    timer = f"""[Unit]
Description={what}

[Timer]
OnCalendar={when.replace("%", "%%")}
Persistent=true

[Install]
WantedBy=timers.target
"""
    unit = unit_name(entry.project, entry.name)
    return {f"{unit}.service": service, f"{unit}.timer": timer}


def unit_name(project: Path, name: str) -> str:
    """What a schedule's units are called: as those of no other project are."""
    digest = hashlib.sha256(os.fsencode(project.resolve())).hexdigest()[:8]
    return f"alpkd-{name}-{digest}"


def _quoted(word: str, *, shell: bool = False) -> str:
    """A word of a unit file: `%` starts a specifier, and `$` a variable in commands."""
    escaped = word.replace("%", "%%").replace('"', r"\"")
    if shell:
        escaped = escaped.replace("$", "$$")
    return escaped if _SAFE.fullmatch(word) else f'"{escaped}"'
