import logging

import pytest
from tests.reporting.studies import with_event_log

from alpkd_pipeline.reporting.store import (
    BINS,
    RunCurves,
    mean_losses,
    mean_scores,
    run_curves,
)
from alpkd_pipeline.store.manifest import seal
from alpkd_pipeline.store.run_folder import DamagedError


def test_scores_and_losses_of_a_event_log(store):
    folder = store.student(0)
    with_event_log(folder, epochs=2)
    found = run_curves(folder, "accuracy")
    assert found.scores == [(1.0, 0.2), (2.0, 0.4)]
    assert [epoch for epoch, _ in found.losses["hard"]] == [0.5, 1.0, 1.5, 2.0]
    assert set(found.losses) == {"hard", "soft"}


def test_values_that_are_not_finite_are_left_out(tmp_path):
    lines = [
        '{"event": "step", "epoch": 1, "loss": {"hard": "nan", "soft": 0.5}}',
        '{"event": "eval", "epoch": 1, "scores": {"accuracy": "nan"}}',
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    seal(tmp_path, {})
    assert run_curves(tmp_path, "accuracy") == RunCurves([], {"soft": [(1.0, 0.5)]})


@pytest.mark.parametrize("text", ['{"event": "step", "epoch"', '{"event": "step"}'])
def test_a_event_log_of_another_shape_gives_nothing_and_says_so(tmp_path, caplog, text):
    (tmp_path / "events.jsonl").write_text(text)
    seal(tmp_path, {})
    with caplog.at_level(logging.WARNING):
        assert run_curves(tmp_path, "accuracy") == RunCurves((), {})
    assert "cannot be read" in caplog.text


def test_a_event_log_that_is_not_what_was_written_is_refused(store):
    folder = store.student(0)
    with_event_log(folder, epochs=2)
    path = folder / "events.jsonl"
    path.write_text(path.read_text().replace("0.2", "0.9"))
    with pytest.raises(DamagedError, match=r"events\.jsonl is damaged"):
        run_curves(folder, "accuracy")


def test_no_event_log_gives_nothing(tmp_path):
    seal(tmp_path, {})
    assert run_curves(tmp_path, "accuracy") == RunCurves((), {})


def test_the_mean_ends_where_the_first_run_stopped():
    runs = [RunCurves([(1, 0.2), (2, 0.4)], {}), RunCurves([(1, 0.4)], {})]
    assert mean_scores(runs) == [(1, pytest.approx(0.3))]


def test_losses_are_averaged_over_runs_and_parts():
    runs = [RunCurves([], {"hard": [(0.01, 1.0), (4.0, 2.0)]})] * 2
    assert mean_losses(runs, "hard") == [
        (pytest.approx(0.5 * 4 / BINS), 1.0),
        (pytest.approx((BINS - 0.5) * 4 / BINS), 2.0),
    ]
    assert mean_losses(runs, "soft") == []


def test_the_mean_of_losses_ends_where_the_first_run_stopped():
    runs = [
        RunCurves([], {"hard": [(1.0, 1.0), (4.0, 9.0)]}),
        RunCurves([], {"hard": [(1.0, 3.0)]}),
    ]
    assert mean_losses(runs, "hard") == [(pytest.approx((BINS - 0.5) / BINS), 2.0)]
