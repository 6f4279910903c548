"""`kedro prune`: remove what no kept result needs, after showing it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from alpkd_pipeline.commands.common import Project, project_options
from alpkd_pipeline.errors import UserError, as_typed
from alpkd_pipeline.experiments.grid import SWEEP_FILE, SweepSpec, expand
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.store.layout import DATA, MODELS


@click.command("prune")
@project_options("Where to look, such as run.store=...")
@click.option("--dry-run", is_flag=True, help="Show what would go, and stop.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--signals", is_flag=True, help="All signals too: the teacher can record them again.")
@click.option(
    "--interrupted", is_flag=True, help="Interrupted trainings and their checkpoints too."
)
@click.option("--trials", is_flag=True, help="Models that only searches trained, too.")
@click.option("--reruns", is_flag=True, help="The stores of reruns too.")
@click.option("--without-model", is_flag=True, help="Scores and the like of deleted models too.")
@click.option("--caches", is_flag=True, help="Remembered hashes too.")
def prune(project: Project, dry_run: bool, yes: bool, **more: bool) -> int:
    """Remove what no kept result needs: shown first, and never without a yes.

    Teachers, students and what was measured of them stay; so does what they were made from, and
    what the present configuration asks for.
    """
    from alpkd_pipeline.store.prune import carry_out, make_plan, plan_lines
    from alpkd_pipeline.store.prune_candidates import Choice

    choice = Choice(**more)
    store, asked = project.store, _asked(project)
    plan = make_plan(store, choice, asked)
    click.echo(f"store: {store}")
    for line in plan_lines(plan):
        click.echo(as_typed(line))
    if not plan.going:
        click.echo("nothing to remove")
        return 0
    if dry_run:
        click.echo(f"would remove {plan.total}")
        return 0
    if not yes and not sys.stdin.isatty():
        raise click.ClickException(f"nobody to ask: --yes removes these ({plan.total})")
    if not yes and not click.confirm(f"Remove {plan.total}?"):
        click.echo("nothing was removed")
        return 0
    left = carry_out(plan, make_plan(store, choice, asked))
    for line in left:
        click.echo(line, err=True)
    click.echo(f"removed: {plan.total}" + (f", but for {len(left)} of them" if left else ""))
    return int(bool(left))


def _asked(project: Project) -> frozenset[str] | None:
    try:
        return asked_keys(project.loader, project.root, project.env)
    except UserError as error:
        click.echo(
            f"what conf/ asks for is not known, so only left-overs may go ({error})", err=True
        )
        return None


def asked_keys(loader: ExperimentConfigLoader, project: Path, env: str | None) -> frozenset[str]:
    """Every key that a run or a sweep with the present configuration would look for.

    Parameters of the command line are those of the run; a sweep makes its experiments without them.
    """
    experiments = [Experiment(loader.params, project)]
    if any((folder / SWEEP_FILE).is_file() for folder in loader.folders):
        spec = SweepSpec.read(loader.folders)
        # The store is where hashes of large files are remembered.
        given = loader.runtime_params or {}
        on_top = {"run": given["run"]} if "run" in given else {}
        experiments += [grid.experiment for grid in expand(spec, loader.conf, project, env, on_top)]
    return frozenset(
        experiment.stage(name).key for experiment in experiments for name in (*DATA, *MODELS)
    )
