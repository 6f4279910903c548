"""`kedro run`: Kedro's own command with our runner as default, `--force`, and one-line errors."""

from __future__ import annotations

import copy
import signal
from types import FrameType
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

from alpkd_pipeline.commands.one_line import one_line_errors
from alpkd_pipeline.commands.params_option import read_params

FORCE = "force"
"""The runtime parameter by which the order reaches the steps, see `CellConfigLoader`."""

RUNNER = "alpkd_pipeline.orchestration.runner.StageRunner"
FORCE_HELP = (
    "Make these stages and what follows again, although they are there: data_prep,"
    " finetune_teacher, signals, distill, evaluate, compare; several joined by +, or all."
)


def _options() -> list[click.Parameter]:
    options = [copy.copy(o) for o in kedro_run.params if o.name != "only_missing_outputs"]
    for option in options:
        if option.name == "runner":
            option.default = RUNNER
        if option.name == "params":
            option.callback = read_params
        if option.name == "pipeline" and isinstance(option, click.Option):
            option.help = "Name of the pipeline to run; without it all of them run."
    options.append(click.Option(["--force"], default="", metavar="STAGES", help=FORCE_HELP))
    return options


def run_callback(force: str, **kwargs: Any) -> Any:
    """Make what is missing of a pipeline; what is there under its key is used as it is."""
    if kwargs["pipeline"] and kwargs["pipelines"]:
        raise click.UsageError("use --pipeline or --pipelines, not both")
    if kwargs["pipeline"]:
        # Kedro 1.7 warns about --pipeline; here it stays the documented option.
        kwargs["pipelines"], kwargs["pipeline"] = [kwargs["pipeline"]], None
    _check_pipelines(kwargs["pipelines"])
    if force:
        kwargs["params"] = {**kwargs["params"], FORCE: force}
    signal.signal(signal.SIGTERM, _stop)
    assert kedro_run.callback is not None
    try:
        with one_line_errors():
            return kedro_run.callback(**kwargs, only_missing_outputs=True)
    except (KeyboardInterrupt, SystemExit) as stop:
        click.echo("stopped; the same command goes on from what is finished", err=True)
        code = 130 if isinstance(stop, KeyboardInterrupt) else 143
        raise click.exceptions.Exit(code) from None


def _check_pipelines(names: list[str]) -> None:
    import difflib

    from kedro.framework.project import pipelines

    for name in names:
        if name not in pipelines:
            close = difflib.get_close_matches(name, list(pipelines), n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            known = ", ".join(n for n in pipelines if not n.startswith("_"))
            raise click.ClickException(f"unknown pipeline '{name}'{hint} (there are: {known})")


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


run = click.Command("run", params=_options(), callback=run_callback, help=run_callback.__doc__)
