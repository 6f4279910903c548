"""`kedro schedule`: commands of the project at fixed times, by cron or systemd."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpkd_pipeline.commands.params_option import one_line_errors
from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.program import program

if TYPE_CHECKING:
    from alpkd_pipeline.orchestration.timetable.entry import Entry

DEFAULT_COMMAND = ("rerun", "--latest-green")


@click.command("schedule", context_settings={"allow_interspersed_args": False})
@click.option("--cron", metavar="EXPR", help='When, for crontab: "0 3 * * 0" or @weekly.')
@click.option("--on-calendar", metavar="EXPR", help='When, for systemd: "Sun 03:00".')
@click.option("--name", help="What to call it; by default the command's first word.")
@click.option("--install", is_flag=True, help="Hand it to cron or systemd instead of printing it.")
@click.option("--list", "listing", is_flag=True, help="Show this project's schedules.")
@click.option("--remove", metavar="NAME", help="Take a schedule away; its logs stay.")
@click.option("--start", metavar="NAME", help="Run COMMAND now, as the scheduler does.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def schedule(
    context: click.Context,
    cron: str | None,
    on_calendar: str | None,
    name: str | None,
    install: bool,
    listing: bool,
    remove: str | None,
    start: str | None,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND of this project regularly; without one, rerun --latest-green.

    Give one of --cron, --on-calendar, --list, --remove and --start. Write -- before COMMAND.
    """
    project = Path(getattr(context.obj, "project_path", Path.cwd())).resolve()
    _check_use(cron, on_calendar, listing, remove, start)
    if (install or name) and cron is None and on_calendar is None:
        raise click.UsageError("--install and --name go with --cron or --on-calendar")
    if command and (listing or remove is not None):
        raise click.UsageError(f"--list and --remove take no command (given: {command[0]})")
    command = command or DEFAULT_COMMAND
    from alpkd_pipeline.orchestration.timetable import install as scheduler

    with one_line_errors():
        if start is not None:
            raise click.exceptions.Exit(_start(project, start, command))
        if listing:
            answer = scheduler.show_all(project)
        elif remove is not None:
            answer = scheduler.remove(project, remove)
        else:
            _check_command(context, command)
            entry = _entry(project, name or command[0], command)
            if cron is not None:
                answer = scheduler.for_cron(entry, cron, install=install)
            else:
                answer = scheduler.for_systemd(entry, on_calendar or "", install=install)
    click.echo(answer.text)
    if answer.remark:
        click.echo(answer.remark, err=True)


def _check_use(
    cron: str | None, on_calendar: str | None, listing: bool, remove: str | None, start: str | None
) -> None:
    given = (cron is not None, on_calendar is not None, listing, remove is not None)
    if sum((*given, start is not None)) != 1:
        raise click.UsageError("give one of --cron, --on-calendar, --list, --remove and --start")


def _check_command(context: click.Context, command: tuple[str, ...]) -> None:
    """Refuse what Kedro would refuse: a mistake would otherwise show at night."""
    root = context.find_root()
    group = root.command
    name = command[0]
    if not isinstance(group, click.Group):
        return
    known = sorted({*group.list_commands(root)} - {"schedule"})
    if name not in known:
        hint = did_you_mean(name, known, "; {}") or f"; there are {', '.join(known)}"
        raise UserError(f"'{name}' is no command that can be scheduled{hint}")
    found = group.get_command(root, name)
    assert found is not None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found.make_context(name, list(command[1:]), parent=root).close()
    except click.exceptions.Exit:
        pass  # --help
    except click.ClickException as error:
        raise UserError(f"{program()} {name}: {error.format_message()}") from None


def _entry(project: Path, name: str, command: tuple[str, ...]) -> Entry:
    from alpkd_pipeline.orchestration.timetable.entry import make_entry
    from alpkd_pipeline.orchestration.timetable.environment import read_env_file
    from alpkd_pipeline.orchestration.timetable.settings import read_notify

    # Both are read again at each start; a mistake had better show now.
    read_env_file(project)
    read_notify(project)
    return make_entry(project, name, command)


def _start(project: Path, name: str, command: tuple[str, ...]) -> int:
    from alpkd_pipeline.orchestration.timetable.start import start

    # cron sends mail about whatever is printed, so only a person at a terminal gets to see it.
    return start(project, name, command, echo=sys.stdout.isatty())
