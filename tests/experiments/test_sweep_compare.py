from __future__ import annotations

from pathlib import Path

import pytest
from kedro.framework.project import configure_project
from tests.project.conftest import PROJECT, Load

from alpkd_pipeline.datasets.comparison import ComparisonDataset, comparison_key
from alpkd_pipeline.experiments.sweep import comparison_job, present_comparison
from alpkd_pipeline.reporting.collect import Query
from alpkd_pipeline.store.manifest import publish


@pytest.mark.parametrize("page", ["report.html", "comparison.md"])
def test_the_page_of_the_present_comparison_or_none(load: Load, tmp_path: Path, page: str) -> None:
    configure_project("alpkd_pipeline")
    loader = load({"run.tracking": "off"})
    params, experiment = loader.params.plain(), loader.experiment
    assert present_comparison(PROJECT, None, params) is None
    found = ComparisonDataset(
        filepath=str(experiment.comparison_path),
        store=str(experiment.store),
        compare=experiment.params.compare.model_dump_json(),
    )
    work = tmp_path / "work"
    work.mkdir()
    (work / page).write_text("x")
    publish(work, found.path, {"key": comparison_key(experiment.store, Query())})
    assert present_comparison(PROJECT, None, params) == found.path / page


def test_the_job_compares_and_runs_no_training() -> None:
    job = comparison_job({"seed": 0})
    assert (job.pipeline, job.to_outputs) == ("compare", ("comparison",))
