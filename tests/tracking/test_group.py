from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tracking.folder_sync import sync_folder
from alpkd_pipeline.tracking.group import close_group, open_group
from alpkd_pipeline.tracking.mlflow_sync import prepare_store
from alpkd_pipeline.tracking.settings import TrackingSettings

Rows = Callable[..., list[tuple[Any, ...]]]
Make = Callable[..., Any]
GROUP = "sweep-demo-20260101T000000"
PARAMS = {"tasks": ["demo"], "params": {"training.lr": 1e-4}, "none": None}


def opened(settings: TrackingSettings, **changes: Any) -> str:
    given = {"kind": "sweep", "description": "A grid.", "params": PARAMS, **changes}
    return open_group(settings, GROUP, **given)


def test_a_sweep_is_a_run_from_beginning_to_end(
    settings: TrackingSettings, rows: Rows, tmp_path: Path
) -> None:
    run_id = opened(settings)
    assert rows("select run_uuid, name, status from runs") == [(run_id, GROUP, "RUNNING")]
    assert dict(rows("select key, value from params")) == {
        "tasks": '["demo"]',
        "params.training.lr": "0.0001",
    }
    (tmp_path / "record.json").write_text("{}")
    close_group(
        settings,
        GROUP,
        status="FAILED",
        metrics={"cells.done": 3, "cells.failed": 1},
        files=[tmp_path / "record.json", tmp_path / "missing.html"],
    )
    assert rows("select status from runs") == [("FAILED",)]
    assert dict(rows("select key, value from metrics")) == {"cells.done": 3, "cells.failed": 1}
    tags = dict(rows("select key, value from tags"))
    assert tags["mlflow.note.content"] == "A grid."
    assert tags["stage"] == "sweep"
    files = (tmp_path / "mlartifacts").glob(f"{run_id}/artifacts/*")
    assert [path.name for path in files] == ["record.json"]


def test_opened_twice_is_one_run_that_goes_on(settings: TrackingSettings, rows: Rows) -> None:
    run_id = opened(settings)
    close_group(settings, GROUP, status="KILLED")
    assert opened(settings, params={**PARAMS, "workers": 2}) == run_id
    assert rows("select status from runs") == [("RUNNING",)]
    assert dict(rows("select key, value from params"))["workers"] == "2"


def test_trainings_lie_below_it(settings: TrackingSettings, training: Make, rows: Rows) -> None:
    run_id = opened(settings, kind="search")
    sync_folder(training(group=GROUP).whole(), settings)
    assert rows("select value from tags where key = 'mlflow.parentRunId'") == [(run_id,)]
    close_group(settings, GROUP, status="FINISHED")
    assert rows("select distinct status from runs") == [("FINISHED",)]


def test_a_group_has_a_view_of_its_students(settings: TrackingSettings) -> None:
    opened(settings)
    store = prepare_store(settings)
    tags = store.client.get_experiment(store.experiment_id).tags
    view = json.loads(tags[f"mlflow.sharedViewState.{GROUP}"])
    assert view["searchFilter"] == f"tags.stage = 'student' and tags.group = '{GROUP}'"


def test_a_group_that_was_never_opened_is_not_closed(
    settings: TrackingSettings, rows: Rows
) -> None:
    close_group(settings, GROUP, status="FINISHED", metrics={"a": 1.0})
    assert rows("select count(*) from runs") == [(0,)]


def test_a_command_loses_its_password(settings: TrackingSettings, rows: Rows) -> None:
    secret = "kedro sweep --params=run.tracking=http://u:c4n4ry@host"
    opened(settings, description=secret, params={"command": secret})
    close_group(settings, GROUP, status="FINISHED")
    assert "c4n4ry" not in repr(rows("select value from tags") + rows("select value from params"))


@pytest.mark.parametrize("close", [True, False])
def test_a_store_that_is_away_gives_one_line(
    settings: TrackingSettings, closed_port: int, close: bool
) -> None:
    away = replace(settings, uri=f"http://u:c4n4ry@127.0.0.1:{closed_port}", artifact_root=None)
    with pytest.raises(UserError, match="Connection refused") as error:
        close_group(away, GROUP, status="FINISHED") if close else opened(away)
    assert "\n" not in str(error.value)
    assert "c4n4ry" not in str(error.value)
