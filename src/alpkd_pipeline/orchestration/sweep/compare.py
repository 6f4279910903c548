"""The comparison at the end of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alpkd_pipeline.orchestration.config_loader import EXACT
from alpkd_pipeline.orchestration.sweep.jobs import Job

COMPARISON = "comparison"
PAGES = ("report.html", "comparison.md")
"""What to open of a comparison, the best one first."""


def comparison_job(params: Mapping[str, Any]) -> Job:
    """The job that compares what is in the store.

    Args:
        params: complete parameters of any cell of the store.
    """
    return Job(COMPARISON, "compare", (COMPARISON,), params, "kedro run --pipeline=compare")


def present_comparison(project: Path, env: str | None, params: Mapping[str, Any]) -> Path | None:
    """The page of the comparison of what is there now; None if it has not been made."""
    from kedro.framework.session import KedroSession

    given = {EXACT: dict(params)}
    with KedroSession.create(project, env=env, runtime_params=given, save_on_close=False) as opened:
        session: Any = opened
        dataset = session.load_context().catalog[COMPARISON]
        if not dataset.exists():
            return None
        folder = Path(dataset.path)
    return next((folder / page for page in PAGES if (folder / page).is_file()), folder)
