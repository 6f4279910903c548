"""This user's crontab: our blocks between two marks, everything else as it was; and their list."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

from cronsim import CronSim, CronSimError

from alpkd_pipeline.errors import UserError, as_typed
from alpkd_pipeline.scheduling.entry import Entry, check_name, unit_name
from alpkd_pipeline.scheduling.start import LAST, last_words, log_folder

TIMEOUT_SECONDS = 20.0

LONGEST_COMMAND = 998
"""Bytes that Debian's cron takes after the five fields; it rejects the whole crontab otherwise."""

SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_LARGEST_STEPS = {"minute": 59, "hour": 23, "day-of-month": 31, "month": 12, "day-of-week": 7}

_ONE = "(?:[0-9]{1,2}|[a-z]{3})"
_PART = re.compile(rf"(?:\*|{_ONE}-{_ONE})(?:/[0-9]{{1,2}})?|{_ONE}", re.IGNORECASE | re.ASCII)
"""What every cron reads alike. Some know `L`, `W`, `#`, `?`, `~` and a step after a number, as
cronsim knows some of them; others would reject the line, or read it differently."""


def next_start(when: str, now: datetime) -> datetime:
    """When cron would next start something; a UserError says what an expression may hold.

    Both are local time without a zone, as cron looks at the clock; hours that the clock skips or
    repeats twice a year are not treated apart.
    """
    fields = SHORTHANDS.get(when, when).split()
    try:
        if len(fields) != len(_LARGEST_STEPS):  # cronsim takes six, with seconds
            raise CronSimError("Wrong number of fields")
        for (name, largest), field in zip(_LARGEST_STEPS.items(), fields, strict=True):
            for part in field.split(","):
                if not _PART.fullmatch(part) or int(part.partition("/")[2] or 1) > largest:
                    raise CronSimError(f"Bad {name}")
        return next(CronSim(" ".join(fields), now))
    except CronSimError as error:
        raise UserError(
            f"cron '{when}': {str(error).lower()}; write minute, hour, day of month, month and day"
            " of week, such as '0 3 * * 0' (each a number, a range, * or either with a step, or"
            f" several joined by commas), or one of {', '.join(SHORTHANDS)}"
        ) from None


def crontab_block(entry: Entry, when: str) -> str:
    """The lines for a crontab, marks included; raises UserError where cron would not take them."""
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


def install(entry: Entry, block: str) -> None:
    """Put an entry's block into the crontab; raises UserError where crontab refuses."""
    before = read_crontab()
    write_crontab(before, with_block(before, entry.project, entry.name, block))


def remove(project: Path, name: str) -> None:
    """Take a schedule out of the crontab; UserError where there is none, or crontab refuses."""
    check_name(name)
    before = _if_any()
    after = with_block(before, project, name, "")
    if after == before:
        raise UserError(
            f"there is no schedule '{name}' of this project in the crontab: kedro schedule --list;"
            f" a timer of systemd goes by systemctl --user disable --now"
            f" {unit_name(project, name)}.timer"
        )
    write_crontab(before, after)


def listed(project: Path) -> str:
    """All schedules of a project as text: the line in the crontab, and how the last run ended."""
    lines = schedules(_if_any(), project)
    # What ran without a line was started by hand, or by a scheduler that is not asked.
    ran = sorted(path.parent.name for path in log_folder(project, "").glob(f"*/{LAST}"))
    blocks = [
        f"{name}: {lines.get(name) or 'not in the crontab'}\n"
        f"  last: {last_words(log_folder(project, name))}"
        for name in dict.fromkeys([*lines, *ran])
    ]
    return "\n".join(blocks) or as_typed("no schedules of this project: kedro schedule --help")


def with_block(crontab: str, project: Path, name: str, block: str) -> str:
    """A crontab with a schedule's block, in its old place if there was one; empty takes it out."""
    found = _block(project, name).search(crontab)
    if found:
        return crontab[: found.start()] + block + crontab[found.end() :]
    gap = "\n" if block and crontab and not crontab.endswith("\n") else ""
    return crontab + gap + block


def schedules(crontab: str, project: Path) -> dict[str, str]:
    """The schedules of a project that a crontab holds, and what now stands between their marks."""
    return {each["name"]: each["body"].strip() for each in _block(project).finditer(crontab)}


def _marks(project: Path | str, name: str) -> tuple[str, str]:
    """The lines around an entry; either may be a part of a regular expression."""
    what = f"alpkd_pipeline schedule {name} of {project}"
    return f"# >>> {what}", f"# <<< {what}"


def _block(project: Path, name: str = r"[\w-]+") -> re.Pattern[str]:
    place = re.escape(str(project.resolve()))
    begin, end = _marks(place, f"(?P<name>{name})")[0], _marks(place, "(?P=name)")[1]
    # Between the marks stands no other mark: one that was left alone must not swallow what follows.
    body = r"(?P<body>(?:(?!# (?:>>>|<<<) ).*\n)*?)"
    return re.compile(f"^{begin}\n{body}{end}\n", re.MULTILINE)


def read_crontab() -> str:
    """This user's crontab, byte for byte, empty if there is none; raises UserError if refused."""
    return _crontab("-l")


def write_crontab(before: str, after: str) -> None:
    """Replace this user's crontab; nothing removes it. UserError if it was changed, or refused."""
    if read_crontab() != before:
        raise UserError("somebody else has just changed the crontab: run the command again")
    _crontab("-" if after else "-r", after)


def _if_any() -> str:
    return read_crontab() if shutil.which("crontab") else ""


def _crontab(argument: str, given: str = "") -> str:
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
        raise UserError(f"crontab {argument} refuses: {said or f'exit code {done.returncode}'}")
    return done.stdout.decode("utf-8", "surrogateescape")
