"""`kedro submit`: the zip that GLUE's leader board takes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alpkd_pipeline.commands.common import Project, project_options
from alpkd_pipeline.errors import UserError, plural, short

if TYPE_CHECKING:
    from alpkd_pipeline.evaluation.glue_zip import Command

FILE = click.Path(path_type=Path, dir_okay=False)


class IncompleteError(UserError):
    """What a submission lacks, a line for each task."""


@click.command("submit")
@click.option("--method", required=True, help="The method of the students.")
@click.option("--layers", required=True, type=click.IntRange(min=1), help="Their layers.")
@click.option("--seed", required=True, type=click.IntRange(min=0), help="Their seed.")
@click.option("--out", type=FILE, default="glue_submission.zip", show_default=True)
@click.option("--ax", type=FILE, help="GLUE's diagnostic.tsv, for the MNLI student to answer.")
@click.option(
    "--only",
    default="",
    metavar="WHICH",
    help="Which ones where several fit: training.lr=0.001, or digits of a key; joined by commas.",
)
@click.option("--partial", "some", is_flag=True, help="Write what is there, though tasks lack.")
@project_options("Where to look, such as run.store=...")
def submit(
    project: Project,
    method: str,
    layers: int,
    seed: int,
    out: Path,
    ax: Path | None,
    only: str,
    some: bool,
) -> int:
    """Zip the test answers of one student for each GLUE task, as gluebenchmark.com takes them.

    The site refuses a zip that lacks a file, AX.tsv too, which needs --ax. Such a zip is called
    incomplete; the exit code is 1 then, or 0 with --partial.
    """
    from alpkd_pipeline.distillation.method_table import get_spec
    from alpkd_pipeline.evaluation.glue_zip import AX, gather, predict_ax
    from alpkd_pipeline.store.manifest import write_zip

    if out.suffix != ".zip" or not out.parent.is_dir():
        raise UserError(f"--out={out}: give a name that ends with .zip, in a folder that is there")
    if ax is not None and not ax.is_file():
        raise UserError(f"--ax={ax}: there is no such file; name GLUE's diagnostic.tsv")
    params = {"method.name": get_spec(method).name, "student.layers": layers, "seed": seed}
    chosen = [part.strip() for part in only.split(",") if part.strip()]
    found = gather(project.store, params, chosen, _commands(project, params))
    lines = [f"{task}: {why}" for task, why in found.missing.items()]
    if lines and not (some and found.files):
        several = [f"{len(lines)} GLUE tasks have nothing to submit:"] if len(lines) > 1 else []
        raise IncompleteError("\n".join([*several, *lines]))
    if ax is not None and "mnli" in found.students:
        found.files[AX] = predict_ax(found.students["mnli"], ax)
    else:
        lines.append(f"{AX}: the MNLI student makes it from GLUE's diagnostic.tsv, given as --ax")
    out = out.with_stem(f"{out.stem}-incomplete") if lines else out
    write_zip(out, sorted(found.files.items()))
    click.echo(f"submission: {short(out.absolute())} ({plural(len(found.files), 'file')})")
    for task, student in found.students.items():
        click.echo(f"  {task:5} {student.path.name}")
    if lines:
        click.echo("incomplete, gluebenchmark.com refuses it; missing are")
        click.echo(str(IncompleteError("\n".join(f"  {line}" for line in lines))))
    return int(bool(lines) and not some)


def _commands(project: Project, params: dict[str, Any]) -> Command:
    """What to type for a student that is missing, or not evaluated."""
    from alpkd_pipeline.project.config_loader import conf_store
    from alpkd_pipeline.project.parameters import nested, repeat_command
    from alpkd_pipeline.store.diff import flat
    from alpkd_pipeline.store.lineage import UNKNOWN, Index, Repairs, with_pipeline

    placed = Repairs(Index(project.store, (), (), ()), partial(conf_store, project.root)).placed

    def command(task: str, student: Any) -> str:
        if student is not None:
            made = str(student.run.get("command") or UNKNOWN)
        else:
            given = {**flat(project.params), "task.name": task, **params}
            made = repeat_command(project.env, nested(given))
        return placed(with_pipeline(made, "evaluate"))

    return command
