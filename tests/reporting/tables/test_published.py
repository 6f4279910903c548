"""The published numbers, as they were handed down."""

from __future__ import annotations

import pytest

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.reporting.tables.published import FILE, published
from alpkd_pipeline.tasks.glue import GLUE


def test_each_number_has_its_source_and_names_of_ours():
    found = published()
    columns = ["source", "model", "layers", "method", "task", "metric", "score", "note"]
    assert found.columns.tolist() == columns
    assert found["source"].str.len().gt(0).all()
    assert found["score"].between(20, 100).all()
    assert set(found["task"]) <= set(GLUE)
    for task, metric in set(zip(found["task"], found["metric"], strict=True)):
        assert GLUE[task].task.metrics[0] == metric, task
    assert set(found["method"]) - set(METHODS) == {"teacher", "universal_kd"}
    assert not found.duplicated(["source", "layers", "method", "task"]).any()


@pytest.mark.parametrize(("layers", "average"), [(4, 77.01), (2, 67.08)])
def test_averages_that_a_second_source_confirms(layers, average):
    found = published().query("method == 'alp_kd' and layers == @layers")
    assert len(found) == 8
    assert found["score"].mean() == pytest.approx(average, abs=0.006)
    assert found["note"].str.contains(str(average)).all()


def test_sources_are_explained_beside_the_file():
    said = FILE.with_name("README.md").read_text("utf-8")
    for source in published()["source"].unique():
        assert source.partition(" (as")[0] in said
