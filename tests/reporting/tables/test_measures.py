"""Size and speed of a row's models."""

from __future__ import annotations

import pandas as pd
import pytest
from tests.reporting.experiment_frames import frame, run

from alpkd_pipeline.reporting.collect import gather
from alpkd_pipeline.reporting.comparison import write_comparison
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.tables import measures as module
from alpkd_pipeline.reporting.tables.measures import (
    MEASURES,
    Measure,
    measured,
    measures,
    timed_alike,
)


def test_compression_and_speed():
    cells = frame(run("kd", 0.8, 0, speed_up=2.0, latency_ms=4.0), run("kd", 0.8, 1))
    (found,) = measured(cells).values()
    assert list(found) == measures()
    assert found["compression"] == pytest.approx(1.5)
    # Measured on one seed only.
    assert (found["speed_up"], found["latency_ms"]) == (2.0, 4.0)


def test_what_is_not_known_is_none():
    cells = frame(run("kd", 0.8)).drop(columns=["latency_ms"])
    cells["teacher_parameters"] = None
    (found,) = measured(cells).values()
    assert found["parameters"] == 400_000
    assert found["compression"] is found["teacher_parameters"] is found["latency_ms"] is None


def test_each_arm_has_its_own():
    cells = frame(run("kd", 0.8), run("kd", 0.8, layers=2, parameters=200_000))
    assert sorted(found["compression"] for found in measured(cells).values()) == [1.5, 3.0]


def test_only_times_of_the_commonest_place_of_a_task_are_kept():
    cells = timed_alike(
        frame(
            run("kd", 0.8, 0, latency_ms=1.0, timed_on="a"),
            run("kd", 0.8, 1, latency_ms=2.0, timed_on="b"),
            run("kd", 0.8, 2, latency_ms=3.0, timed_on="b"),
            run("kd", 0.8, 0, task="rte", latency_ms=4.0, timed_on="a"),
            run("kd", 0.8, 1, task="rte", timed_on=""),
        )
    )
    assert cells["latency_ms"].fillna(0).tolist() == [0, 2.0, 3.0, 4.0, 0]
    assert timed_alike(cells.iloc[:0]).empty


def test_a_new_measure_is_a_column_in_every_format(store, tmp_path, monkeypatch):
    memory = Measure("memory", "memory", "megabytes", of_run=lambda run: run.metrics["seconds"] * 3)
    monkeypatch.setattr(module, "MEASURES", (*MEASURES, memory))
    store.teacher()
    for seed in range(3):
        store.student(seed, 0.7 + seed / 100, seconds=10.0 + seed)
    written = write_comparison(Sources(gather(store.root)), tmp_path)
    text = {path.name: path.read_text("utf-8") for path in written}
    means = pd.read_csv(tmp_path / "main.csv").set_index("label")["memory"]
    assert means["kd"] == 33.0
    assert means.isna()["teacher"]
    assert pd.read_csv(tmp_path / "students.csv")["memory"].tolist() == [30.0, 33.0, 36.0]
    assert pd.read_csv(tmp_path / "groups.csv")["memory"].tolist() == [33.0]
    assert '<th scope="col" class="number" title="megabytes">memory</th>' in text["report.html"]
    assert '<td class="number">33.0</td>' in text["report.html"]
    lines = [line.split() for line in text["comparison.md"].splitlines()]
    assert ["|", "method", "|", "mrpc", "|", "memory", "|"] in lines
    assert ["|", "kd", "|", "71.0", "±", "1.0", "|", "33.0", "|"] in lines
    assert r" & mrpc & memory \\" in text["tables.tex"]
    assert r"kd & 71.0 $\pm$ 1.0 & 33.0 \\" in text["tables.tex"]
