from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from tests.tracking.conftest import METRICS, Training, eval_event

from alpkd_pipeline.tracking.points import (
    Point,
    closing_points,
    event_points,
    new_batches,
)


def step(n: int, **fields: Any) -> dict[str, Any]:
    return {"event": "step", "time": 10.0 + n, "step": n, "loss": {"total": float(n)}, **fields}


def test_a_step_gives_one_point_per_number() -> None:
    event = {
        "event": "step",
        "time": 1700000000.1234,
        "step": 7,
        "epoch": 0.5,
        "loss": {"hard": 0.25, "soft": None},
        "weighted": {"hard": 0.1},
        "lr": 1e-4,
        "data_percent": 1.5,
        "memory_mb": 300,
    }
    at = 1700000000123
    assert event_points(event, "dev") == [
        Point("loss/hard", 0.25, at, 7),
        Point("system/memory_mb", 300, at, 7),
        Point("system/data_percent", 1.5, at, 7),
        Point("train/epoch", 0.5, at, 7),
        Point("train/lr", 1e-4, at, 7),
    ]


def test_an_evaluation_leads_its_scores_with_the_name_of_the_selecting_rows() -> None:
    event = {
        "event": "eval",
        "time": 2.0,
        "step": 9,
        "epoch": 1,
        "scores": {"f1": 0.5},
        "best": True,
        "attention": {"weights": [[1.0]], "entropy": [0.1, 0.2], "max_entropy": [1, 1]},
    }
    assert event_points(event, "holdout") == [
        Point("holdout/f1", 0.5, 2000, 9),
        Point("watch.attention_entropy.1", 0.1, 2000, 9),
        Point("watch.attention_entropy.2", 0.2, 2000, 9),
    ]


def test_values_that_are_not_finite_come_back_from_text() -> None:
    nan, inf = event_points({"event": "step", "time": 0, "step": 1, "a": "nan", "b": "-inf"}, "dev")
    assert math.isnan(nan.value)
    assert inf.value == -math.inf


def test_what_a_method_watches_has_points_of_its_own() -> None:
    (point,) = event_points(
        {"event": "step", "time": 1, "step": 4, "watch": {"teacher_variance": 0.25}}, "dev"
    )
    assert point == Point("watch.teacher_variance", 0.25, 1000, 4)


def test_the_gradients_of_the_first_step_are_known_once() -> None:
    event = {"event": "step", "time": 1, "step": 1, "gradients": {"hard": 0.5, "soft": 0.25}}
    assert event_points(event, "dev") == [
        Point("gradient.hard", 0.5, 1000, 0),
        Point("gradient.soft", 0.25, 1000, 0),
    ]


def test_text_and_truth_values_are_no_metrics() -> None:
    event = {"event": "step", "time": 0, "step": 1, "a": "word", "b": True, "c": None}
    assert event_points(event, "dev") == []


def test_odd_characters_leave_names() -> None:
    scores = {"a(b)": 1, "c/d": 2}
    found = event_points({"event": "eval", "time": 0, "step": 1, "scores": scores}, "dev")
    assert [point.name for point in found] == ["dev/a_b_", "dev/c_d"]


@pytest.mark.parametrize("selection", ["dev", "holdout"])
def test_charts_begin_with_the_score_and_end_with_what_is_watched(
    training: Callable[..., Training], selection: str
) -> None:
    """MLflow sorts the sections, then the names without one, and shows `system/` elsewhere."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    prefix = SystemMetricsMonitor("run")._metrics_prefix
    event_log = [
        step(1, memory_mb=1, watch={"variance": 1}, lr=1),
        eval_event(1),
        {"event": "epoch", "time": 1, "step": 1, "seconds": 2.0, "padding_percent": 1.5},
    ]
    points = [point for event in event_log for point in event_points(event, selection)]
    names = {point.name for point in [*points, *closing_points(METRICS, 1)]} | {"score"}
    assert {name for name in names if name.startswith(prefix)} == {"system/memory_mb"}
    drawn = sorted(names - {"system/memory_mb"}, key=lambda name: ("/" not in name, name))
    assert drawn[0] == f"{selection}/accuracy"
    assert drawn[-2:] == ["watch.attention_entropy.1", "watch.variance"]


def test_other_lines_have_no_points() -> None:
    for kind in ("start", "epoch", "end"):
        assert event_points({"event": kind, "time": 0, "seconds": 3, "steps": 2}, "dev") == []


def test_the_close_of_a_training() -> None:
    metrics = {
        "scores": {"dev": {"accuracy": 0.75}},
        "best_step": 6,
        "best_epoch": 2,
        "steps": 9,
        "seconds": 3.5,
        "parameters": {"total": 1000},
        "environment": {"threads": 1},
    }
    found = {(p.name, p.value) for p in closing_points(metrics, 5)}
    assert found == {
        ("best.epoch", 2.0),
        ("seconds", 3.5),
        ("parameters.total", 1000.0),
    }
    assert {(p.time_ms, p.step) for p in closing_points(metrics, 5)} == {(5, 0)}


def test_rows_without_a_label_are_counted() -> None:
    found = closing_points({"unlabelled": {"rows": 2000, "left_out": 0}}, 5)
    assert {(p.name, p.value) for p in found} == {
        ("unlabelled.rows", 2000.0),
        ("unlabelled.left_out", 0.0),
    }


def test_no_metrics_no_points() -> None:
    assert closing_points({}, 5) == []


def test_batches_keep_events_whole_and_stay_below_the_limit() -> None:
    events = [step(n, lr=0.1) for n in range(1, 6)]  # two points each
    batches = list(new_batches(events, "dev", {}, limit=5))
    assert [len(found) for found, _ in batches] == [4, 4, 2]
    assert [pushed for _, pushed in batches] == [{"step": 2}, {"step": 4}, {"step": 5}]


def test_what_is_pushed_stays_pushed() -> None:
    evaluation = {"event": "eval", "time": 1, "step": 2, "epoch": 1, "scores": {"f1": 0.5}}
    ((found, pushed),) = new_batches([step(1), step(2), evaluation], "dev", {"step": 2})
    assert {point.name for point in found} == {"dev/f1"}
    assert pushed == {"step": 2, "eval": 2}


def test_a_step_that_was_written_twice_counts_once() -> None:
    ((found, _),) = new_batches([step(1), step(2), step(2, time=99.0), step(3)], "dev", {})
    assert Counter(point.step for point in found) == {1: 1, 2: 1, 3: 1}
    assert [p.time_ms for p in found if p.step == 2] == [12000]


def test_nothing_new_gives_no_batch() -> None:
    assert list(new_batches([step(1)], "dev", {"step": 1})) == []
    assert list(new_batches([], "dev", {})) == []


def test_an_event_larger_than_the_limit_is_a_batch_of_its_own() -> None:
    event = {"event": "step", "time": 1.0, "step": 1, "a": 1, "b": 2, "c": 3}
    batches = new_batches([event, step(2)], "dev", {}, limit=2)
    assert [len(found) for found, _ in batches] == [3, 1]
