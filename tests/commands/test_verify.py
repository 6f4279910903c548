"""`kedro verify` as a user types it."""

from __future__ import annotations

import json
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
    return SmallStore(root / "data").chain()


def test_a_sound_store_and_a_damaged_one(root: Path, store: SmallStore, kedro: Kedro) -> None:
    done = kedro("verify", cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("sound: ")
    (store.folder("small") / "data.bin").write_bytes(b"1" * 64)
    done = kedro("verify", cwd=root)
    assert done.returncode == 1
    assert f"damaged: 06_models/students/mrpc/{store.folder('small').name}" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("not sound: 1 folder is bad")
    assert "run.store" not in done.stdout
    given = kedro("verify", f"--params=run.store={root / 'data'}", cwd=root)
    assert "run.store" not in given.stdout, "it is where conf/ says"
    (root / "conf" / "local" / "parameters.yml").write_text("run: {store: other}")
    elsewhere = kedro("verify", f"--params=run.store={root / 'data'}", cwd=root)
    assert f"--params=name=small,run.store={root / 'data'}\n" in elsewhere.stdout
    (root / "conf" / "local" / "parameters.yml").unlink()
    only = kedro("verify", str(store.folder("big")), "--json", cwd=root)
    assert only.returncode == 0
    assert [kind["kind"] for kind in json.loads(only.stdout)["kinds"]] == ["teacher"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--params=run.store=nowhere"], "there is no store"),
        (["conf"], "nothing of the store"),
        (["--env=papr"], "no configuration environment 'papr'"),
    ],
)
def test_a_mistake_is_one_line(
    root: Path, store: SmallStore, kedro: Kedro, options: list[str], line: str
) -> None:
    done = kedro("verify", *options, cwd=root)
    assert done.returncode == 1
    (said,) = [text for text in done.stderr.splitlines() if text.strip()]
    assert said.startswith(f"Error: {line}")
    assert not done.stdout


def test_the_rest_of_the_configuration_need_not_be_possible(
    root: Path, store: SmallStore, kedro: Kedro
) -> None:
    """The teacher's files may be on another machine."""
    given = "--params=teacher.model=gone/folder,task.name=mrpc,task.source=folder"
    done = kedro("verify", given, cwd=root)
    assert done.returncode == 0, done.stderr
