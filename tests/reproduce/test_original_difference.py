from __future__ import annotations

from pathlib import Path

from tests.reproduce.conftest import Make, write_run

from alpkd_pipeline.reproduce.original import Difference, StoredRun, after_running


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


def test_known_deviations_of_a_training_are_named_once_each(tmp_path: Path) -> None:
    memory = {"doing": "training", "rows": 8, "instead_of": 32, "step": 1}
    moved = {"after_step": 3, "differs": {"threads": [1, 2]}}
    metrics = {"memory": [memory], "resumed_on": [moved]}
    disturbed = write_run(tmp_path / "then", metrics=metrics)
    seen = after_running(disturbed, write_run(tmp_path / "now"))
    assert [str(difference) for difference in seen] == [
        "batches of the student: split for lack of memory, 8 of 32 rows (training) at once"
        " -> whole",
        "training of the student: gone on with elsewhere: after step 3 with threads 2, was 1"
        " -> in one place",
    ]
    assert after_running(disturbed, write_run(tmp_path / "again", metrics=metrics)) == []
