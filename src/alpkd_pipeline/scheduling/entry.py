"""A schedule as schedulers have it: a block of this user's crontab, or units for systemd.

Of a crontab our blocks stand between two marks, and everything else stays as it was.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cronsim import CronSim, CronSimError

from alpkd_pipeline.errors import UserError, as_typed, mask_credentials, module
from alpkd_pipeline.experiments.ray_driver import PASSED_ON
from alpkd_pipeline.scheduling.start import LAST, STILL_RUNNING, check_name, last_words, log_folder

_SAFE = re.compile(r"[\w@+=:,./-]+", re.ASCII)

# `%` starts a specifier, and `$` a variable.
_ESCAPED = str.maketrans({"%": "%%", "$": "$$", '"': r"\""})


def start_words(project: Path, name: str, command: Sequence[str]) -> list[str]:
    """What a scheduler is to start in the project's folder for a command without `kedro`, with this
    interpreter and those variables of this shell that results depend on.

    Raises:
        UserError: a name, a command or a path that a scheduler's file cannot carry.
    """
    check_name(name)
    variables = [f"{key}={os.environ[key]}" for key in PASSED_ON if os.environ.get(key)]
    words = [*(["/usr/bin/env"] if variables else []), *variables, sys.executable, "-m", module()]
    words += ["schedule", "--start", name, "--", *command]
    for word in (str(project), *words):
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
    return words


def unit_files(project: Path, name: str, start: Sequence[str], when: str) -> dict[str, str]:
    """The texts of a schedule's service and timer for systemd, which judges `when`, by file name.

    No other project has units of the same names.
    """
    place = str(project).replace("%", "%%")
    words = (w if _SAFE.fullmatch(w) else f'"{w.translate(_ESCAPED)}"' for w in start)
    # The command gets SIGTERM from its parent alone: a second one would stop it at once.
    service = f"""[Unit]
Description=alpkd_pipeline: {name} ({place})

[Service]
Type=oneshot
WorkingDirectory={place}
ExecStart={" ".join(words)}
KillMode=mixed
SuccessExitStatus={STILL_RUNNING}
"""
    # What was missed while the machine was off is made up for.
    timer = f"""[Timer]
OnCalendar={when}
Persistent=true

[Install]
WantedBy=timers.target
"""
    unit = f"alpkd-{name}-{hashlib.sha256(os.fsencode(project)).hexdigest()[:8]}"
    return {f"{unit}.service": service, f"{unit}.timer": timer}


MARK = "# {} alpkd_pipeline schedule {} of {}"  # the lines around an entry

SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
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


def crontab_block(project: Path, name: str, start: Sequence[str], when: str) -> str:
    """The lines for a crontab that start some words in a project's folder, marks included."""
    # A percent sign ends the command in a crontab.
    command = f"cd {shlex.quote(str(project))} && {shlex.join(start)}".replace("%", r"\%")
    begin, end = (MARK.format(way, name, project) for way in (">>>", "<<<"))
    return f"{begin}\n{when} {command}\n{end}\n"


def install(project: Path, name: str, block: str) -> None:
    """Put a schedule's block into the crontab; raises UserError where crontab refuses."""
    run_crontab("-", with_block(run_crontab("-l"), project, name, block))


def remove(project: Path, name: str) -> None:
    """Take a schedule out of the crontab; UserError where there is none, or crontab refuses."""
    before = run_crontab("-l")
    after = with_block(before, project, name, "")
    if after == before:
        raise UserError(
            f"there is no schedule '{name}' of this project in the crontab: see kedro schedule"
            " --list; a timer of systemd goes by systemctl --user disable --now"
        )
    run_crontab("-", after)


def listed(project: Path) -> str:
    """All schedules of a project as text: the line in the crontab, and how the last run ended."""
    lines = schedules(run_crontab("-l"), project) if shutil.which("crontab") else {}
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
    if found := _block(project, re.escape(name)).search(crontab):
        return crontab[: found.start()] + block + crontab[found.end() :]
    gap = "\n" if block and crontab and not crontab.endswith("\n") else ""
    return crontab + gap + block


def schedules(crontab: str, project: Path) -> dict[str, str]:
    """The schedules of a project that a crontab holds, and what now stands between their marks."""
    return {each["name"]: each["body"].strip() for each in _block(project).finditer(crontab)}


def _block(project: Path, name: str = r"[\w-]+") -> re.Pattern[str]:
    place = re.escape(str(project.resolve()))
    begin = MARK.format(">>>", f"(?P<name>{name})", place)
    end = MARK.format("<<<", "(?P=name)", place)
    # Between the marks stands no other mark: one that was left alone must not swallow what follows.
    return re.compile(rf"^{begin}\n(?P<body>(?:(?!# (?:>>>|<<<) ).*\n)*?){end}\n", re.MULTILINE)


def run_crontab(argument: str, text: str = "") -> str:
    """Read this user's crontab (`-l`) or replace it by a text (`-`), byte for byte.

    Raises:
        UserError: there is no crontab on this machine, or it refuses.
    """
    try:
        done = subprocess.run(
            ["crontab", argument],
            input=os.fsencode(text),
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise UserError(
            "there is no crontab on this machine: install cron, or use --on-calendar for systemd"
        ) from None
    said = " ".join(os.fsdecode(done.stderr).split())
    if done.returncode and "no crontab for" not in said:
        raise UserError(f"crontab {argument} refuses: {said or f'exit code {done.returncode}'}")
    return os.fsdecode(done.stdout)
