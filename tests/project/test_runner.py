"""What a run makes and what it leaves alone, whichever runner it has."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest
from kedro.runner import SequentialRunner
from tests.disks import small_disk
from tests.steps.chain import EVERYTHING, World

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.experiment_inputs import parse_force
from alpkd_pipeline.project.runner import StageRunner
from alpkd_pipeline.store.manifest import is_complete


@pytest.fixture(params=[StageRunner, SequentialRunner], ids=lambda kind: kind.__name__)
def world(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch) -> World:
    world = World(tmp_path)
    run = world.run
    monkeypatch.setattr(world, "run", lambda again=None: run(again, request.param()))
    return world


def test_everything_once_and_then_nothing(world: World) -> None:
    assert world.run() == EVERYTHING
    assert world.run() == []
    assert all(is_complete(world.root / name, name) for name in EVERYTHING)


def test_a_run_with_nothing_to_do_says_so(world: World, caplog: pytest.LogCaptureFixture) -> None:
    line = "nothing to do: all that was asked for is there"
    with caplog.at_level(logging.INFO):
        world.run()
        assert line not in caplog.text
        world.run()
    assert caplog.messages.count(line) == 1


def test_what_nobody_needs_is_not_made_again(world: World) -> None:
    world.run()
    world.drop("large")
    world.drop("data")
    assert world.run() == []


def test_what_a_missing_result_needs_is_made_again(world: World) -> None:
    world.run()
    world.drop("large")
    world.drop("scores")
    assert world.run() == ["scores"]
    world.drop("small")
    world.drop("scores")
    assert world.run() == ["large", "small", "scores"]


def test_a_folder_without_its_file_is_made_again(world: World) -> None:
    world.run()
    (world.root / "scores" / "made").unlink()
    assert world.run() == ["scores"]


def test_what_an_order_names_is_made_again_once(world: World) -> None:
    world.run()
    order = {"small": 7.25, "scores": 7.25}
    assert world.run(order) == ["small", "scores"]
    assert world.run(order) == []
    assert world.run() == []
    assert world.run({"small": 8.5, "scores": 8.5}) == ["small", "scores"]
    assert world.run(dict.fromkeys(EVERYTHING, 9.0)) == EVERYTHING


def test_the_old_result_stays_until_the_new_one_is_there(world: World) -> None:
    world.run()

    def fail(folder: Path, **_: object) -> None:
        assert is_complete(world.root / "small", "small")
        raise RuntimeError("no power")

    world.builds["small"] = fail
    with pytest.raises(RuntimeError, match="no power"):
        world.run({"small": 1.0, "scores": 1.0})
    assert is_complete(world.root / "small", "small")


@pytest.mark.parametrize("text", ["student", "distill+teachers", "ALL"])
def test_an_unknown_stage_is_one_line(text: str) -> None:
    with pytest.raises(UserError, match=r"--force .*unknown stage; use data_prep"):
        parse_force(text)


def test_force_takes_plus_and_comma() -> None:
    assert parse_force("signals+distill") == ("signals", "distill")
    assert parse_force("") == ()


def test_an_ordered_result_that_was_renamed_is_made_again_in_its_place(world: World) -> None:
    world.run()
    (world.root / "small").rename(world.root / "best")
    assert world.run() == []
    assert world.run({"small": 1.0, "scores": 1.0}) == ["small", "scores"]
    assert is_complete(world.root / "best", "small")
    assert not (world.root / "small").exists()


def test_results_of_a_store_that_cannot_be_written_are_used(tmp_path: Path) -> None:
    """Under another name too; nobody needs a lock for what is there."""
    with small_disk(tmp_path / "disk", 4) as disk:
        world = World(disk)
        world.run()
        (disk / "small").rename(disk / "best of all")
        before = sorted(disk.rglob("*"))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert world.run() == []
        assert world.artifact("small").path == disk / "best of all"
        assert sorted(disk.rglob("*")) == before
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


def test_a_result_behind_a_link_is_used(world: World, tmp_path: Path) -> None:
    world.run()
    (tmp_path / "small").rename(tmp_path / "big disk")
    (tmp_path / "data").rename(tmp_path / "other disk")
    (tmp_path / "small").symlink_to(tmp_path / "big disk")
    (tmp_path / "mine").symlink_to(tmp_path / "other disk")
    assert world.run() == []
    world.drop("scores")
    assert world.run() == ["scores"]
