"""`kedro prune` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import Kedro
from tests.projects import copied_project
from tests.store.stores import SmallStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copied_project(tmp_path / "project", tracking="off")


@pytest.fixture
def store(root: Path) -> SmallStore:
    store = SmallStore(root / "data").chain()
    store.add("splits", "rows2")
    return store


def test_it_shows_it_asks_and_it_removes(root: Path, store: SmallStore, kedro: Kedro) -> None:
    folder = store.folder("rows2")
    shown = kedro("prune", "--dry-run", cwd=root)
    assert shown.returncode == 0, shown.stderr
    assert f"02_intermediate/splits/mrpc/{folder.name}" in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith("would remove 1 thing, ")
    asked = kedro("prune", cwd=root)  # no terminal
    assert asked.returncode == 1
    assert asked.stderr.strip().startswith("Error: nobody to ask: --yes removes")
    assert folder.is_dir()
    done = kedro("prune", "--yes", cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("removed: 1 thing, ")
    assert not folder.exists()
    again = kedro("prune", cwd=root)
    assert again.returncode == 0
    assert again.stdout.splitlines()[-1] == "nothing to remove"


def test_where_conf_cannot_say_what_it_asks_for_data_stays(
    root: Path, store: SmallStore, kedro: Kedro
) -> None:
    given = "--params=task.name=mrpc,task.source=folder,task.path=gone"
    done = kedro("prune", "--yes", "--signals", given, cwd=root)
    assert done.returncode == 0, done.stderr
    assert "what conf/ asks for is not known" in done.stderr
    assert store.folder("rows2").is_dir()


def test_a_mistake_is_one_line(root: Path, kedro: Kedro) -> None:
    done = kedro("prune", "--params=run.store=nowhere", cwd=root)
    assert done.returncode == 1
    (said,) = [text for text in done.stderr.splitlines() if text.strip()]
    assert said.startswith("Error: there is no store")
