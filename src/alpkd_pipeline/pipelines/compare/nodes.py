"""The node that compares every scored student of the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from alpkd_pipeline.runs.run_folder import Work


def compare(store: Path, work: Work, **_after: Path) -> Path:
    """Write the report, and the same tables as CSV, Markdown, LaTeX and JSON.

    Args:
        store: the folder of all results.
        work: where the files are written, with the parameter block `compare`.
        **_after: results that must be there first; read from the store like all others.
    """
    from alpkd_pipeline.datasets.comparison import KEY, comparison_key
    from alpkd_pipeline.reporting.comparison import gather, write_comparison

    sweep = work.facts["params"]["compare"]["sweep"]
    # Before anything is read: what other processes add from here on may be missing in the tables.
    key = comparison_key(store, sweep)
    # Before the folder is made: a sweep that does not exist leaves nothing behind.
    evidence = gather(store, sweep)
    folder = replace(work, facts={**work.facts, KEY: key}).begin()
    write_comparison(evidence, folder)
    return folder
