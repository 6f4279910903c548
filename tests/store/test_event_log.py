from __future__ import annotations

from pathlib import Path

import pytest
from tests.disks import fill, small_disk

from alpkd_pipeline.errors import DiskFullError
from alpkd_pipeline.store.event_log import EVENT_LOG, START, EventLog, cut_event_log, read_event_log


def test_events_come_back_in_order(tmp_path: Path) -> None:
    with EventLog(tmp_path) as event_log:
        event_log.write("step", step=1, loss={"hard": 0.5})
        event_log.write("eval", scores={"accuracy": 1.0})
    events, _ = read_event_log(tmp_path)
    assert [event["event"] for event in events] == ["step", "eval"]
    assert events[0]["loss"] == {"hard": 0.5}
    assert events[0]["time"] <= events[1]["time"]


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with EventLog(tmp_path) as event_log:
        event_log.write("step", step=1)
        first, place = read_event_log(tmp_path)
        event_log.write("step", step=2)
        second, end = read_event_log(tmp_path, place)
    assert [e["step"] for e in first + second] == [1, 2]
    assert read_event_log(tmp_path, end) == ([], end)


@pytest.mark.parametrize("more", [0, 1, 2, 20])
def test_a_event_log_that_was_cut_is_read_anew(tmp_path: Path, more: int) -> None:
    """Also when it has grown again beyond the place that was reached."""
    with EventLog(tmp_path) as event_log:
        event_log.write("step", step=1)
        size = event_log.size
        event_log.write("step", step=2, loss=0.25)
        event_log.write("step", step=3, loss=0.125)
        _, place = read_event_log(tmp_path)
    cut_event_log(tmp_path, size)
    with EventLog(tmp_path) as event_log:
        for step in range(more):
            event_log.write("resume" if step == 0 else "step", step=step + 1, after_step=1)
        events, end = read_event_log(tmp_path, place)
    assert len(events) == 1 + more
    assert end == read_event_log(tmp_path)[1]


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    (tmp_path / EVENT_LOG).write_bytes(b'{"event": "step", "step": 1}\n{"event": "st')
    events, place = read_event_log(tmp_path)
    assert [e["step"] for e in events] == [1]
    with (tmp_path / EVENT_LOG).open("ab") as file:
        file.write(b'ep", "step": 2}\n')
    assert read_event_log(tmp_path, place)[0][0]["step"] == 2


def test_values_that_json_lacks_are_written_as_words(tmp_path: Path) -> None:
    with EventLog(tmp_path) as event_log:
        event_log.write("step", loss={"hard": float("nan")}, norms=[float("inf"), 1.0])
    assert read_event_log(tmp_path)[0][0]["loss"] == {"hard": "nan"}
    assert read_event_log(tmp_path)[0][0]["norms"] == ["inf", 1.0]


def test_no_event_log_is_an_empty_one(tmp_path: Path) -> None:
    assert read_event_log(tmp_path) == ([], START)


def test_a_torn_line_is_cut_before_more_is_written(tmp_path: Path) -> None:
    (tmp_path / EVENT_LOG).write_bytes(b'{"event": "step", "step": 1}\n{"event": "st')
    with EventLog(tmp_path) as event_log:
        event_log.write("step", step=2)
    assert [event["step"] for event in read_event_log(tmp_path)[0]] == [1, 2]


def test_a_line_that_finds_no_room_leaves_no_trace(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1) as disk:
        with EventLog(disk) as event_log:
            event_log.write("step", step=1)
            filler = fill(disk, leave=4096)
            with pytest.raises(DiskFullError, match=r"events\.jsonl could not be written"):
                event_log.write("eval", rows=list(range(9000)))
            size = event_log.size
            filler.unlink()
            event_log.write("step", step=2)
        events, end = read_event_log(disk)
    assert [event["step"] for event in events] == [1, 2]
    assert size < end.offset == event_log.size
