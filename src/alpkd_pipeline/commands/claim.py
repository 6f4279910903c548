"""`kedro claim`: a comparison that proves itself."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from alpkd_pipeline.commands.common import Project, project_options
from alpkd_pipeline.errors import UserError, plural, short, size


@click.command("claim")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@project_options("What to claim, such as compare.sweep=latest.")
@click.option(
    "--check",
    "manuscript",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Name every \\alpkd{...} of a LaTeX file whose number no run supports.",
)
def claim(project: Project, file: Path | None, manuscript: Path | None) -> int:
    """Write what the comparison of the store follows from into FILE, a zip that checks itself.

    It holds the answers of every model, never a text, and verify.py, which computes all numbers
    again where only Python is installed. The exit code is 1 if --check finds a number that no run
    supports, or no macro at all.
    """
    if file is None and manuscript is None:
        raise click.UsageError("name a FILE to write, or a manuscript to --check")
    from alpkd_pipeline.reporting.claim.numbers import numbers
    from alpkd_pipeline.reporting.claim.read import is_claim
    from alpkd_pipeline.reporting.claim.write import cited, write_claim
    from alpkd_pipeline.reporting.collect import Query, gather
    from alpkd_pipeline.reporting.sources import Sources

    if file is not None and file.suffix != ".zip":
        raise UserError(f"'{file}' is to be a zip: give it a name that ends with .zip")
    if file is not None and not file.parent.is_dir():
        raise UserError(
            f"there is no folder {file.parent} for {file.name}: make it, or name another"
        )
    if file is not None and file.exists() and not is_claim(file):
        raise UserError(
            f"{file} is there and is no claim, so it is not replaced: remove it, or name another"
            " file"
        )
    said = list(cited(manuscript.read_text("utf-8", "replace"))) if manuscript is not None else []
    if manuscript is not None and not said:
        raise UserError(
            f"there is no \\alpkd{{...}} in {manuscript}: --check reads the numbers that are"
            " written by these macros, as docs/claims.md says, and not those that are typed"
        )
    query = Query.of(project.context.params["compare"])
    sources = Sources(gather(project.compared, query))
    if file is not None:
        with TemporaryDirectory() as work:
            write_claim(sources, file, Path(work))
        missing = sources.evidence.planned.keys() - set(sources.experiments["key"])
        told = f", {plural(len(missing), 'planned experiment')} missing" if missing else ""
        click.echo(
            f"claim: {short(file)} ({plural(len(sources.experiments), 'student')}{told},", nl=False
        )
        click.echo(f" {size(file.stat().st_size)}); unpack it and run `python -I verify.py`")
    if manuscript is None:
        return 0
    found = numbers(sources.judge)
    lost = [(line, name) for line, name in said if name not in found]
    for line, name in lost:
        what = name or "an empty \\alpkd{}"
        click.echo(f"{manuscript}:{line}: no run supports {what}")
    click.echo(f"{len(lost)} of {plural(len(said), 'number')} of {manuscript} without a run")
    return int(bool(lost))
