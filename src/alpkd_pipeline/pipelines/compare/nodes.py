"""The node that compares every scored student of the store."""

from __future__ import annotations

from pathlib import Path

from alpkd_pipeline.runs.run_folder import Work


def compare(store: Path, work: Work, **_after: Path) -> Path:
    """Write the comparison table as CSV, Markdown and JSON.

    Args:
        store: the folder of all results.
        work: where the tables are written.
        **_after: results that must be there first; read from the store like all others.
    """
    from alpkd_pipeline.reporting.comparison import collect, write_comparison

    folder = work.begin()
    write_comparison(collect(store), folder)
    return folder
