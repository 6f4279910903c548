"""`kedro run`: Kedro's own command with our runner as default, `--force`, and one-line errors."""

from __future__ import annotations

import copy
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.pipeline import Pipeline
from kedro.runner import AbstractRunner
from kedro.utils import find_kedro_project, load_obj

from alpkd_pipeline.commands.common import Project, one_line_errors, read_params, unknown
from alpkd_pipeline.constraints import possible_path
from alpkd_pipeline.errors import did_you_mean
from alpkd_pipeline.project.experiment_inputs import FORCE

RUNNER = "alpkd_pipeline.project.runner.StageRunner"
RUNNERS = ("StageRunner", "SequentialRunner", "ThreadRunner", "ParallelRunner")
FORCE_HELP = (
    "Make these stages and what follows again, although they are there: data_prep,"
    " finetune_teacher, signals, distill, evaluate, export, compare; several joined by +, or all."
)


def _options() -> list[click.Parameter]:
    options = {o.name: copy.copy(o) for o in kedro_run.params if o.name != "only_missing_outputs"}
    options["runner"].default = RUNNER
    options["params"].callback = read_params
    options["conf_source"].callback = read_conf_source
    pipeline = options["pipeline"]
    assert isinstance(pipeline, click.Option)
    pipeline.help = "Name of the pipeline to run; without it all of them run."
    force = click.Option(["--force"], default="", metavar="STAGES", help=FORCE_HELP)
    return [*options.values(), force]


def read_conf_source(
    _context: click.Context, option: click.Parameter, value: str | None
) -> str | None:
    """The folder of `--conf-source`, or its archive; a click callback."""
    if not value:
        return None
    try:
        path = Path(possible_path(value)).resolve()
    except ValueError as error:
        raise click.ClickException(f"{option.opts[0]} {error}") from None
    if path.exists():
        return str(path)
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    raise click.ClickException(
        f"{option.opts[0]}: there is no {path}{did_you_mean(path.name, beside, '; {}')}"
    )


def run_callback(force: str, **kwargs: Any) -> Any:
    """Make what is missing of a pipeline; what is there under its key is used as it is."""
    if kwargs["pipeline"] and kwargs["pipelines"]:
        raise click.UsageError("use --pipeline or --pipelines, not both")
    if kwargs["pipeline"]:
        # Kedro 1.7 warns about --pipeline; here it stays the documented option.
        kwargs["pipelines"], kwargs["pipeline"] = [kwargs["pipeline"]], None
    _check_slice(kwargs)
    kwargs["runner"] = _checked_runner(kwargs["runner"])
    if force:
        kwargs["params"] = {**kwargs["params"], FORCE: force}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    assert kedro_run.callback is not None
    try:
        with one_line_errors():
            if kwargs["pipelines"] == ["compare"]:
                # Before the catalog is there, which keeps hashes in the store.
                root = find_kedro_project(Path.cwd()) or Path.cwd()
                _ = Project(root, kwargs["env"], kwargs["params"], kwargs["conf_source"]).compared
            return kedro_run.callback(**kwargs, only_missing_outputs=True)
    except (KeyboardInterrupt, SystemExit) as stop:
        click.echo("stopped; the same command goes on from what is finished", err=True)
        code = 130 if isinstance(stop, KeyboardInterrupt) else 143
        raise click.exceptions.Exit(code) from None


def _check_slice(options: Mapping[str, Any]) -> None:
    """Refuse names that are not there, and a slice of nothing: Kedro has tracebacks for them."""
    from kedro.framework.project import pipelines

    for name in options["pipelines"]:
        if name not in pipelines:
            raise unknown("pipeline", name, [n for n in pipelines if not n.startswith("_")])
    names = options["pipelines"] or ["__default__"]
    chosen = sum((pipelines[name] for name in names), Pipeline([]))
    within = f" in {', '.join(options['pipelines'])}" if options["pipelines"] else ""
    nodes = [node.name for node in chosen.nodes]
    known = {
        **dict.fromkeys(("node_names", "from_nodes", "to_nodes"), ("node", nodes)),
        "tags": ("tag", sorted({tag for node in chosen.nodes for tag in node.tags})),
        "from_inputs": ("input", sorted(chosen.all_inputs())),
        "to_outputs": ("output", sorted(chosen.all_outputs())),
        "namespaces": ("namespace", sorted({n.namespace for n in chosen.nodes if n.namespace})),
    }
    for option, (kind, there) in known.items():
        for name in options[option]:
            if name not in there:
                raise unknown(kind, name, there, within)
    slices = {name: options[name] for name in known if name != "namespaces"}
    try:
        chosen.filter(**slices, node_namespaces=options["namespaces"])
    except ValueError:
        raise click.ClickException(
            "nothing to run: no node is in all of the slices that are asked for; leave one out"
        ) from None


def _checked_runner(given: str) -> str:
    """A runner's whole name."""
    module, _, name = (RUNNER if given == "StageRunner" else given).rpartition(".")
    module = module or "kedro.runner"
    try:
        found = load_obj(f"{module}.{name}")
    except (ImportError, AttributeError, ValueError):
        found = None
    if not (isinstance(found, type) and issubclass(found, AbstractRunner)):
        raise unknown("runner", name, RUNNERS, f" in {module}")
    return f"{module}.{name}"


run = click.Command("run", params=_options(), callback=run_callback, help=run_callback.__doc__)
