from __future__ import annotations

from tests.orchestration.rerun.conftest import Make

from alpkd_pipeline.orchestration.rerun.difference import Difference, after_running
from alpkd_pipeline.orchestration.rerun.original import StoredRun


def test_in_words() -> None:
    assert str(Difference("libraries", "torch", "2.12.0", "2.13.0")) == "torch: 2.12.0 -> 2.13.0"


def test_what_shows_only_after_running(then: StoredRun, now: Make) -> None:
    environment = {"threads": 2, "libraries": {"torch": "2.13.0+cu128", "transformers": "5.23.0"}}
    seen = after_running(then, now(environment=environment))
    assert [str(difference) for difference in seen] == [
        "threads of the student: 1 -> 2",
        "torch: 2.13.0+cpu -> 2.13.0+cu128",
    ]
    assert after_running(then, now()) == []
