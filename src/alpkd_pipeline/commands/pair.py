"""`kedro pair`: two models on the same dev examples."""

from __future__ import annotations

from pathlib import Path

import click

from alpkd_pipeline.commands.common import Project, one_line_errors, project_options
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.program import as_typed

WHAT_IT_SAYS = (
    "This describes these two models on these examples. It says nothing about the methods that"
    " made them:\nthat takes several seeds of each (`kedro run --pipeline=compare`)."
)


@click.command("pair")
@click.argument("run_a")
@click.argument("run_b")
@project_options("Where to look, such as run.store=...")
def pair(project: Project, run_a: str, run_b: str) -> None:
    """Compare two finished models on the same dev examples.

    RUN_A and RUN_B: 8 or more digits of a run's key, the name of its folder, or a path to it.
    """
    store = Path(project.context.catalog.load("store"))
    with one_line_errors():
        click.echo(compared(store, run_a, run_b))


def compared(store: Path, run_a: str, run_b: str) -> str:
    """What two models have in common and what not, as text."""
    from alpkd_pipeline.reporting.statistics import answers

    folders = [answers.find_run(store, text) for text in (run_a, run_b)]
    if folders[0] == folders[1]:
        raise UserError(f"'{run_a}' and '{run_b}' are one run, {folders[0].name}: name two")
    ours, theirs = map(answers.dev_answers, folders)
    found = answers.compare_answers(ours, theirs)
    width = max(len(ours.name), len(theirs.name), len("difference"))
    # How many answers differ, where answers are classes; two real numbers nearly always do.
    differing = f"; {found.differing} of them are answered differently"
    if ours.task.kind == "regression":
        differing = ""
    return "\n".join(
        [
            f"{ours.task.name}, {ours.split}: {found.rows} examples, {found.metric}",
            f"  {ours.name:{width}}  {found.ours:8.4f}",
            f"  {theirs.name:{width}}  {found.theirs:8.4f}",
            f"  {'difference':{width}}  {found.difference:+8.4f}"
            f"   95 % interval {found.low:+.4f} to {found.high:+.4f}",
            f"The interval is a bootstrap over the dev examples ({answers.RESAMPLES:,} resamples)"
            f"{differing}.",
            as_typed(WHAT_IT_SAYS),
        ]
    )
