"""All scored students of the store, in one table."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline, node

from alpkd_pipeline.steps.step import make
from alpkd_pipeline.store.artifact import Artifact, ResolvedExperiment

log = logging.getLogger(__name__)


def compare_students(
    store: Path, compare: Mapping[str, Any], experiment: ResolvedExperiment, **_after: Artifact
) -> Artifact:
    """Write the report, and the same tables as CSV, Markdown, LaTeX and JSON.

    The key is what lies in the store now: this run's own student was not there when the catalog
    was loaded. `experiment` says where the comparison goes; `_after` are results that must be there
    first, and are read from the store like all others.
    """
    from alpkd_pipeline.datasets.comparison import comparison_of
    from alpkd_pipeline.gc import collected_seldom
    from alpkd_pipeline.reporting.collect import Query, add_looks, gather
    from alpkd_pipeline.reporting.comparison import write_comparison
    from alpkd_pipeline.reporting.sources import Sources

    # Before anything is read: what other processes add from here on may be missing in the tables.
    query = Query.of(compare)
    artifact = comparison_of(experiment["comparison"], store, query)
    if artifact.is_made:
        log.info("nothing new to compare")
        return artifact
    # With a thousand runs in memory searches for garbage take a tenth of the time.
    with collected_seldom():
        # Before the folder is made: a sweep that does not exist leaves nothing behind.
        sources = Sources(gather(store, query))
        add_looks(store, sources.verdicts)
        return make(experiment, artifact, partial(write_comparison, sources), {})


def create_pipeline(after: Sequence[str] = ()) -> Pipeline:
    """One node; `after` are datasets to wait for, when the same run makes something to compare."""
    inputs = {"store": "store", "compare": "params:compare", "experiment": "experiment"}
    inputs |= {name: name for name in after}
    name, tag = "compare_students", "stage.compare"
    return Pipeline([node(compare_students, inputs, "comparison", name=name, tags=tag)])
