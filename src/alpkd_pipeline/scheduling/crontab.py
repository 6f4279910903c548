"""This user's crontab: our blocks between two marks, everything else as it was; and their list."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.program import as_typed, program
from alpkd_pipeline.scheduling import run_log
from alpkd_pipeline.scheduling.cron import parse_cron
from alpkd_pipeline.scheduling.entry import Entry, check_name, marks, unit_name

TIMEOUT_SECONDS = 20.0


class CronSchedule(NamedTuple):
    """A schedule that was found in a crontab: when (a cron expression) and what."""

    name: str
    when: str
    command: str


def install(entry: Entry, block: str) -> None:
    """Put an entry's block into the crontab; raises UserError where crontab refuses."""
    before = read_crontab()
    write_crontab(before, with_block(before, entry, block))


def remove(project: Path, name: str) -> None:
    """Take a schedule out of the crontab; UserError where there is none, or crontab refuses."""
    check_name(name)
    before = _if_any()
    after = without_block(before, project, name)
    if after == before:
        raise UserError(
            f"there is no schedule '{name}' of this project in the crontab: kedro schedule --list;"
            f" a timer of systemd goes by systemctl --user disable --now"
            f" {unit_name(project, name)}.timer"
        )
    write_crontab(before, after)


def listed(project: Path, now: datetime) -> str:
    """All schedules of a project as text, a block of lines for each; `now` is local time."""
    crons = cron_schedules(_if_any(), project)
    found = [(s.name, f"cron '{s.when}', {s.command}", next_start(s.when, now)) for s in crons]
    known = {schedule.name for schedule in crons}
    for last in sorted(run_log.log_folder(project, "").glob(f"*/{run_log.LAST}")):
        # Started by hand, or by a scheduler that is not asked.
        if (name := last.parent.name) not in known:
            command = run_log.last_outcome(last.parent).get("command", "?")
            found.append((name, f"not in the crontab, {command}", "unknown"))
    blocks = []
    for name, what, following in found:
        words = run_log.last_words(run_log.log_folder(project, name))
        blocks.append(f"{name}: {what}\n  next: {following}\n  last: {words}")
    return "\n".join(blocks) or as_typed("no schedules of this project: kedro schedule --help")


def next_start(when: str, now: datetime) -> str:
    """When cron starts something next, with the zone of this machine's clock."""
    if not when:
        return "never, its line in the crontab is gone or switched off"
    try:
        following = parse_cron(when).next_after(now)
    except UserError as error:
        return f"unknown ({error})"
    return following.astimezone().strftime("%a %Y-%m-%d %H:%M %Z") if following else "never"


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


def _block(project: Path, name: str = r"[\w-]+") -> re.Pattern[str]:
    place = re.escape(str(project.resolve()))
    begin, end = marks(place, f"(?P<name>{name})")[0], marks(place, "(?P=name)")[1]
    # Between the marks stands no other mark: one that was left alone must not swallow what follows.
    body = r"(?P<body>(?:(?!# (?:>>>|<<<) ).*\n)*?)"
    return re.compile(f"^{begin}\n{body}{end}\n", re.MULTILINE)


def _read_line(body: str) -> tuple[str, str]:
    """When and what, of the first line that is no comment; people may have changed it."""
    lines = [line.strip() for line in body.splitlines()]
    line = next((line for line in lines if line and not line.startswith("#")), "")
    fields = 1 if line.startswith("@") else 5
    words = line.split(maxsplit=fields)
    if len(words) <= fields:
        return "", "(switched off)"
    try:
        start = shlex.split(words[fields].replace(r"\%", "%"))
        command = shlex.join([program(), *start[start.index("--") + 1 :]])
    except ValueError:
        command = words[fields]
    return " ".join(words[:fields]), command


def read_crontab() -> str:
    """This user's crontab, byte for byte, empty if there is none; raises UserError if refused."""
    return _crontab("-l", "crontab -l")


def write_crontab(before: str, after: str) -> None:
    """Replace this user's crontab; nothing removes it. UserError if it was changed, or refused."""
    if read_crontab() != before:
        raise UserError("somebody else has just changed the crontab: run the command again")
    _crontab("-" if after else "-r", "crontab", after)


def _if_any() -> str:
    return read_crontab() if shutil.which("crontab") else ""


def _crontab(argument: str, shown: str, given: str = "") -> str:
    crontab = shutil.which("crontab")
    if crontab is None:
        raise UserError(
            "there is no crontab on this machine: install cron, or use --on-calendar for systemd"
        )
    try:
        done = subprocess.run(
            [crontab, argument],
            input=given.encode("utf-8", "surrogateescape"),
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"crontab {argument} does not answer: look at `crontab -l`") from None
    said = " ".join(done.stderr.decode("utf-8", "replace").split())
    if done.returncode and "no crontab for" not in said:
        raise UserError(f"{shown} refuses: {said or f'exit code {done.returncode}'}")
    return done.stdout.decode("utf-8", "surrogateescape")
