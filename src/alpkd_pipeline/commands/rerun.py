"""`kedro rerun`: a stored run made again and compared with what it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from alpkd_pipeline.commands.common import Project, command_line, project_options, stoppable
from alpkd_pipeline.errors import UserError

if TYPE_CHECKING:
    from alpkd_pipeline.reproduce.result import Rerun
    from alpkd_pipeline.reproduce.run import Setting

FILTER_HELP = (
    "With --latest-green: only these students, such as method=alp_kd|kd; may be given several times"
    " (task, method, layers, seed, teacher_seed)."
)


@click.command("rerun")
@click.argument("run", required=False)
@click.option("--latest-green", is_flag=True, help="Repeat the newest comparison that is green.")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help=FILTER_HELP)
@click.option("--here", is_flag=True, help="Today's code and device, where those then are others.")
@click.option("--keep", is_flag=True, help="Keep the fresh store, even if all is equal.")
@click.option("--dry-run", is_flag=True, help="Say what differs and what would be done, and stop.")
@project_options("Where to look, such as run.store=...")
@stoppable
def rerun(
    project: Project,
    run: str | None,
    latest_green: bool,
    filters: Sequence[str],
    here: bool,
    keep: bool,
    dry_run: bool,
) -> int:
    """Make a stored run again from its own parameters, and say whether it comes out the same.

    RUN: 8 or more digits of a run's key, the name of its folder, a path to it, or the id of its
    MLflow run. Ends with 0 if it is bitwise equal or equal within the seed spread, else with 1; a
    dry run with 1 if files of the original are damaged.
    """
    if bool(run) == latest_green:
        raise click.UsageError("name a RUN, or give --latest-green")
    if filters and not latest_green:
        raise click.UsageError("--filter belongs to --latest-green")
    try:
        from alpkd_pipeline.reproduce.plan import environment_lines, plan_lines
        from alpkd_pipeline.reproduce.result import terminal_text
        from alpkd_pipeline.reproduce.run import run_again
        from alpkd_pipeline.reproduce.verdict import FROM_BEST

        setting = _setting(project, keep)
        planned, name, key, notes = _planned(setting, run, filters, here)
        lines = [*notes, *(line for one in planned for line in plan_lines(one))]
        # Experiments of one comparison were nearly always made in one environment: its commands
        # once.
        lines += dict.fromkeys(line for one in planned for line in environment_lines(one))
        for line in lines:
            click.echo(line)
        if dry_run:
            return int(any(d.kind == "damage" for one in planned for d in one.differences))
        result, report = run_again(setting, planned, name, key, notes)
        click.echo(terminal_text(result, str(report)))
        return 0 if result.verdict in FROM_BEST[:2] else 1
    except KeyboardInterrupt:
        click.echo("stopped; the same command goes on", err=True)
        raise


def _setting(project: Project, keep: bool) -> Setting:
    from alpkd_pipeline.reproduce.run import Setting
    from alpkd_pipeline.store.layout import store_folder
    from alpkd_pipeline.tracking.settings import tracking_settings

    root, given = project.root, project.loader.params.run
    store = store_folder(root, given.store)
    tracking = tracking_settings(given.tracking, given.experiment, root)
    return Setting(root, project.env, store, tracking, keep, command_line(), click.echo)


def _planned(
    setting: Setting, run: str | None, filters: Sequence[str], here: bool
) -> tuple[list[Rerun], str, str, Sequence[str]]:
    """What to do, what to call it, the key that it is about, and what to tell beside."""
    from alpkd_pipeline.coordinates import parse_only
    from alpkd_pipeline.reproduce.original import find_original
    from alpkd_pipeline.reproduce.plan import plan_or_error, plan_rerun
    from alpkd_pipeline.reproduce.run import latest_green

    project, store = setting.project, setting.store
    if run is not None:
        original = find_original(store, run, setting.tracking)
        planned = plan_rerun(original, project, store, here)
        return [planned], original.path.name, original.key, ()
    try:
        where = parse_only(",".join(filters))
    except UserError as error:
        raise UserError(str(error).replace("--only", "--filter")) from None
    green = latest_green(store, where)
    every = [plan_or_error(original, project, store, here) for original in green.runs]
    return every, f"green-{green.key[:8]}", green.key, green.passed_over
