from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tracking.conftest import KEY, T0, Training

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tracking.comparison import key_of_run, tag_rerun
from alpkd_pipeline.tracking.folder_sync import sync_folder
from alpkd_pipeline.tracking.settings import STATE_FILE, TrackingSettings, tracking_settings

Rows = Callable[..., list[tuple[Any, ...]]]
DATE = "20260314-031500"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """An original and a rerun that began later."""
    original = Training(tmp_path / "students").whole()
    rerun = Training(tmp_path / "fresh").begin(T0 + 1000).steps(1, 20).publish()
    return original, rerun


def test_both_runs_are_tagged(
    pair: tuple[Path, Path], settings: TrackingSettings, rows: Rows
) -> None:
    ids = [sync_folder(folder, settings) for folder in pair]
    # A copy of the store knows nothing of MLflow; the runs are found by what the files say.
    (pair[0] / STATE_FILE).unlink()
    assert list(tag_rerun(*pair, "drifted", DATE, settings)) == ids
    found = rows("select run_uuid, key, value from tags where key like 'rerun.%' order by key")
    assert sorted(found) == sorted(
        [
            (ids[0], "rerun.by", ids[1]),
            (ids[1], "rerun.of", ids[0]),
            *((run, "rerun.verdict", "drifted") for run in ids),
            *((run, "rerun.date", DATE) for run in ids),
        ]
    )


def test_a_run_that_is_not_tracked_gets_no_tags(
    pair: tuple[Path, Path], settings: TrackingSettings, rows: Rows
) -> None:
    run_id = sync_folder(pair[1], settings)
    assert tag_rerun(*pair, "drifted", DATE, settings) == (None, run_id)
    assert rows("select count(*) from tags where key like 'rerun.%'") == [(0,)]


def test_the_key_of_a_run(pair: tuple[Path, Path], settings: TrackingSettings) -> None:
    run_id = sync_folder(pair[0], settings)
    assert key_of_run(str(run_id), settings) == KEY
    assert key_of_run("0" * 32, settings) is None


def test_a_server_that_is_away_is_one_line(
    pair: tuple[Path, Path], closed_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = tracking_settings(f"http://127.0.0.1:{closed_port}", "alpkd", tmp_path)
    assert away is not None
    with pytest.raises(UserError, match="did not get into MLflow") as caught:
        tag_rerun(*pair, "drifted", DATE, away)
    assert "\n" not in str(caught.value)
