"""Trainings of a sweep lie below its run, whoever makes that run, and however often."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tracking.conftest import run_json

from alpkd_pipeline.tracking.folder_sync import sync_folder
from alpkd_pipeline.tracking.group import make_parent, parent_tags
from alpkd_pipeline.tracking.mlflow_sync import MlflowStore, prepare_store
from alpkd_pipeline.tracking.settings import TrackingSettings

Rows = Callable[..., list[tuple[Any, ...]]]
Make = Callable[..., Any]
GROUP = "sweep-demo-1"


@pytest.fixture
def store(settings: TrackingSettings) -> MlflowStore:
    return prepare_store(settings)


def tags_of(rows: Rows, run_id: str | None) -> dict[str, str]:
    return dict(rows("select key, value from tags where run_uuid = ?", run_id))


def test_a_run_that_nobody_grouped_has_no_parent(store: MlflowStore) -> None:
    assert parent_tags(store, run_json(), 5) == {}
    assert parent_tags(store, run_json(group=None), 5) == {}
    assert store.find(GROUP) is None


def test_children_find_the_parent_that_is_there(
    settings: TrackingSettings, training: Make, store: MlflowStore, rows: Rows
) -> None:
    parent = make_parent(store, GROUP, "sweep", 5)
    child = sync_folder(training(group=GROUP).whole(), settings)
    teacher = sync_folder(training("demo-s0-b2", stage="teacher", group=GROUP).whole(), settings)
    for run_id in (child, teacher):
        found = tags_of(rows, run_id)
        assert (found["group"], found["mlflow.parentRunId"]) == (GROUP, parent)
    own = tags_of(rows, parent)
    assert (own["stage"], own["group"], own["identity"]) == ("sweep", GROUP, GROUP)
    assert rows("select name, status from runs where run_uuid = ?", parent) == [(GROUP, "RUNNING")]


@pytest.mark.parametrize(("run_type", "kind"), [("cell", "sweep"), ("trial", "search")])
def test_a_missing_parent_is_made_once(
    settings: TrackingSettings, training: Make, rows: Rows, run_type: str, kind: str
) -> None:
    """As `kedro sync` on another machine sees it: run folders alone."""
    for number in range(2):
        made = training(f"kd-{number}", key=f"{number:064x}", group=GROUP)
        made.run["identity"]["generation"] = run_type
        sync_folder(made.whole(), settings)
    parent_ids = rows("select value from tags where key = 'mlflow.parentRunId'")
    assert len(parent_ids) == 2
    ((parent,),) = set(parent_ids)
    assert tags_of(rows, parent)["stage"] == kind
    assert rows("select name, status from runs where run_uuid = ?", parent) == [(GROUP, "FINISHED")]


def test_a_child_keeps_its_first_parent(
    settings: TrackingSettings, training: Make, rows: Rows, tmp_path: Path
) -> None:
    """Another sweep that finds the student made does not take it over."""
    folder = training(group=GROUP).whole()
    child = sync_folder(folder, settings)
    before = tags_of(rows, child)
    make_parent(prepare_store(settings), "sweep-later", "sweep", 9)
    (folder / ".mlflow.json").unlink()
    assert sync_folder(folder, settings) == child
    assert tags_of(rows, child) == before


def test_of_two_parents_made_at_once_all_take_the_older(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MlflowStore.create

    def someone_was_faster(self: MlflowStore, name: str, start_ms: int, tags: Any) -> str:
        real(self, name, start_ms - 1, tags)
        return real(self, name, start_ms, tags)

    monkeypatch.setattr(MlflowStore, "create", someone_was_faster)
    found = make_parent(store, GROUP, "sweep", 5)
    assert store.client.get_run(found).info.start_time == 4


def test_a_copied_store_gives_the_same_picture(
    settings: TrackingSettings, training: Make, rows: Rows, tmp_path: Path
) -> None:
    folder = training(group=GROUP).whole()
    child = sync_folder(folder, settings)
    copy = tmp_path / "elsewhere" / folder.name
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".mlflow.json"))
    assert sync_folder(copy, settings) == child
    assert rows("select count(*) from runs") == [(2,)]
