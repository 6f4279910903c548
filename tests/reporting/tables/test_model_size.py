"""Size and speed of a row's models."""

from __future__ import annotations

import pytest
from tests.reporting.cell_frames import frame, run

from alpkd_pipeline.reporting.tables.model_size import SIZES, sizes, timed_alike


def test_compression_and_speed():
    cells = frame(run("kd", 0.8, 0, speed_up=2.0, latency_ms=4.0), run("kd", 0.8, 1))
    (found,) = sizes(cells).values()
    assert list(found) == list(SIZES)
    assert found["compression"] == pytest.approx(1.5)
    # Measured on one seed only.
    assert (found["speed_up"], found["latency_ms"]) == (2.0, 4.0)


def test_what_is_not_known_is_none():
    cells = frame(run("kd", 0.8)).drop(columns=["latency_ms"])
    cells["teacher_parameters"] = None
    (found,) = sizes(cells).values()
    assert found["parameters"] == 400_000
    assert found["compression"] is found["teacher_parameters"] is found["latency_ms"] is None


def test_each_arm_has_its_own():
    cells = frame(run("kd", 0.8), run("kd", 0.8, layers=2, parameters=200_000))
    assert sorted(found["compression"] for found in sizes(cells).values()) == [1.5, 3.0]


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
