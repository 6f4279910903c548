from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpkd_pipeline.store.checkpoints import BEST, CHECKPOINTS, publish_step, steps_of
from alpkd_pipeline.store.event_log import EventLog
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.training.checkpoint import LONGEST, SHARE, Saver, latest


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


@pytest.fixture
def event_log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog(tmp_path) as made:
        yield made


def test_every_n_steps_and_at_each_epochs_end(tmp_path: Path, event_log: EventLog) -> None:
    saver = Saver(tmp_path, 3, event_log)
    assert [step for step in range(1, 8) if saver.due(step, epoch_ends=step == 5)] == [3, 5, 6]


def test_by_the_clock_it_saves_at_an_epochs_end_or_after_a_while(
    tmp_path: Path, event_log: EventLog, clock: list[float]
) -> None:
    saver = Saver(tmp_path, "auto", event_log)
    assert saver.due(1, epoch_ends=True)
    assert not saver.due(1, epoch_ends=False)
    clock[0] += LONGEST
    assert saver.due(1, epoch_ends=False)


def test_saving_takes_no_more_than_its_share(
    tmp_path: Path, event_log: EventLog, clock: list[float]
) -> None:
    saver = Saver(tmp_path, "auto", event_log)

    def slowly(folder: Path) -> None:
        clock[0] += 2.0

    saver.save(7, {"best_step": None, "steps": 7}, slowly)
    clock[0] += 2.0 / SHARE - 1.0
    assert not saver.due(8, epoch_ends=True)
    clock[0] += 2.0
    assert saver.due(9, epoch_ends=True)


def test_a_checkpoint_knows_how_long_the_event_log_was(tmp_path: Path, event_log: EventLog) -> None:
    event_log.write("step", step=1)
    length = (tmp_path / "events.jsonl").stat().st_size
    Saver(tmp_path, 1, event_log).save(1, {"best_step": None, "steps": 1}, lambda folder: None)
    event_log.write("step", step=2)
    found = latest(tmp_path)
    assert found is not None
    assert found[1]["event_log_bytes"] == length < (tmp_path / "events.jsonl").stat().st_size


def test_best_models_that_no_checkpoint_speaks_of_are_removed(
    tmp_path: Path, event_log: EventLog
) -> None:
    saver = Saver(tmp_path, 1, event_log)
    for step, best in ((1, 1), (2, 1), (3, 3), (4, 3)):
        if best == step:
            publish_step(tmp_path / BEST, step, lambda folder: None)
        saver.save(step, {"best_step": best, "steps": step}, lambda folder: None)
        assert steps_of(tmp_path / BEST) == ([1] if step < 3 else [1, 3] if step == 3 else [3])
    assert steps_of(tmp_path / CHECKPOINTS) == [3, 4]


def test_what_is_newer_than_the_last_whole_one_is_removed(
    tmp_path: Path, event_log: EventLog
) -> None:
    saver = Saver(tmp_path, 1, event_log)
    for step in (1, 2):
        saver.save(step, {"best_step": None, "steps": step}, lambda folder: None)
    (tmp_path / CHECKPOINTS / "step-00000002" / "facts.json").write_text("{}")
    found = latest(tmp_path)
    assert found is not None
    assert found[1]["steps"] == 1
    assert steps_of(tmp_path / CHECKPOINTS) == [1]
    assert read_json(found[0] / "facts.json")["steps"] == 1


def test_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert latest(tmp_path) is None
    publish_step(tmp_path / BEST, 4, lambda folder: None)
    assert latest(tmp_path) is None
    assert steps_of(tmp_path / BEST) == []
