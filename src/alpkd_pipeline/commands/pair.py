"""`kedro pair`: two models on the same dev examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alpkd_pipeline.commands.params_option import one_line_errors, read_params
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.program import as_typed

if TYPE_CHECKING:
    from alpkd_pipeline.reporting.statistics.bootstrap import PairBootstrap
    from alpkd_pipeline.reporting.statistics.dev_answers import DevAnswers

WHAT_IT_SAYS = (
    "This describes these two models on these examples. It says nothing about the methods that"
    " made them:\nthat takes several seeds of each (`kedro run --pipeline=compare`)."
)


@click.command("pair")
@click.argument("run_a")
@click.argument("run_b")
@click.option("--env", "-e", default=None, help="Kedro configuration environment.")
@click.option(
    "--params", default="", callback=read_params, help="Where to look, such as run.store=..."
)
@click.pass_obj
def pair(metadata: object, run_a: str, run_b: str, env: str | None, params: dict[str, Any]) -> None:
    """Compare two finished models on the same dev examples.

    RUN_A and RUN_B: 8 or more digits of a run's key, the name of its folder, or a path to it.
    """
    project = Path(getattr(metadata, "project_path", Path.cwd()))
    store = _store(project, env, params)
    with one_line_errors():
        click.echo(compared(store, run_a, run_b))


def compared(store: Path, run_a: str, run_b: str) -> str:
    """What two models have in common and what not, as text.

    Raises:
        UserError: a run cannot be found or read, or the two cannot be compared.
    """
    from alpkd_pipeline.reporting.statistics.bootstrap import one_pair
    from alpkd_pipeline.reporting.statistics.dev_answers import (
        check_same_rows,
        dev_answers,
        find_run,
    )

    folders = [find_run(store, text) for text in (run_a, run_b)]
    if folders[0] == folders[1]:
        raise UserError(f"'{run_a}' and '{run_b}' are one run, {folders[0].name}: name two")
    ours, theirs = map(dev_answers, folders)
    check_same_rows(ours, theirs)
    found = one_pair(
        ours.task.deciding_metric,
        ours.frame["label"].to_numpy(),
        ours.frame["prediction"].to_numpy(),
        theirs.frame["prediction"].to_numpy(),
    )
    return _said(ours, theirs, found)


def _said(ours: DevAnswers, theirs: DevAnswers, found: PairBootstrap) -> str:
    from alpkd_pipeline.reporting.statistics.bootstrap import RESAMPLES

    width = max(len(ours.name), len(theirs.name), len("difference"))
    metric = found.metric
    return "\n".join(
        [
            f"{ours.task.name}, {ours.split}: {found.rows} examples, {metric}",
            f"  {ours.name:{width}}  {found.ours:8.4f}",
            f"  {theirs.name:{width}}  {found.theirs:8.4f}",
            f"  {'difference':{width}}  {found.difference:+8.4f}"
            f"   95 % interval {found.low:+.4f} to {found.high:+.4f}",
            f"The interval is a bootstrap over the dev examples ({RESAMPLES:,} resamples)"
            f"{_differing(ours, found)}.",
            as_typed(WHAT_IT_SAYS),
        ]
    )


def _differing(ours: DevAnswers, found: PairBootstrap) -> str:
    """How many answers differ, where answers are classes; two real numbers nearly always do."""
    if ours.task.kind == "regression":
        return ""
    return f"; {found.differing} of them are answered differently"


def _store(project: Path, env: str | None, params: dict[str, Any]) -> Path:
    from kedro.framework.session import KedroSession

    with KedroSession.create(
        project, env=env, runtime_params=params, save_on_close=False
    ) as opened:
        session: Any = opened
        return Path(session.load_context().catalog.load("store"))
