"""This user's crontab: our blocks between two marks, everything else as it was."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.timetable.entry import Entry, command_in

LONGEST_COMMAND = 998
"""Bytes that Debian's cron takes after the five fields; it rejects the whole crontab otherwise."""

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """A schedule that was found in a crontab: when (a cron expression) and what."""

    name: str
    when: str
    command: str


def crontab_block(entry: Entry, when: str) -> str:
    """The lines for a crontab, marks included.

    Args:
        entry: what to run.
        when: a checked cron expression.

    Raises:
        UserError: the line is longer than cron takes.
    """
    variables = [f"{key}={shlex.quote(value)}" for key, value in entry.environment.items()]
    start = " ".join([*variables, shlex.join(entry.start)])
    # A percent sign ends the command in a crontab.
    command = f"cd {shlex.quote(str(entry.project))} && {start}".replace("%", r"\%")
    if (size := len(command.encode())) > LONGEST_COMMAND:
        raise UserError(
            f"the crontab line of '{entry.name}' has {size} bytes, cron takes {LONGEST_COMMAND}:"
            " use --on-calendar, or put parameters into conf/"
        )
    begin, end = _marks(entry.project, entry.name)
    return f"{begin}\n{when} {command}\n{end}\n"


def with_block(crontab: str, entry: Entry, block: str) -> str:
    """A crontab with an entry's block, in its old place if there was one."""
    found = _block(entry.project, entry.name).search(crontab)
    if found:
        return crontab[: found.start()] + block + crontab[found.end() :]
    gap = "" if not crontab or crontab.endswith("\n") else "\n"
    return f"{crontab}{gap}{block}"


def without_block(crontab: str, project: Path, name: str) -> str:
    """A crontab without one of our blocks; unchanged if it is not there."""
    return _block(project, name).sub("", crontab)


def cron_schedules(crontab: str, project: Path) -> list[CronSchedule]:
    """The schedules of a project that a crontab holds."""
    return [
        CronSchedule(found["name"], *_read_line(found["body"]))
        for found in _block(project).finditer(crontab)
    ]


def read_crontab() -> str:
    """This user's crontab, byte for byte; empty when there is none.

    Raises:
        UserError: there is no `crontab`, or it refuses.
    """
    done = _crontab("-l")
    if done.returncode == 0:
        return _text(done.stdout)
    if b"no crontab for" in done.stderr:
        return ""
    raise UserError(f"crontab -l refuses: {_said(done)}")


def write_crontab(before: str, after: str) -> None:
    """Replace this user's crontab, if it still is what was read.

    Args:
        before: what `read_crontab` gave.
        after: what it shall be; empty removes the crontab.

    Raises:
        UserError: it has changed since, or crontab refuses.
    """
    if read_crontab() != before:
        raise UserError("somebody else has just changed the crontab: run the command again")
    done = _crontab("-", after) if after else _crontab("-r")
    if done.returncode:
        raise UserError(f"crontab refuses: {_said(done)}")


def _marks(project: Path, name: str) -> tuple[str, str]:
    what = f"alpkd_pipeline schedule {name} of {project}"
    return f"# >>> {what}", f"# <<< {what}"


def _block(project: Path, name: str | None = None) -> re.Pattern[str]:
    any_name = r"(?P<name>[\w-]+)" if name is None else f"(?P<name>{re.escape(name)})"
    what = rf"alpkd_pipeline schedule {any_name} of {re.escape(str(project.resolve()))}\n"
    # Between the marks stands no other mark: one that was left alone must not swallow what follows.
    body = r"(?P<body>(?:(?!# (?:>>>|<<<) ).*\n)*?)"
    end = what.replace(any_name, "(?P=name)")
    return re.compile(f"^# >>> {what}{body}# <<< {end}", re.MULTILINE)


def _read_line(body: str) -> tuple[str, str]:
    """When and what, of the first line that is no comment; people may have changed it."""
    lines = [line.strip() for line in body.splitlines()]
    line = next((line for line in lines if line and not line.startswith("#")), "")
    fields = 1 if line.startswith("@") else 5
    words = line.split(maxsplit=fields)
    if len(words) <= fields:
        return "", "(switched off)"
    try:
        command = command_in(shlex.split(words[fields].replace(r"\%", "%")))
    except ValueError:
        command = words[fields]
    return " ".join(words[:fields]), command


def _crontab(argument: str, given: str = "") -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("crontab")
    if program is None:
        raise UserError(
            "there is no crontab on this machine: install cron, or use --on-calendar for systemd"
        )
    try:
        return subprocess.run(
            [program, argument],
            input=given.encode("utf-8", "surrogateescape"),
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"crontab {argument} does not answer: look at `crontab -l`") from None


def _text(given: bytes) -> str:
    return given.decode("utf-8", "surrogateescape")


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join(_text(done.stderr).split()) or f"exit code {done.returncode}"
