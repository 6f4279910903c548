from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.tracking.settings import (
    STATE_FILE,
    Ended,
    SyncState,
    read_state,
    write_state,
)


@pytest.mark.parametrize("ended", [None, Ended("FAILED", "why", 5)])
def test_a_state_comes_back(tmp_path: Path, ended: Ended | None) -> None:
    state = SyncState("store", "training", "run", {"step": 3}, finished=False, ended=ended)
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]


@pytest.mark.parametrize("text", ["", "[]", '{"store"', '{"unknown": 1}', '{"ended": {"a": 1}}'])
def test_a_state_that_cannot_be_read_is_no_state(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE_FILE).write_text(text)
    assert read_state(tmp_path) == SyncState()


def test_a_folder_that_was_published_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_state(tmp_path / "gone", SyncState())
    assert not (tmp_path / "gone").exists()
