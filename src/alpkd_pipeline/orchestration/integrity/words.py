"""A report as text: a table of what was looked at, then what was found, the bad first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from alpkd_pipeline.orchestration.integrity.findings import Finding, Report, State
from alpkd_pipeline.reporting.report.words import size

MOST_NOTES = 20
"""Notes of a kind that are listed; of what is bad everything is."""


def report_lines(report: Report) -> Iterator[str]:
    """What `kedro verify` prints."""
    yield f"store: {report.store}"
    heading = ("kind", "folders", "files", "bytes", "bad")
    rows = [
        (kind, str(c.folders), str(c.files), size(c.bytes), str(report.bad_folders(kind)))
        for kind, c in report.counts.items()
        if c.files or report.bad_folders(kind)
    ]
    yield from aligned([heading, *rows])
    for state in get_args(State):
        yield from _of_state([f for f in report.findings if f.state == state])
    yield last_line(report)


def last_line(report: Report) -> str:
    """Whether the store is sound, in one line."""
    total = sum(count.bytes for count in report.counts.values())
    read = f"{size(total)} read in {report.seconds:.1f} s"
    bad = {(finding.kind, finding.folder) for finding in report.findings if finding.is_bad}
    if not bad:
        return f"sound: all that is finished is what was written ({read})"
    return f"not sound: {len(bad)} folder{'s are' if len(bad) > 1 else ' is'} bad ({read})"


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as columns; the first one to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = [c.rjust(width) for c, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([f"  {first:<{widths[0]}}", *cells])


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
