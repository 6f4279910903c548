from __future__ import annotations

import pytest

from alpkd_pipeline.training.devices import (
    differences,
    last_environment,
    say_differences,
)
from alpkd_pipeline.training.run import deviations

HERE = {
    "device": "cpu",
    "device_name": "EPYC",
    "precision": "fp32",
    "threads": 1,
    "python": "3.11.2",
    "platform": "Linux-6.1",
    "libraries": {"torch": "2.13.0+cpu", "numpy": "2.4"},
}


def test_what_moves_the_last_bits() -> None:
    there = HERE | {
        "device": "cuda",
        "device_name": "H100",
        "precision": "bf16",
        "threads": 4,
        "libraries": {"torch": "2.13.0+cu130", "numpy": "2.4"},
    }
    assert differences(HERE, there) == {
        "device": ["cpu", "cuda"],
        "device_name": ["EPYC", "H100"],
        "precision": ["fp32", "bf16"],
        "threads": [1, 4],
        "libraries.torch": ["2.13.0+cpu", "2.13.0+cu130"],
    }


def test_what_moves_none_of_them() -> None:
    assert differences(HERE, HERE | {"python": "3.11.9", "platform": "Linux-6.8"}) == {}


def test_a_event_log_that_does_not_say_is_like_any_place() -> None:
    assert differences({}, HERE) == {}
    assert last_environment([{"event": "step"}]) == {}


def test_the_last_place_counts() -> None:
    events = [
        {"event": "start", **HERE},
        {"event": "step"},
        {"event": "resume", **HERE, "threads": 2},
        {"event": "step"},
    ]
    assert last_environment(events)["threads"] == 2


def test_one_warning_names_what_differs(caplog: pytest.LogCaptureFixture) -> None:
    say_differences("rte", 8, {})
    assert caplog.messages == []
    say_differences("rte", 8, {"threads": [1, 2], "precision": ["fp32", "bf16"]})
    (line,) = caplog.messages
    assert line.startswith(
        "rte goes on after step 8 with threads 2 instead of 1, precision bf16 instead of fp32: its"
        " result is not bitwise that of"
    )


def test_the_record_is_of_places_that_differed() -> None:
    events = [
        {"event": "resume", "after_step": 4, "differs": {}},
        {"event": "resume", "after_step": 8, "differs": {"threads": [1, 2]}},
    ]
    assert deviations(events) == {"resumed_on": [{"after_step": 8, "differs": {"threads": [1, 2]}}]}
