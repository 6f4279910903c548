"""`kedro schedule`: commands of the project at fixed times, by cron, or as units for systemd."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import click

from alpkd_pipeline.commands.common import one_line_errors, unknown
from alpkd_pipeline.errors import UserError, program

DEFAULT_COMMAND = ("rerun", "--latest-green")


@click.command("schedule", context_settings={"allow_interspersed_args": False})
@click.option("--cron", metavar="EXPR", help='When, for crontab: "0 3 * * 0" or @weekly.')
@click.option("--on-calendar", metavar="EXPR", help='When, for systemd: "Sun 03:00".')
@click.option("--name", help="What to call it; by default the command's first word.")
@click.option("--install", is_flag=True, help="With --cron: put it into the crontab.")
@click.option("--list", "listing", is_flag=True, help="Show this project's schedules.")
@click.option("--remove", metavar="NAME", help="Take it out of the crontab; its logs stay.")
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
    asked = [each for each in (cron, on_calendar, remove, start) if each is not None]
    if len(asked) + listing != 1:
        raise click.UsageError("give one of --cron, --on-calendar, --list, --remove and --start")
    if (install and cron is None) or (name and cron is None and on_calendar is None):
        raise click.UsageError("--install goes with --cron, --name also with --on-calendar")
    if command and (listing or remove is not None):
        raise click.UsageError(f"--list and --remove take no command (given: {command[0]})")
    command = command or DEFAULT_COMMAND
    from alpkd_pipeline.scheduling import entry, settings
    from alpkd_pipeline.scheduling.start import start as start_now

    with one_line_errors():
        if start is not None:
            # cron sends mail about whatever is printed: only a person at a terminal gets to see it.
            code = start_now(project, start, command, echo=sys.stdout.isatty())
            raise click.exceptions.Exit(code)
        if listing:
            click.echo(entry.listed(project))
            return
        if remove is not None:
            entry.remove(project, remove)
            click.echo(f"{remove} is removed; its logs stay in logs/schedule/{remove}")
            return
        _check_command(context, command)
        # They are read again at each start; a mistake had better show now.
        settings.read_env_file(project)
        settings.read_notify(project)
        settings.credential_values(project)
        name = name or command[0]
        words = entry.start_words(project, name, command)
        if on_calendar is not None:
            _print_units(entry.unit_files(project, name, words, on_calendar), on_calendar)
            return
        when = " ".join((cron or "").split())
        coming = f"{entry.next_start(when, datetime.now()).astimezone():%a %Y-%m-%d %H:%M %Z}"
        block = entry.crontab_block(project, name, words, when)
        if install:
            entry.install(project, name, block)
            typed = shlex.join([program(), *command])
            click.echo(f"{name} is in the crontab: {typed}, next {coming}")
            return
        click.echo(block, nl=False)
        click.echo(
            "cron goes by this machine's local time. To install: the same command with --install,"
            f" or add these lines by crontab -e. It would come next: {coming}",
            err=True,
        )


def _print_units(files: Mapping[str, str], when: str) -> None:
    *_, timer = files
    for file, text in files.items():
        click.echo(f"# ~/.config/systemd/user/{file}\n{text}")
    click.echo(
        "To install: write these two files, then systemctl --user daemon-reload and systemctl"
        f" --user enable --now {timer}; to remove: systemctl --user disable --now {timer}, and"
        " delete them. Whether systemd understands the time, and when it would come next:"
        f" systemd-analyze calendar {shlex.quote(when)}. It runs while you are logged in; always,"
        " with loginctl enable-linger",
        err=True,
    )


def _check_command(context: click.Context, command: tuple[str, ...]) -> None:
    """Refuse what Kedro would refuse: a mistake would otherwise show at night."""
    root, name = context.find_root(), command[0]
    group = root.command
    assert isinstance(group, click.Group)
    known = sorted({*group.list_commands(root)} - {"schedule"})
    if name not in known:
        raise unknown("command", name, known, " to schedule")
    found = group.get_command(root, name)
    assert found is not None
    try:
        found.make_context(name, list(command[1:]), parent=root).close()
    except click.ClickException as error:
        raise UserError(f"{program()} {name}: {error.format_message()}") from None
