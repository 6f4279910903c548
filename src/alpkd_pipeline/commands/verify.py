"""`kedro verify`: is everything in the store what was written?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

import click

from alpkd_pipeline.commands.common import Project, project_options
from alpkd_pipeline.errors import as_typed, size
from alpkd_pipeline.store.contents import Finding, Report, State


@click.command("verify")
@click.argument(
    "paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[PATH]..."
)
@project_options("Where to look, such as run.store=...")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify(project: Project, paths: tuple[Path, ...], as_json: bool) -> int:
    """Compare every file of the store with its hash and every key with the others.

    PATH: look only at what lies below these folders of the store. Nothing is changed. The exit
    code is 1 if something is damaged, missing or mismatched.
    """
    from alpkd_pipeline.project.config_loader import conf_store
    from alpkd_pipeline.store.contents import ByteProgress
    from alpkd_pipeline.store.verify import verify_store

    progress = ByteProgress()
    try:
        report = verify_store(project.store, paths, progress, partial(conf_store, project.root))
    finally:
        progress.close()
    lines = [json.dumps(report.plain(), indent=2)] if as_json else report_lines(report)
    for line in lines:
        click.echo(as_typed(line))
    return int(not report.is_sound)


MOST_NOTES = 20  # of a kind that are listed; of what is bad everything is


def report_lines(report: Report) -> Iterator[str]:
    """What `kedro verify` prints."""
    yield f"store: {report.store}"
    heading = ("kind", "folders", "files", "bytes", "bad")
    rows = [
        (kind, str(c["folders"]), str(c["files"]), size(c["bytes"]), str(report.bad_folders(kind)))
        for kind, c in report.counts.items()
        if c["files"] or report.bad_folders(kind)
    ]
    # The first column to the left, numbers to the right.
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    for kind, *numbers in (heading, *rows):
        cells = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        yield "  ".join([f"  {kind:<{widths[0]}}", *cells])
    for state in get_args(State):
        yield from _of_state([f for f in report.findings if f.state == state])
    total = sum(count["bytes"] for count in report.counts.values())
    read = f"{size(total)} read in {report.seconds:.1f} s"
    bad = {(finding.kind, finding.folder) for finding in report.findings if finding.is_bad}
    if bad:
        yield f"not sound: {len(bad)} folder{'s are' if len(bad) > 1 else ' is'} bad ({read})"
    else:
        yield f"sound: all that is finished is what was written ({read})"


def _of_state(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings if any(f.is_bad for f in findings) else findings[:MOST_NOTES]:
        yield f"{finding.state}: {finding.folder}"
        yield f"  {finding.what}"
        if finding.found:
            yield f"  expected sha256 {finding.expected}"
            yield f"  found    sha256 {finding.found}"
        if finding.do:
            yield f"  {finding.do}"
    if findings and not findings[0].is_bad and len(findings) > MOST_NOTES:
        yield f"{findings[0].state}: {len(findings) - MOST_NOTES} more, see --json"
