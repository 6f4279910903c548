"""Hands an entry to cron or systemd, shows what would be handed over, or takes it away."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.timetable.cron import parse_cron
from alpkd_pipeline.orchestration.timetable.crontab import (
    cron_schedules,
    crontab_block,
    read_crontab,
    with_block,
    without_block,
    write_crontab,
)
from alpkd_pipeline.orchestration.timetable.entry import Entry, check_name
from alpkd_pipeline.orchestration.timetable.listing import listed, local_time
from alpkd_pipeline.orchestration.timetable.on_calendar import next_elapse
from alpkd_pipeline.orchestration.timetable.systemd import (
    install_units,
    remove_units,
    timer_schedules,
    unit_files,
    unit_folder,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say: a text to be pasted or read, and a remark beside it."""

    text: str
    remark: str = ""


def for_cron(entry: Entry, expression: str, *, install: bool) -> Answer:
    """Put an entry into this user's crontab, or show its lines.

    Raises:
        UserError: the expression is wrong, the name is taken, or crontab refuses.
    """
    when = parse_cron(expression)
    block = crontab_block(entry, when.text)
    following = when.next_after(datetime.now())
    coming = local_time(following) if following else "never"
    if not install:
        return Answer(
            block.rstrip("\n"),
            "cron goes by this machine's local time. To install: the same command with --install,"
            f" or add these lines by crontab -e. It would come next: {coming}",
        )
    if any(found.name == entry.name for found in timer_schedules(entry.project)):
        raise _taken(entry.name, "systemd")
    before = read_crontab()
    write_crontab(before, with_block(before, entry, block))
    return Answer(f"{entry.name} is in the crontab: {entry.shown}, next {coming}")


def for_systemd(entry: Entry, expression: str, *, install: bool) -> Answer:
    """Make an entry a timer of this user's systemd, or show its files.

    Raises:
        UserError: the expression is wrong, the name is taken, or systemd refuses.
    """
    coming = next_elapse(expression)
    files = unit_files(entry, expression)
    if not install:
        timer = next(file for file in files if file.endswith(".timer"))
        told = f"It would come next: {coming}" if coming else "The expression was not checked"
        return Answer(
            "\n".join(f"# {unit_folder() / file}\n{text}" for file, text in files.items()),
            "To install: the same command with --install, or write these two files, then systemctl"
            f" --user daemon-reload and systemctl --user enable --now {timer}. {told}",
        )
    crons = cron_schedules(_crontab_if_any(), entry.project)
    if any(found.name == entry.name for found in crons):
        raise _taken(entry.name, "cron")
    install_units(entry, files)
    return Answer(
        f"{entry.name} is a timer of systemd: {entry.shown}, next {coming or 'see --list'}",
        "it runs while you are logged in; to let it run always: loginctl enable-linger",
    )


def remove(project: Path, name: str) -> Answer:
    """Take a schedule away from whichever scheduler has it.

    Raises:
        UserError: neither has it.
    """
    check_name(name)
    before = _crontab_if_any()
    after = without_block(before, project, name)
    if after != before:
        write_crontab(before, after)
    if not remove_units(project, name) and after == before:
        raise UserError(f"there is no schedule '{name}' of this project: kedro schedule --list")
    return Answer(f"{name} is removed; its logs stay in logs/schedule/{name}")


def show_all(project: Path) -> Answer:
    """The project's schedules of both schedulers, and what was started by hand."""
    return Answer(listed(project, _crontab_if_any(), timer_schedules(project), datetime.now()))


def _crontab_if_any() -> str:
    return read_crontab() if shutil.which("crontab") else ""


def _taken(name: str, scheduler: str) -> UserError:
    return UserError(
        f"there is a schedule '{name}' with {scheduler}: kedro schedule --remove {name}, or give"
        " another --name"
    )
